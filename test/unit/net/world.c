/* SPDX-License-Identifier: MIT */
/* The loop around kernel/net, the device and the clock, as the tests want them. */
#include "test/unit/net/world.h"

#include <stdio.h>
#include <stdlib.h>
#include "kernel/event/event.h"
#include "kernel/flow/flow.h"
#include "kernel/mem/mem.h"
#include "kernel/net/checksum.h"
#include "kernel/time/time.h"
#include "test/fake/cpu.h"
#include "test/fake/defined.h"
#include "test/fake/mem.h"
#include "test/fake/slab.h"

#define RX_BUFFERS 1024u
#define HELD_MAX 4096u

struct world world;

struct nic_info world_nic = { .mac = { 2, 0, 0, 0, 0, 1 }, .queue_pairs = 1 };
static struct buf *waiting[WAITING_MAX];
static unsigned waiting_count;
static void *held[HELD_MAX];
static unsigned held_count, given_back; /* oldest of held that may be reclaimed */

/* ---- clock ---- */
uint64_t time_now(void)
{
	return world.now_us / TIME_TICK_US;
}

/* ---- device ---- */
const struct nic_info *nic_info(void)
{
	return &world_nic;
}

void world_ip6(uint8_t out[16], uint32_t address)
{
	be32_t low = be32(address);

	memset(out, 0, 16);
	out[0] = 0xfd;
	memcpy(out + 12, &low, 4);
}

struct ix_endpoint world_endpoint(uint32_t address, uint16_t port)
{
	struct ix_endpoint e = { .addr = { [10] = 0xff, [11] = 0xff }, .port = port };
	be32_t low = be32(address);

	if (world.is_ip6)
		world_ip6(e.addr, address);
	memcpy(e.addr + 12, &low, 4);
	return e;
}

unsigned world_l4_at(const uint8_t *frame)
{
	return frame[12] == 0x86 ? 54 : 34;
}

/* What the device or the receiver would find. */
static void verify_l4(const struct sent *s, uint16_t pseudo, unsigned protocol)
{
	unsigned at = world_l4_at(s->data), bytes = s->full_bytes - at;
	const uint8_t *l4 = s->data + at;
	uint16_t partial;

	if (s->flags & NIC_TX_NEEDS_CSUM) {
		assert_int_equal(s->csum_start, at);
		assert_int_equal(s->csum_offset, protocol == 6 ? 16 : 6);
		memcpy(&partial, l4 + s->csum_offset, 2);
		assert_int_equal(partial, pseudo);
	} else if (protocol == 6 || protocol == 58 || (protocol == 17 && (l4[6] || l4[7] || at == 54))) {
		assert_int_equal(checksum_fold((uint64_t)pseudo + port_chksum(l4, (int)bytes)), 0xffff);
	}
}

static void verify_checksum(struct sent *s)
{
	uint8_t *ip = s->data + 14;
	uint32_t from, to;

	if (s->data[12] == 0x86) {
		assert_int_equal(ip[4] << 8 | ip[5], s->full_bytes - 54);
		verify_l4(s, checksum_pseudo_ip6(ip, ip[6], s->full_bytes - 54), ip[6]);
		return;
	}
	assert_int_equal(port_chksum(ip, (ip[0] & 15) * 4), 0xffff);
	memcpy(&from, ip + 12, 4);
	memcpy(&to, ip + 16, 4);
	assert_int_equal(ip[2] << 8 | ip[3], s->full_bytes - 14);
	if (ip[0] == 0x45 && !(ip[6] & 0x3f || ip[7]))
		verify_l4(s, checksum_pseudo(from, to, ip[9], s->full_bytes - 34), ip[9]);
}

/* Neighbour discovery and MLD: [Ethernet, IPv6, perhaps one extension header, message]. */
static bool is_control(const uint8_t *frame)
{
	if (frame[12] != 0x86)
		return false;
	return frame[20] == 0 || (frame[20] == 58 && frame[54] >= 130);
}

static bool is_there(const uint8_t address[4])
{
	uint32_t low;

	memcpy(&low, address, 4);
	return !world.is_arp_silent && (!world.answers_below || be32(low) < world.answers_below);
}

