/* SPDX-License-Identifier: MIT */
/* Which addresses ring 3 may name, and where ring 0 finds what is behind them. */
#include "kernel/sys/fetch.h"

#include "kernel/abi/entry.h"
#include "kernel/user/user.h"

/* Offset of [va, va + bytes) in a region of @region bytes at @base; no sum can wrap. */
static inline bool is_inside(ix_uaddr_t va, uint64_t bytes, uint64_t base, uint64_t region)
{
	return va >= base && bytes <= region && va - base <= region - bytes;
}

static bool fetch_stack(ix_uaddr_t va, uint64_t bytes, const uint8_t **data)
{
	uint64_t core = (va - IX_STACK_VA) / IX_STACK_STRIDE;

	if (core >= user_partition.cores || !is_inside(va, bytes, IX_STACK_VA + core * IX_STACK_STRIDE, IX_STACK_BYTES))
		return false;
	*data = user_partition.stacks + core * IX_STACK_BYTES + (va - IX_STACK_VA) % IX_STACK_STRIDE;
	return true;
}

bool fetch_range(ix_uaddr_t va, uint64_t bytes, struct net_range *out)
{
	out->bytes = (uint32_t)bytes;
	out->lent = NULL;
	if (unlikely(bytes == 0 || bytes > UINT32_MAX))
		return false;
	if (is_inside(va, bytes, IX_PARTITION_VA, user_partition.bytes)) {
		out->data = user_partition.data + (va - IX_PARTITION_VA);
		return true;
	}
	if (va >= IX_RX_VA && va < IX_STACK_VA) {
		uint32_t off;

		out->lent = buf_of_user(va, bytes, &off);
		if (!out->lent)
			return false;
		out->data = out->lent->data + off;
		return true;
	}
	return va >= IX_STACK_VA && fetch_stack(va, bytes, &out->data);
}

bool fetch_words(uint64_t *out, ix_uaddr_t va, unsigned count)
{
	struct net_range range;

	if (!fetch_range(va, count * sizeof(uint64_t), &range))
		return false;
	for (unsigned i = 0; i < count; i++)
		out[i] = fetch_word(range.data + i * sizeof(uint64_t));
	return true;
}
