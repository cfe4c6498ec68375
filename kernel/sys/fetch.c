/* SPDX-License-Identifier: MIT */
/* Which addresses ring 3 may name, and where ring 0 finds what is behind them. */
#include "kernel/sys/fetch.h"

bool fetch_elsewhere(ix_uaddr_t va, struct net_range *out)
{
	uint64_t core = (va - IX_STACK_VA) / IX_STACK_STRIDE;
	uint32_t off;

	if (va >= IX_FILES_VA && va < IX_STACK_VA) {
		if (!fetch_is_inside(va, out->bytes, IX_FILES_VA, user_partition.files_bytes))
			return false;
		out->lent = NULL;
		out->data = user_partition.files + (va - IX_FILES_VA);
		return true;
	}
	if (va >= IX_RX_VA && va < IX_FILES_VA) {
		out->lent = buf_of_user(va, out->bytes, &off);
		if (unlikely(!out->lent))
			return false;
		out->data = out->lent->data + off;
		return true;
	}
	if (va < IX_STACK_VA || core >= user_partition.cores ||
	    !fetch_is_inside(va, out->bytes, IX_STACK_VA + core * IX_STACK_STRIDE, IX_STACK_BYTES))
		return false;
	out->lent = NULL;
	out->data = user_partition.stacks + core * IX_STACK_BYTES + (va - IX_STACK_VA) % IX_STACK_STRIDE;
	return true;
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