static void answer_solicitation(const uint8_t *request)
{
	uint8_t reply[86] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 9, 0x86, 0xdd, 0x60, 0, 0, 0, 0, 32, 58, 255 };
	unsigned pieces = world.pieces;
	uint16_t sum;

	if (request[20] != 58 || request[54] != 135)
		return;
	if (!request[22]) /* from ::, whether our address is free */
		return;
	world.arp_requests++;
	if (!is_there(request + 74))
		return;
	memcpy(reply + 22, request + 62, 16);
	memcpy(reply + 38, request + 22, 16);
	reply[54] = 136;
	reply[58] = 0x60;
	memcpy(reply + 62, request + 62, 16);
	reply[78] = 2;
	reply[79] = 1;
	memcpy(reply + 80, reply + 6, 6);
	sum = (uint16_t)~checksum_fold((uint64_t)checksum_pseudo_ip6(reply + 14, 58, 32) + port_chksum(reply + 54, 32));
	memcpy(reply + 56, &sum, 2);
	world.pieces = 0;
	world_receive(reply, sizeof(reply));
	world.pieces = pieces;
}

static void answer_arp(const uint8_t *request)
{
	uint8_t reply[60] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 9, 8, 6, 0, 1, 8, 0, 6, 4, 0, 2, 2, 0, 0, 0, 0, 9 };
	unsigned pieces = world.pieces;

	world.arp_requests++;
	if (!is_there(request + 38) || !memcmp(request + 28, request + 38, 4))
		return;
	memcpy(reply + 28, request + 38, 4);
	memcpy(reply + 32, request + 22, 10);
	if (world.has_addresses)
		memcpy(reply + 24, request + 38, 4);
	world.pieces = 0;
	world_receive(reply, sizeof(reply));
	world.pieces = pieces;
}

/* One frame after the other as the device sends them [virtio-1.2 5.1.6.2.1]; the checksums stay as they were. */
static void cut_train(const struct nic_tx *tx)
{
	static uint8_t whole[66000];
	uint32_t bytes = 0, at = tx->header_bytes, seq;

	for (unsigned i = 0; i < tx->seg_count; i++) {
		assert_true(bytes + tx->segs[i].bytes <= sizeof(whole));
		memcpy(whole + bytes, mem_va(tx->segs[i].pa), tx->segs[i].bytes);
		bytes += tx->segs[i].bytes;
	}
	assert_true(bytes > tx->header_bytes + (uint32_t)tx->mss && tx->header_bytes == 34 + (whole[46] >> 4) * 4);
	memcpy(&seq, whole + 38, sizeof(seq));
	for (uint32_t part; at < bytes; at += part) {
		struct sent *s = &world.sent[world.sent_count];
		be32_t now = be32(be32(seq) + at - tx->header_bytes);

		assert_true(world.sent_count++ < SENT_MAX);
		part = MIN(bytes - at, (uint32_t)tx->mss);
		memcpy(s->data, whole, tx->header_bytes);
		memcpy(s->data + tx->header_bytes, whole + at, part);
		memcpy(s->data + 38, &now, sizeof(now));
		if (at + part < bytes)
			s->data[47] &= (uint8_t) ~(FIN | PSH);
		s->bytes = (uint16_t)(tx->header_bytes + part);
		s->full_bytes = s->bytes;
		s->flags = tx->flags;
		s->mss = tx->mss;
	}
}

void nic_want_reset(void)
{
	world.resets_wanted++;
}

