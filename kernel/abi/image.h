/* SPDX-License-Identifier: MIT */
/*
 * What an image file NAME.ix carries beside the kernel. kernel.elf has a PT_NOTE entry with name "IX"
 * and type IX_IMAGE_NOTE whose descriptor is a struct ix_image, all zero after its version. ixctl
 * fills it in and adds the parts as PT_LOAD segments (flags R) at physical addresses above the
 * kernel's end, each 2 MiB aligned. The kernel believes a part only after checking its sha256.
 */
#pragma once
#include <stdint.h>

#define IX_IMAGE_NOTE 0x4958 /* 'IX' */
#define IX_IMAGE_MAGIC 0x31474d4958ull
#define IX_IMAGE_VERSION 6 /* of this file and of manifest.h together */

enum ix_part_kind {
	IX_PART_NONE = 0,
	IX_PART_MANIFEST = 1,       /* struct ix_manifest and its strings (manifest.h) */
	IX_PART_APP = 2,            /* ELF64 static executable, as linked by lib/libc's link script */
	IX_PART_FILES = 3,          /* cpio newc archive of files[] */
	IX_PART_SYMBOLS = 4,        /* of the application, for backtraces: see struct ix_symbol */
	IX_PART_KERNEL_SYMBOLS = 5, /* the same of kernel.elf, for backtraces of a panic */
	IX_PART_NR
};

#define IX_PARTS_MAX 8

struct ix_image_part {
	uint32_t kind;     /* enum ix_part_kind */
	uint32_t reserved; /* 0 */
	uint64_t pa;       /* physical address, 2 MiB aligned */
	uint64_t bytes;
	uint8_t sha256[32];
};
_Static_assert(sizeof(struct ix_image_part) == 56, "ABI");

struct ix_image {
	uint64_t magic;      /* IX_IMAGE_MAGIC */
	uint32_t version;    /* IX_IMAGE_VERSION */
	uint32_t part_count; /* parts[0..part_count) */
	struct ix_image_part parts[IX_PARTS_MAX];
};
_Static_assert(sizeof(struct ix_image) == 16 + 8 * 56, "ABI");

/*
 * A second note of kernel.elf, name "IX": what an established, idle TCP connection takes of ring 0's memory, in bytes, as the
 * kernel that bears it was built. All of a connection is in it; what a core or the whole guest has once is not.
 */
#define IX_CONNECTION_NOTE 0x434e /* 'NC' */

struct ix_connection_bytes {
	uint32_t
		control_block; /* state of lwIP and ours, timer included, and its share of what the block allocator rounds off */
	uint32_t handle;        /* its slot of the table of handles */
	uint32_t demultiplexer; /* its share of the buckets where they are emptiest while their number grows */
	uint32_t total;         /* sum of all above */
};
_Static_assert(sizeof(struct ix_connection_bytes) == 16, "ABI");

/* IX_PART_SYMBOLS: uint32_t count, uint32_t string_bytes, then count of these sorted by address, then strings. */
struct ix_symbol {
	uint64_t va;
	uint32_t bytes;
	uint32_t name; /* offset into the strings, NUL-terminated there */
};
