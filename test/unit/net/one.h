/* SPDX-License-Identifier: MIT */
/* How tests move one connection between four cores: it is opened, events are waited for, its group is ordered away. */
#pragma once
#include "kernel/order/order.h"
#include "test/unit/net/cores.h"

#ifndef MODE
#define MODE CORES_HASH
#endif
#define PORT 7u

static unsigned under_way;
static int last_status;
static unsigned steering; /* CORES_QUEUE: to which queue the peer's segments come */

static inline uint8_t queue_of(uint16_t port)
{
	(void)port;
	return (uint8_t)steering;
}

static inline void on_answer(const struct order_answer *a)
{
	under_way--;
	last_status = a->status;
}

static inline const struct ix_event *event_on(uint32_t core, enum ix_event_kind kind)
{
	for (unsigned i = 0; i < cores.events[core].count; i++)
		if (cores.events[core].events[i].kind == kind)
			return &cores.events[core].events[i];
	return NULL;
}

/* A millisecond each, until some core writes an event of @kind: that core, which is then present. */
static inline uint32_t wait_for(enum ix_event_kind kind)
{
	for (unsigned ms = 0; ms < 3000; ms++) {
		world.now_us += 1000;
		for (uint32_t core = 0; core < CORES_IN_TEST; core++) {
			cores_turn(core);
			if (event_on(core, kind))
				return core;
		}
	}
	fail_msg("no event of kind %u", kind);
	return 0;
}

static inline uint8_t group_of(const struct peer *p)
{
	struct ix_endpoint e = world_endpoint(p->address, 0);
	be32_t remote;

	memcpy(&remote, e.addr + 12, sizeof(remote));
	return MODE == CORES_QUEUE ? (uint8_t)steering
				   : flow_group_of_tuple(remote, be32(WORLD_ADDRESS), be16(p->port), be16(p->our_port));
}

/* The group of @p to core @to; ring 3 releases at once. */
static inline void move(const struct peer *p, uint32_t to)
{
	struct order o = { .op = ORDER_MOVE, .group = group_of(p), .to = to };

	cores_switch(0);
	assert_int_equal(order_submit(&o), 0);
	under_way = 1;
	for (unsigned ms = 0; under_way; ms++) {
		assert_true(ms < 100);
		world.now_us += 100;
		for (uint32_t core = 0; core < CORES_IN_TEST; core++) {
			cores_turn(core);
			for (unsigned i = 0; i < cores.events[core].count; i++)
				if (cores.events[core].events[i].kind == IX_EV_MOVING)
					assert_int_equal(net_release(cores.events[core].events[i].handle), IX_OK);
		}
	}
	assert_int_equal(last_status, 0);
}

/* Return: the core that it is on. */
static inline uint32_t open_one(struct peer *p, ix_handle_t *handle)
{
	static uint16_t port = 3000;
	const struct sent *s = NULL;
	uint32_t core;

	port++;
	*p = (struct peer){
		.address = PEER_ADDRESS, .port = port, .our_port = PORT, .seq = port * 7777u, .window = 60000
	};
	cores_switch(0);
	while (peer_take(p))
		;
	peer_send(p, SYN, NULL, 0);
	for (unsigned ms = 0; ms < 20 && !s; ms++) {
		cores_all(1);
		s = peer_take(p);
	}
	assert_non_null(s);
	assert_int_equal(seg_flags(s), SYN | ACK);
	cores_switch(0);
	peer_send(p, ACK, NULL, 0);
	core = wait_for(IX_EV_KNOCK);
	*handle = event_on(core, IX_EV_KNOCK)->handle;
	assert_int_equal(net_accept(*handle, port), IX_OK);
	cores_all(2);
	return core;
}

static inline void begin(void)
{
	static bool is_up;
	struct ix_endpoint any = { .port = PORT };
	ix_handle_t handle;

	steering = 0;
	world.sent_count = world.taken = 0;
	if (is_up)
		return;
	is_up = true;
	cores.queue_of = queue_of;
	cores_begin(MODE, WORLD_OFFLOADS);
	cores_switch(0);
	order_on_answer(on_answer);
	assert_int_equal(net_listen(&any, 0, &handle), IX_OK);
	cores_all(2);
}

static inline void close_one(struct peer *p, ix_handle_t handle, uint32_t core)
{
	cores_switch(core);
	assert_int_equal(net_abort(handle), IX_OK);
	cores_all(3);
	while (peer_take(p))
		;
}

/* ---- where groups are queues ---- */
static inline ix_handle_t connect_to(struct peer *p, unsigned flags)
{
	struct ix_connect wish = { .remote = world_endpoint(PEER_ADDRESS, 99), .cookie = 77 };
	const struct sent *s = NULL;
	ix_handle_t handle;

	assert_int_equal(net_connect(&wish, flags, &handle), IX_OK);
	*p = (struct peer){ .address = PEER_ADDRESS, .port = 99, .window = 60000, .seq = 555 };
	for (unsigned ms = 0; ms < 20 && !s; ms++) {
		cores_all(1);
		s = peer_take(p);
	}
	assert_non_null(s);
	assert_int_equal(seg_flags(s), SYN);
	p->our_port = (uint16_t)(s->data[world_l4_at(s->data)] << 8 | s->data[world_l4_at(s->data) + 1]);
	return handle;
}

/* A queue that another core than @core polls. */
static inline unsigned foreign_queue(uint32_t core)
{
	unsigned q = 0;

	while (flow_owner((uint8_t)q) == core)
		q++;
	return q;
}
