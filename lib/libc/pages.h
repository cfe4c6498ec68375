/* SPDX-License-Identifier: MIT */
/*
 * The pages of the partition's heap: one bit a page, the bits in its first pages. Ranges are taken from
 * the top down, the program break grows from the bottom up. Pure bookkeeping: no page is ever mapped.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#define PAGE_BYTES 4096ull

struct pages {
	unsigned char *base; /* page aligned */
	size_t count;        /* pages from base */
	uint64_t *used;      /* bit a page, at base */
	size_t first;        /* first page behind the bits: where the break begins */
	size_t brk_bytes;    /* break, counted from base + first * PAGE_BYTES */
	size_t top;          /* pages from here on are all in use */
	size_t clean_from;   /* pages of [clean_from, clean_to) were never handed out: they are zero */
	size_t clean_to;
};

/** pages_init() - @base, @bytes: the heap, all zero; only whole pages of it are used. */
void pages_init(struct pages *p, void *base, size_t bytes);

/** pages_take() - @n zeroed pages in a row. Return: their address, NULL if there are none. */
void *pages_take(struct pages *p, size_t n);

/** pages_give() - give back [@at, + @n pages), in use or not. Return: 0, -1 if that is not memory of pages_take(). */
int pages_give(struct pages *p, const void *at, size_t n);

/** pages_resize() - @have pages at @at become @want without moving; new ones are zero. Return: 0, -1 if they cannot. */
int pages_resize(struct pages *p, void *at, size_t have, size_t want);

/** pages_brk() - set the break to @to, or ask with 0. Return: the break as it is now. */
uintptr_t pages_brk(struct pages *p, uintptr_t to);
