/* SPDX-License-Identifier: MIT */
/* Segments that came one by one, put together as a device that merges would have. Private to kernel/net, for input.c. */
#pragma once
#include "kernel/net/input.h"

#define MERGED_FROM 576u /* TCP bytes: what is shorter costs more to compare than to work off by itself */

/* The frame that others may be added to. */
struct merge {
	struct frame *lead; /* NULL: none */
	struct buf *tail;
	uint32_t next; /* sequence number behind it */
};

/**
 * merge_add() - @f, which input.c has understood, is put behind the lead, or is the next lead, or neither
 * Return: true: @f is part of the lead now, which has to go first. merge_end() - the last lead is complete.
 */
void merge_end(struct merge *m);
bool merge_add_long(struct merge *m, struct frame *f);
static inline bool merge_add(struct merge *m, struct frame *f)
{
	if (f->kind == FRAME_TCP && f->l4_bytes >= MERGED_FROM)
		return merge_add_long(m, f);
	if (m->lead)
		merge_end(m);
	return false;
}
