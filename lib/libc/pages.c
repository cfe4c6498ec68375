/* SPDX-License-Identifier: MIT */
/*
 * First fit over a bitmap, 64 pages at a step where they are all alike. What was never handed out is
 * known to be zero; the rest is cleared when it is taken again.
 */
#include "lib/libc/pages.h"
#include <string.h>

static int is_used(const struct pages *p, size_t page)
{
	return (p->used[page / 64] >> (page % 64)) & 1;
}

/* Marks pages [@first, + @n) used or free. */
static void mark(struct pages *p, size_t first, size_t n, int is_use)
{
	while (n) {
		size_t bit = first % 64, step = 64 - bit < n ? 64 - bit : n;
		/* cppcheck-suppress shiftTooManyBits ; n is not 0, so neither is step */
		uint64_t mask = (~0ull >> (64 - step)) << bit;

		if (is_use)
			p->used[first / 64] |= mask;
		else
			p->used[first / 64] &= ~mask;
		first += step;
		n -= step;
	}
}

/* Clears what may be dirty of [@first, + @n), which then counts as handed out. */
static void make_zero(struct pages *p, size_t first, size_t n)
{
	for (size_t i = first; i < first + n; i++)
		if (i < p->clean_from || i >= p->clean_to)
			memset(p->base + i * PAGE_BYTES, 0, PAGE_BYTES);
}

void pages_init(struct pages *p, void *base, size_t bytes)
{
	size_t bits_bytes;

	memset(p, 0, sizeof(*p));
	p->base = base;
	p->used = base;
	p->count = bytes / PAGE_BYTES;
	bits_bytes = (p->count + 63) / 64 * sizeof(uint64_t);
	p->first = (bits_bytes + PAGE_BYTES - 1) / PAGE_BYTES;
	if (p->first >= p->count)
		p->first = p->count = 0;
	p->top = p->clean_to = p->count;
	p->clean_from = p->first;
	mark(p, 0, p->first, 1);
}

/* First page of the highest @n free ones in a row, 0 if there are none. */
static size_t find_run(struct pages *p, size_t n)
{
	size_t run = 0;

	for (size_t i = p->top; i > p->first;) {
		if (i % 64 == 0 && p->used[i / 64 - 1] == ~0ull) {
			run = 0;
			i -= 64;
		} else if (i % 64 == 0 && !p->used[i / 64 - 1] && run + 64 <= n) {
			run += 64;
			i -= 64;
			if (run == n)
				return i;
		} else {
			i--;
			run = is_used(p, i) ? 0 : run + 1;
			if (run == n)
				return i;
		}
	}
	return 0;
}

void *pages_take(struct pages *p, size_t n)
{
	size_t first = n && n <= p->count ? find_run(p, n) : 0;

	if (!first)
		return NULL;
	mark(p, first, n, 1);
	if (first + n == p->top)
		p->top = first;
	make_zero(p, first, n);
	if (first < p->clean_to)
		p->clean_to = first;
	return p->base + first * PAGE_BYTES;
}

static size_t brk_pages(const struct pages *p)
{
	return (p->brk_bytes + PAGE_BYTES - 1) / PAGE_BYTES;
}

/* Whether [@at, + @n pages) lies in the part that pages_take() hands out; then *@first is its first page. */
static int find(const struct pages *p, const void *at, size_t n, size_t *first)
{
	uintptr_t off = (uintptr_t)at - (uintptr_t)p->base;

	*first = off / PAGE_BYTES;
	return off % PAGE_BYTES == 0 && *first >= p->first + brk_pages(p) && *first < p->count &&
	       n <= p->count - *first;
}

int pages_give(struct pages *p, const void *at, size_t n)
{
	size_t first;

	if (!n || !find(p, at, n, &first))
		return -1;
	mark(p, first, n, 0);
	if (first + n > p->top)
		p->top = first + n;
	return 0;
}

int pages_resize(struct pages *p, void *at, size_t have, size_t want)
{
	size_t first, n;

	if (!have || !want || !find(p, at, have, &first))
		return -1;
	if (want <= have)
		return want == have ? 0 : pages_give(p, (unsigned char *)at + want * PAGE_BYTES, have - want);
	if (want > p->count - first)
		return -1;
	for (n = have; n < want; n++)
		if (is_used(p, first + n))
			return -1;
	mark(p, first + have, want - have, 1);
	make_zero(p, first + have, want - have);
	/* Pages above a taken one were handed out before, or are at the end: clean_to is at or below `first`. */
	return 0;
}

uintptr_t pages_brk(struct pages *p, uintptr_t to)
{
	uintptr_t begin = (uintptr_t)p->base + p->first * PAGE_BYTES;
	size_t have = brk_pages(p), want;

	if (to < begin || to - begin > (p->count - p->first) * PAGE_BYTES)
		return begin + p->brk_bytes;
	want = (to - begin + PAGE_BYTES - 1) / PAGE_BYTES;
	for (size_t i = have; i < want; i++)
		if (is_used(p, p->first + i))
			return begin + p->brk_bytes;
	if (want > have) {
		mark(p, p->first + have, want - have, 1);
		make_zero(p, p->first + have, want - have);
		if (p->first + want > p->clean_from)
			p->clean_from = p->first + want;
	} else {
		mark(p, p->first + want, have - want, 0);
		/* What is left of the last page must be zero when the break comes back. */
		memset(p->base + p->first * PAGE_BYTES + (to - begin), 0, want * PAGE_BYTES - (to - begin));
	}
	p->brk_bytes = to - begin;
	return to;
}