bool world_tx(const struct nic_tx *tx)
{
	struct sent *s = &world.sent[world.sent_count];

	if (world.is_full)
		return false;
	assert_in_range(tx->seg_count, 1, NIC_TX_SEGS_MAX);
	assert_true(world.sent_count < SENT_MAX && held_count < HELD_MAX);
	held[held_count++] = tx->token;
	memset(s, 0, sizeof(*s));
	for (unsigned i = 0; i < tx->seg_count; i++) {
		unsigned room = (unsigned)sizeof(s->data) - s->bytes, part = MIN(tx->segs[i].bytes, room);

		assert_true(tx->segs[i].bytes > 0);
		defined_check(mem_va(tx->segs[i].pa), tx->segs[i].bytes);
		memcpy(s->data + s->bytes, mem_va(tx->segs[i].pa), part);
		s->bytes = (uint16_t)(s->bytes + part);
		s->full_bytes += tx->segs[i].bytes;
	}
	s->flags = tx->flags;
	s->mss = tx->mss;
	s->csum_start = tx->csum_start;
	s->csum_offset = tx->csum_offset;
	if (s->data[12] == 8 && s->data[13] == 6) {
		answer_arp(s->data);
		return true;
	}
	if (is_control(s->data)) {
		world.control = *s;
		world.control_count++;
		answer_solicitation(s->data);
		return true;
	}
	verify_checksum(s);
	if (world.is_losing)
		return true;
	if (world.is_cutting && (tx->flags & NIC_TX_IS_TSO4))
		cut_train(tx);
	else
		world.sent_count++;
	return true;
}

uint32_t world_tx_room(void)
{
	return world.is_full || world.cuts_nothing ? 0 : 256;
}

unsigned world_tx_reclaim(void **tokens, unsigned max)
{
	unsigned count = MIN(world.is_holding ? given_back : held_count, max);

	memcpy(tokens, held, count * sizeof(*held));
	held_count -= count;
	given_back -= MIN(given_back, count);
	memmove(held, held + count, held_count * sizeof(*held));
	return count;
}

void world_give_back(unsigned count)
{
	given_back = MIN(given_back + count, held_count);
}

unsigned world_held(void)
{
	return held_count;
}

/* ---- the loop ---- */
void world_receive(const void *frame, unsigned bytes)
{
	struct buf *first = NULL, **link = &first;
	unsigned at = 0;

	if (waiting_count == WAITING_MAX)
		return;
	do {
		unsigned part = world.pieces ? MIN(world.pieces, bytes - at) : bytes;
		struct buf *b = buf_alloc();

		if (!b) {
			buf_free_frame(first);
			return;
		}
		defined_forget(b->data, BUF_BYTES);
		b->off = (uint16_t)world.rx_offset;
		b->len = (uint16_t)part;
		b->next = NULL;
		memcpy(b->data + b->off, (const uint8_t *)frame + at, part);
		at += part;
		*link = b;
		link = &b->next;
	} while (at < bytes);
	first->frame_bytes = bytes;
	first->flags = world.is_csum_unchecked ? BUF_CSUM_GOOD : 0;
	first->segments = (uint16_t)MAX(world.segments, 1u);
	first->count = 1;
	waiting[waiting_count++] = first;
}

void world_receive_buf(struct buf *first)
{
	assert_true(waiting_count < WAITING_MAX);
	waiting[waiting_count++] = first;
}

unsigned world_take_waiting(struct buf **out)
{
	unsigned count = waiting_count;

	memcpy(out, waiting, count * sizeof(*out));
	waiting_count = 0;
	return count;
}

void world_events(struct ix_event_array *to)
{
	defined_forget(to->events, sizeof(to->events));
	defined_forget(to->peers, sizeof(to->peers));
	event_begin();
	net_events();
	defined_check(&to->count, sizeof(to->count));
	defined_check(to->events, to->count * sizeof(to->events[0]));
	defined_check(&to->peer_count, sizeof(to->peer_count));
	defined_check(to->peers, to->peer_count * sizeof(to->peers[0]));
}

void world_turn(void)
{
	static struct buf *frames[WAITING_MAX];
	unsigned count = waiting_count;

	memcpy(frames, waiting, count * sizeof(*frames));
	waiting_count = 0;
	net_tx_reclaim();
	net_input(frames, count, !world.has_more);
	time_run(time_now());
	net_output();
	world_events(&world.events);
}

void world_pass(unsigned ms)
{
	while (ms--) {
		world.now_us += 1000;
		world_turn();
	}
}

const struct ix_event *world_event(enum ix_event_kind kind, unsigned nth)
{
	for (unsigned i = 0; i < world.events.count; i++)
		if (world.events.events[i].kind == kind && nth-- == 0)
			return &world.events.events[i];
	return NULL;
}

