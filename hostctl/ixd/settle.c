/* SPDX-License-Identifier: MIT */
/* What a guest's record and an image say of each other: size, memory, address, and which image it is. */
#include "hostctl/ixd/ixd.h"
#include "hostctl/ixd/settle.h"
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int settle_guest(struct guest *g, const struct image *image, uint64_t files_room, struct err *err)
{
	struct image_size size = image_size(image, files_room);
	struct image_budget budget;
	struct ix_manifest *m = malloc(sizeof(*m));
	char words[256];
	int result = 0;

	if (m == NULL)
		abort();
	*m = image->m;
	for (unsigned i = 0; i < g->set.count && result == 0; i++)
		result = image_override(m, g->set.word[i], err);
	if (g->cpus_max == 0) {
		g->cpus_min = m->cores_min;
		g->cpus_max = m->cores_max;
		g->is_auto = g->cpus_min < g->cpus_max;
	}
	if (g->memory_mib == 0)
		g->memory_mib = m->memory_mib;
	if (result == 0 && (g->cpus_min < image->m.cores_min || g->cpus_max > image->m.cores_max))
		result = err_set(err, STATUS_USAGE, "cpus %u:%u: the image %s serves on %u to %u cores", g->cpus_min,
				 g->cpus_max, image->name, image->m.cores_min, image->m.cores_max);
	image_budget(&budget, m, g->cpus_max, &size);
	if (result == 0 && budget.total_mib > g->memory_mib) {
		image_budget_words(&budget, words, sizeof(words));
		result = err_set(err, STATUS_USAGE, "memory: %u MiB are not enough with %u cores, it needs %s",
				 g->memory_mib, g->cpus_max, words);
	}
	if (g->prefix == 0 && !g->is_dhcp) {
		memcpy(g->address, m->address, 4);
		g->prefix = m->prefix_bits;
		g->is_dhcp = m->prefix_bits == 0;
	}
	if (g->prefix6 == 0) {
		memcpy(g->address6, m->address6, 16);
		g->prefix6 = m->prefix6_bits;
	}
	free(m);
	return result;
}

void settle_image(struct guest *g, const struct image *image)
{
	uint8_t digest[SHA256_DIGEST_LENGTH];

	SHA256(image->file.data, image->file.bytes, digest);
	snprintf(g->image_name, sizeof(g->image_name), "%s", image->name);
	snprintf(g->image_version, sizeof(g->image_version), "%s", image->version);
	for (unsigned i = 0; i < sizeof(digest); i++)
		snprintf(g->image_sha256 + 2 * i, 3, "%02x", digest[i]);
}
