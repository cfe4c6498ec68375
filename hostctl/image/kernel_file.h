/* SPDX-License-Identifier: MIT */
/* kernel.elf as ixctl needs it: bootable by PVH, with room for the image description. */
#pragma once
#include "hostctl/image/elf.h"
#include "kernel/abi/image.h"

struct kernel_file {
	struct elf elf;
	size_t note_at;                        /* offset of struct ix_image in the file */
	uint64_t pa, end_pa;                   /* what it occupies */
	uint64_t va_offset;                    /* of its first segment: virtual minus physical address */
	struct ix_image note;                  /* as found */
	struct ix_connection_bytes connection; /* as found, all zero: a kernel without TCP/IP */
};

/**
 * kernel_file_open() - @data must outlive @k
 * Return: 0, or -1 with @err: not bootable, no room for an image, or another version.
 */
int kernel_file_open(struct kernel_file *k, const struct blob *file, const char *path, struct err *err);
