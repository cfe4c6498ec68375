/* SPDX-License-Identifier: MIT */
/* What every fuzz target is to libFuzzer and to replay.c, and how it cuts its input into values. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/** LLVMFuzzerTestOneInput() - one run of the target over @data; what is wrong ends the process. Return: 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* The input, eaten from the front; behind its end there are zeroes. */
struct feed {
	const uint8_t *at, *end;
};

static inline size_t feed_left(const struct feed *f)
{
	return (size_t)(f->end - f->at);
}

/** feed_take() - the next @bytes into @out. Return: how many there were. */
static inline size_t feed_take(struct feed *f, void *out, size_t bytes)
{
	size_t n = feed_left(f) < bytes ? feed_left(f) : bytes;

	memset(out, 0, bytes);
	if (n)
		memcpy(out, f->at, n);
	f->at += n;
	return n;
}

static inline uint8_t feed_u8(struct feed *f)
{
	uint8_t v;

	feed_take(f, &v, sizeof(v));
	return v;
}

static inline uint16_t feed_u16(struct feed *f)
{
	uint16_t v;

	feed_take(f, &v, sizeof(v));
	return v;
}

static inline uint32_t feed_u32(struct feed *f)
{
	uint32_t v;

	feed_take(f, &v, sizeof(v));
	return v;
}

static inline uint64_t feed_u64(struct feed *f)
{
	uint64_t v;

	feed_take(f, &v, sizeof(v));
	return v;
}

/* An oracle that does not hold. */
#define FUZZ_CHECK(holds)                 \
	do {                              \
		if (!(holds))             \
			__builtin_trap(); \
	} while (0)
