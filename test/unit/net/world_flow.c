/* SPDX-License-Identifier: MIT */
/* kernel/flow where one core is enough: the device is at hand, other cores are what the test makes of them. */
#include "kernel/flow/flow.h"
#include "kernel/mem/mem.h"
#include "test/fake/cpu.h"
#include "test/unit/net/world.h"

bool flow_tx(const struct nic_tx *tx)
{
	return world_tx(tx);
}

bool flow_tx_short(void *token, uint8_t *frame, uint32_t bytes, uint16_t csum_offset)
{
	struct nic_tx tx = { .token = token,
			     .flags = NIC_TX_NEEDS_CSUM,
			     .csum_start = NIC_TX_HEADERS,
			     .csum_offset = csum_offset,
			     .seg_count = 1,
			     .segs = { { mem_pa(frame), bytes } } };

	memset(frame - NIC_TX_ROOM, 0xa5, NIC_TX_ROOM); /* a driver may */
	return world_tx(&tx);
}

uint32_t flow_tx_room(void)
{
	return world_tx_room();
}

unsigned flow_tx_reclaim(void **tokens, unsigned max)
{
	return world_tx_reclaim(tokens, max);
}

bool flow_hand(uint32_t core, struct buf *first)
{
	assert_true(fake_core_count > 1);
	assert_true(core < fake_core_count);
	if (world.is_hand_full)
		return false;
	assert_true(world.handed_count < HANDED_MAX);
	world.handed[world.handed_count++] = (struct handed){ first, core };
	return true;
}

uint8_t flow_group_of_tuple(be32_t remote, be32_t local, be16_t remote_port, be16_t local_port)
{
	(void)remote;
	(void)local;
	(void)remote_port;
	return world.is_spread ? be16(local_port) / 7 % FLOW_GROUPS_MAX : 0;
}

uint8_t flow_group_of_tuple6(const struct ip6 *remote, const struct ip6 *local, be16_t remote_port, be16_t local_port)
{
	return flow_group_of_tuple(remote->words[3], local->words[3], remote_port, local_port);
}

uint32_t flow_owner(uint8_t group)
{
	return world.is_spread ? group % fake_core_count : core_id();
}

/* What follows is for moves, which test_move.c has with a real kernel/flow. */
unsigned flow_groups(void)
{
	return FLOW_GROUPS_MAX;
}

bool flow_is_queue(void)
{
	return world.is_queue_group;
}

void flow_give(uint8_t group, uint32_t to)
{
	(void)group;
	(void)to;
	fail();
}

void flow_enter(uint8_t group)
{
	(void)group;
	fail();
}

void flow_post(uint32_t core, struct flow_message *m)
{
	(void)core;
	(void)m;
	fail();
}
