/* SPDX-License-Identifier: MIT */
/*
 * How much memory a guest needs, so that too little is said when the image is built and not when it
 * boots. The sizes per buffer, connection and core are the kernel's, rounded up.
 */
#include "hostctl/image/image.h"

#define MIB (1ull << 20)
#define BUFFER_BYTES (2048u + 128u) /* and its description, kernel/buf/buf.h */
#define CONNECTION_BYTES \
	1536u                /* one of 600 at most, and a quarter more for segments, out of one half of what is free */
#define CORE_BYTES (4 * MIB) /* ring-3 stack, window, arrays, rings */
#define BASE_BYTES (8 * MIB)

static uint64_t up_2mib(uint64_t bytes)
{
	return (bytes + 2 * MIB - 1) / (2 * MIB) * (2 * MIB);
}

static uint64_t mib(uint64_t bytes)
{
	return (bytes + MIB - 1) / MIB;
}

void image_budget(struct image_budget *out, const struct ix_manifest *m, uint32_t cores, uint64_t image_end,
		  uint64_t app_bytes)
{
	out->image = up_2mib(image_end);
	out->rx_buffers = up_2mib((uint64_t)m->rx_buffers * BUFFER_BYTES);
	out->connections = up_2mib((uint64_t)m->connections * CONNECTION_BYTES);
	out->program = up_2mib(app_bytes);
	out->heap = up_2mib(m->heap_mib * MIB);
	out->cores = cores * CORE_BYTES;
	out->base = BASE_BYTES;
	out->total_mib = mib(out->image + out->rx_buffers + out->connections + out->program + out->heap + out->cores +
			     out->base);
}

void image_budget_words(const struct image_budget *b, char *out, size_t bytes)
{
	snprintf(out, bytes,
		 "image %llu + rx_buffers %llu + connections %llu + program %llu + heap %llu + "
		 "cores %llu + kernel %llu = %llu MiB",
		 (unsigned long long)mib(b->image), (unsigned long long)mib(b->rx_buffers),
		 (unsigned long long)mib(b->connections), (unsigned long long)mib(b->program),
		 (unsigned long long)mib(b->heap), (unsigned long long)mib(b->cores), (unsigned long long)mib(b->base),
		 (unsigned long long)b->total_mib);
}
