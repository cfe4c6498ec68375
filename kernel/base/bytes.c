/* SPDX-License-Identifier: MIT */
/*
 * Copying and comparing memory: eight bytes at a time, from BULK_BYTES on by the processor's string
 * instructions. Those move words, not bytes: fast-string hardware takes either, and a machine that
 * executes them step by step takes an eighth of the steps.
 */
#include "kernel/base/bytes.h"

#define BULK_BYTES 64u

/* Eight bytes at any address. */
struct word {
	uint64_t v;
} __attribute__((packed, may_alias));

static inline uint64_t load_word(const uint8_t *p)
{
	return ((const struct word *)p)->v;
}

static inline void store_word(uint8_t *p, uint64_t v)
{
	((struct word *)p)->v = v;
}

void *memcpy(void *restrict to, const void *restrict from, size_t bytes)
{
	const uint8_t *s = from;
	uint8_t *d = to;

	if (bytes >= 8) {
		/* The last word overlaps what the loop copies: no byte loop for the rest. */
		uint64_t last = load_word(s + bytes - 8);
		uint8_t *last_at = d + bytes - 8;
		size_t words = (bytes - 1) / 8;

		if (bytes >= BULK_BYTES)
			__asm__ volatile("rep movsq" : "+D"(d), "+S"(s), "+c"(words)::"memory");
		for (; words; words--, s += 8, d += 8)
			store_word(d, load_word(s));
		store_word(last_at, last);
		return to;
	}
	for (; bytes; bytes--)
		*d++ = *s++;
	return to;
}

void *memmove(void *to, const void *from, size_t bytes)
{
	const uint8_t *s = from;
	uint8_t *d = to;

	if ((uintptr_t)d - (uintptr_t)s >= bytes) { /* forward is safe: @to does not begin inside @from */
		for (; bytes >= 8; bytes -= 8, s += 8, d += 8)
			store_word(d, load_word(s));
		for (; bytes; bytes--)
			*d++ = *s++;
		return to;
	}
	for (; bytes >= 8; bytes -= 8)
		store_word(d + bytes - 8, load_word(s + bytes - 8));
	for (; bytes; bytes--)
		d[bytes - 1] = s[bytes - 1];
	return to;
}

void *memset(void *to, int value, size_t bytes)
{
	uint64_t word = 0x0101010101010101ull * (uint8_t)value;
	uint8_t *d = to;

	if (bytes >= 8) {
		uint8_t *last_at = d + bytes - 8;
		size_t words = (bytes - 1) / 8;

		if (bytes >= BULK_BYTES)
			__asm__ volatile("rep stosq" : "+D"(d), "+c"(words) : "a"(word) : "memory");
		for (; words; words--, d += 8)
			store_word(d, word);
		store_word(last_at, word);
		return to;
	}
	for (; bytes; bytes--)
		*d++ = (uint8_t)value;
	return to;
}

int memcmp(const void *a, const void *b, size_t bytes)
{
	const uint8_t *x = a, *y = b;

	for (; bytes >= 8 && load_word(x) == load_word(y); bytes -= 8, x += 8, y += 8)
		continue;
	for (; bytes; bytes--, x++, y++)
		if (*x != *y)
			return *x - *y;
	return 0;
}

size_t strlen(const char *s)
{
	const char *end = s;

	while (*end)
		end++;
	return (size_t)(end - s);
}

size_t strnlen(const char *s, size_t max)
{
	size_t n = 0;

	while (n < max && s[n])
		n++;
	return n;
}

int strncmp(const char *a, const char *b, size_t max)
{
	for (; max; max--, a++, b++) {
		if (*a != *b)
			return (uint8_t)*a - (uint8_t)*b;
		if (!*a)
			break;
	}
	return 0;
}

int strcmp(const char *a, const char *b)
{
	return strncmp(a, b, SIZE_MAX);
}
