/* SPDX-License-Identifier: MIT */
/* In: the image's description (kernel/abi/image.h). Out: its parts, checked. Who calls: main.c. */
#pragma once
#include "kernel/abi/image.h"
#include "kernel/base/types.h"

struct part {
	const void *data; /* direct map; NULL if the image has no such part */
	size_t bytes;
};

/**
 * parts_reserve() - check the description against RAM and keep its parts out of the free memory
 * Panics with the remedy if the description is impossible. Right after mem_init().
 */
void parts_reserve(const struct ix_image *image);

/** parts_peek() - part of @kind as it is: for what is checked while it is read and decides nothing (symbols). */
struct part parts_peek(const struct ix_image *image, enum ix_part_kind kind);

/** parts_get() - part of @kind, believed only after its sha256 matched; panics if it does not. */
struct part parts_get(const struct ix_image *image, enum ix_part_kind kind);