unsigned world_event_count(enum ix_event_kind kind)
{
	unsigned count = 0;

	while (world_event(kind, count))
		count++;
	return count;
}

ix_handle_t world_listen(uint16_t port, uint64_t cookie)
{
	struct ix_endpoint any = { .port = port };
	ix_handle_t handle = 0;

	assert_int_equal(net_listen(&any, cookie, &handle), IX_OK);
	assert_true(handle != 0);
	return handle;
}

static size_t blocks_of_core; /* that it needs for itself */

void world_begin(uint32_t offloads)
{
	static bool is_up;
	static uint64_t now_us = 1000000000;
	bool is_slaac, has_gateway6, has_dhcp;

	now_us = MAX(now_us, world.now_us) + 10000000; /* time goes on from test to test */
	memset(&world.sent_count, 0, sizeof(world) - offsetof(struct world, sent_count)); /* sent[] is large */
	world.now_us = now_us;
	world.is_ip6 = offloads & WORLD_IP6;
	is_slaac = offloads & WORLD_SLAAC;
	has_gateway6 = offloads & WORLD_GATEWAY6;
	has_dhcp = offloads & WORLD_DHCP;
	offloads &= ~(WORLD_IP6 | WORLD_SLAAC | WORLD_GATEWAY6 | WORLD_DHCP);
	world_nic.offloads = offloads | (offloads ? NIC_RX_CSUM : 0);
	world.is_csum_unchecked = offloads != 0; /* such a device vouches for what it receives, too */
	world.conf = (struct conf){ .name = "test",
				    .cores_max = 1,
				    .address = be32(WORLD_ADDRESS),
				    .prefix_bits = 8,
				    .prefix6_bits = 64,
				    .mtu = 1500,
				    .connections = 1000,
				    .rx_buffers = RX_BUFFERS,
				    .tcp_timestamps = true,
				    .rto_floor_ms = 200,
				    .port_count = 1,
				    .ports = { { .port = WORLD_SPECIAL_PORT,
						 .protocol = IX_PORT_TCP,
						 .rto_floor_ms = 5,
						 .backlog = WORLD_BACKLOG,
						 .half_open = WORLD_HALF_OPEN } } };
	world.conf.slaac = is_slaac;
	if (has_dhcp)
		world.conf.address = 0;
	if (has_gateway6)
		world.conf.gateway6 = (struct ip6){ .words = { be32(0xfe800000), 0, 0, be32(1) } };
	if (!is_slaac)
		world_ip6((uint8_t *)&world.conf.address6, WORLD_ADDRESS);
	fake_slab_fail_from = SIZE_MAX;
	if (!is_up) { /* a core is set up once in its life; tests that need another are other programs */
		is_up = true;
		fake_mem_reset(SIZE_MAX);
		assert_int_equal(buf_init(RX_BUFFERS), 0);
		time_core_init(time_now());
		event_core_init(&world.events);
		assert_int_equal(net_init(&world.conf), 0);
		assert_int_equal(net_core_init(), 0);
		net_tx_reclaim(); /* of what it has sent already */
		blocks_of_core = fake_slab_blocks;
	}
	net_partition_start();
	world_turn();
}

void world_end(void)
{
	world.is_full = world.is_holding = world.is_losing = false;
	fake_slab_fail_from = SIZE_MAX;
	for (unsigned i = 0; i < waiting_count; i++)
		buf_free_frame(waiting[i]);
	waiting_count = 0;
	net_partition_end();
	world_pass(20); /* delayed acknowledgements leave their queue */
	for (unsigned ms = 0; buf_available() < RX_BUFFERS && ms < 5000; ms++)
		world_pass(1); /* packets that wait for a neighbour */
	assert_int_equal(world_held(), 0);
	assert_int_equal(net_partition_pending_tx(), 0);
	assert_false(net_has_events());
	assert_int_equal(buf_available(), RX_BUFFERS);
	assert_int_equal(fake_slab_blocks, blocks_of_core);
}
