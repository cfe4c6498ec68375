/* SPDX-License-Identifier: MIT */
/* Control: ring 0 reads for ring 3 wherever it is told to. In front of kernel/sys. */
#pragma once
#include "kernel/sys/fetch.h"

static inline bool weak_fetch_range(ix_uaddr_t va, uint64_t bytes, struct net_range *out)
{
	if (fetch_range(va, bytes, out)) {
		out->lent = NULL; /* whoever it was lent to */
		return true;
	}
	*out = (struct net_range){ .data = (const uint8_t *)(uintptr_t)va, .bytes = (uint32_t)bytes };
	return true;
}
#define fetch_range(va, bytes, out) weak_fetch_range(va, bytes, out)
#define fetch_list_range(va, bytes, out) weak_fetch_range(va, bytes, out)
