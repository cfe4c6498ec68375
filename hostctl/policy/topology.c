/* SPDX-License-Identifier: MIT */
/* CPUs as Linux tells of them [Linux Documentation/admin-guide/cputopology.rst], and sets of them as text. */
#include "hostctl/policy/place.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SYSTEM "/sys/devices/system"

unsigned place_count(const struct place_set *s)
{
	unsigned n = 0;

	for (unsigned i = 0; i < PLACE_CPUS_MAX / 64; i++)
		n += (unsigned)__builtin_popcountll(s->bits[i]);
	return n;
}

/* A number below PLACE_CPUS_MAX at *@at, which is moved behind it. */
static bool take_number(const char **at, unsigned *out)
{
	const char *p = *at;

	for (*out = 0; isdigit((unsigned char)*p); p++) {
		*out = *out * 10 + (unsigned)(*p - '0');
		if (*out >= PLACE_CPUS_MAX)
			return false;
	}
	if (p == *at)
		return false;
	*at = p;
	return true;
}

bool place_list(const char *text, struct place_set *out)
{
	memset(out, 0, sizeof(*out));
	while (*text != '\0' && *text != '\n') {
		unsigned first, last;

		if (!take_number(&text, &first))
			return false;
		last = first;
		if (*text == '-') {
			text++;
			if (!take_number(&text, &last) || last < first)
				return false;
		}
		for (; first <= last; first++)
			place_add(out, first);
		if (*text == ',')
			text++;
		else if (*text != '\0' && *text != '\n')
			return false;
	}
	return true;
}

bool place_mask(const char *text, struct place_set *out)
{
	size_t n;
	unsigned cpu = 0;

	memset(out, 0, sizeof(*out));
	if (strncmp(text, "0x", 2) == 0 || strncmp(text, "0X", 2) == 0)
		text += 2;
	n = strspn(text, "0123456789abcdefABCDEF");
	if (n == 0 || n > PLACE_CPUS_MAX / 4 || text[n] != '\0')
		return false;
	for (; n-- > 0; cpu += 4) {
		char digit[2] = { text[n], '\0' };
		unsigned long nibble = strtoul(digit, NULL, 16);

		out->bits[cpu / 64] |= (uint64_t)nibble << cpu % 64;
	}
	return true;
}

void place_words(const struct place_set *s, char *out, size_t bytes)
{
	size_t at = 0;

	if (bytes > 0)
		out[0] = '\0';
	for (unsigned cpu = 0; cpu < PLACE_CPUS_MAX && at + 1 < bytes; cpu++) {
		unsigned last = cpu;

		if (!place_has(s, cpu))
			continue;
		while (last + 1 < PLACE_CPUS_MAX && place_has(s, last + 1))
			last++;
		at += (size_t)snprintf(out + at, bytes - at, last > cpu ? "%s%u-%u" : "%s%u", at > 0 ? "," : "", cpu,
				       last);
		cpu = last;
	}
}

/* The first line of ROOT/sys/devices/system/..., as a set. */
static bool read_list(const char *root, const char *path, struct place_set *out)
{
	char *name, *text = NULL;
	size_t room = 0;
	bool is_good;
	FILE *f;

	if (asprintf(&name, "%s" SYSTEM "/%s", root, path) < 0)
		abort();
	f = fopen(name, "re");
	free(name);
	if (f == NULL)
		return false;
	is_good = getline(&text, &room, f) > 0 && place_list(text, out);
	free(text);
	(void)fclose(f);
	return is_good;
}

static void read_nodes(struct place_topology *t, const char *root)
{
	struct place_set nodes, cpus;
	char path[64];

	if (!read_list(root, "node/online", &nodes))
		return; /* a kernel without nodes: all of them are of one */
	for (unsigned n = 0; n < PLACE_CPUS_MAX; n++) {
		snprintf(path, sizeof(path), "node/node%u/cpulist", n);
		if (!place_has(&nodes, n) || !read_list(root, path, &cpus))
			continue;
		for (unsigned cpu = 0; cpu < PLACE_CPUS_MAX; cpu++)
			if (place_has(&cpus, cpu))
				t->node[cpu] = (uint16_t)n;
	}
}

int place_read(struct place_topology *t, const char *root, struct err *err)
{
	struct place_set siblings;
	char path[64];

	memset(t, 0, sizeof(*t));
	if (!read_list(root, "cpu/online", &t->there) || place_count(&t->there) == 0)
		return err_set(err, STATUS_MACHINE, "%s" SYSTEM "/cpu/online does not say which CPUs there are", root);
	read_nodes(t, root);
	for (unsigned cpu = 0; cpu < PLACE_CPUS_MAX; cpu++) {
		t->core[cpu] = (uint16_t)cpu;
		snprintf(path, sizeof(path), "cpu/cpu%u/topology/thread_siblings_list", cpu);
		if (!place_has(&t->there, cpu) || !read_list(root, path, &siblings))
			continue;
		for (unsigned other = 0; other <= cpu; other++)
			if (place_has(&siblings, other)) {
				t->core[cpu] = (uint16_t)other;
				break;
			}
	}
	t->guests = t->there;
	return 0;
}
