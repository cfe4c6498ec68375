/* SPDX-License-Identifier: MIT */
/* A number in a header, wherever it lies. Private to kernel/net. */
#pragma once
#include "kernel/base/types.h"

/** half_at() - the 16 bits at @p, in our byte order. word_at() - 32. */
static inline uint16_t half_at(const uint8_t *p)
{
	uint16_t v;

	__builtin_memcpy(&v, p, sizeof(v));
	return be16(v);
}
static inline uint32_t word_at(const uint8_t *p)
{
	uint32_t v;

	__builtin_memcpy(&v, p, sizeof(v));
	return be32(v);
}
