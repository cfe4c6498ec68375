/* SPDX-License-Identifier: MIT */
/*
 * How much memory a guest needs, so that too little is said when the image is built and not when it
 * boots. The sizes per buffer, connection and core are the kernel's, rounded up.
 */
#include "hostctl/image/image.h"
#include "kernel/abi/files.h"
#include <stdlib.h>
#include <string.h>

#define MIB (1ull << 20)
#define BUFFER_BYTES (2048u + 128u) /* and its description, kernel/buf/buf.h */
#define CONNECTION_BYTES \
	1536u                /* one of 600 at most, and a quarter more for segments, out of one half of what is free */
#define CORE_BYTES (4 * MIB) /* ring-3 stack, window, arrays, rings */
#define BASE_BYTES (8 * MIB)
#define PAGE_BYTES 4096u
#define HEAD_BYTES 110u /* of an entry [cpio(5), "New ASCII Format"] */
#define FILE_SIZE_AT 54u
#define NAME_SIZE_AT 94u

static uint64_t up_2mib(uint64_t bytes)
{
	return (bytes + 2 * MIB - 1) / (2 * MIB) * (2 * MIB);
}

static uint64_t mib(uint64_t bytes)
{
	return (bytes + MIB - 1) / MIB;
}

uint64_t image_file_room(uint64_t bytes)
{
	return (bytes + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES + sizeof(struct ix_file) + IX_FILE_PATH_BYTES;
}

static uint64_t hex_at(const uint8_t *at)
{
	char text[9] = "";

	memcpy(text, at, 8);
	return strtoull(text, NULL, 16);
}

/* As kernel/user/files.c walks; where the archive is damaged the walk ends, and the kernel will say so. */
uint64_t image_archive_room(const uint8_t *archive, size_t bytes)
{
	uint64_t room = 0;
	size_t at = 0;

	while (bytes - at >= HEAD_BYTES) {
		uint64_t file = hex_at(archive + at + FILE_SIZE_AT), name = hex_at(archive + at + NAME_SIZE_AT);
		uint64_t head = (HEAD_BYTES + name + 3) / 4 * 4, entry = (head + file + 3) / 4 * 4;

		if (name > bytes || file > bytes || entry > bytes - at)
			break;
		room += image_file_room(file);
		at += entry;
	}
	return room;
}

struct image_size image_size(const struct image *im, uint64_t host_files)
{
	return (struct image_size){ im->end_pa, im->app_bytes, im->files_bytes + host_files };
}

void image_budget(struct image_budget *out, const struct ix_manifest *m, uint32_t cores, const struct image_size *size)
{
	out->image = up_2mib(size->end_pa);
	out->rx_buffers = up_2mib((uint64_t)m->rx_buffers * BUFFER_BYTES);
	out->connections = up_2mib((uint64_t)m->connections * CONNECTION_BYTES);
	out->program = up_2mib(size->app_bytes);
	out->heap = up_2mib(m->heap_mib * MIB);
	out->files = up_2mib(size->files_bytes);
	out->cores = cores * CORE_BYTES;
	out->base = BASE_BYTES;
	out->total_mib = mib(out->image + out->rx_buffers + out->connections + out->program + out->heap + out->files +
			     out->cores + out->base);
}

void image_budget_words(const struct image_budget *b, char *out, size_t bytes)
{
	snprintf(out, bytes,
		 "image %llu + rx_buffers %llu + connections %llu + program %llu + heap %llu + files %llu + "
		 "cores %llu + kernel %llu = %llu MiB",
		 (unsigned long long)mib(b->image), (unsigned long long)mib(b->rx_buffers),
		 (unsigned long long)mib(b->connections), (unsigned long long)mib(b->program),
		 (unsigned long long)mib(b->heap), (unsigned long long)mib(b->files), (unsigned long long)mib(b->cores),
		 (unsigned long long)mib(b->base), (unsigned long long)b->total_mib);
}
