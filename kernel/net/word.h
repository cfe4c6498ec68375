/* SPDX-License-Identifier: MIT */
/* A number in a header, wherever it lies. Private to kernel/net. */
#pragma once
#include "kernel/base/types.h"

/** word_at() - the 32 bits at @p, in our byte order. */
static inline uint32_t word_at(const uint8_t *p)
{
	uint32_t v;

	__builtin_memcpy(&v, p, sizeof(v));
	return be32(v);
}
