/* SPDX-License-Identifier: MIT */
/*
 * 100,000 damaged frames, from a seed that a failure prints: truncated, garbage at each level, wrong
 * lengths and checksums, options gone wild, for open and closed ports and live connections.
 */
#include <stdio.h>
#include <stdlib.h>
#include "kernel/net/checksum.h"
#include "test/unit/net/world.h"

#define FRAMES 100000u
#define LIVE 8u

static uint64_t rng;

static uint32_t rnd(uint32_t below)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return (uint32_t)(rng >> 20) % below;
}

static struct peer live[LIVE];
static ix_handle_t handles[LIVE];
static uint8_t frame[2048];

static void put16(unsigned at, unsigned v)
{
	frame[at] = (uint8_t)(v >> 8);
	frame[at + 1] = (uint8_t)v;
}
static void put32(unsigned at, uint32_t v)
{
	put16(at, v >> 16);
	put16(at + 2, v & 0xffff);
}

static void fill(unsigned from, unsigned to)
{
	for (unsigned i = from; i < to; i++)
		frame[i] = (uint8_t)rnd(256);
}

/* Right sums over whatever is there, so that the damage gets past the checks in front of it. */
static void mend_sums(unsigned bytes)
{
	unsigned header = (frame[14] & 15u) * 4, total = (unsigned)frame[16] << 8 | frame[17], field;
	be32_t from, to;
	uint64_t sum;

	if (14 + header > bytes || header < 20)
		return;
	put16(24, 0);
	put16(24, be16((uint16_t)~port_chksum(frame + 14, (int)header)));
	if (total < header || 14 + total > bytes)
		return;
	field = frame[23] == 6 ? 16 : frame[23] == 17 ? 6 : 2;
	if (total < header + field + 2)
		return;
	memcpy(&from, frame + 26, 4);
	memcpy(&to, frame + 30, 4);
	put16(14 + header + field, 0);
	sum = frame[23] == 1 ? 0 : checksum_pseudo(from, to, frame[23], total - header);
	sum += port_chksum(frame + 14 + header, (int)(total - header));
	put16(14 + header + field, be16((uint16_t)~checksum_fold(sum)));
}

/* A frame that is right. Return: its length. */
static unsigned make(void)
{
	static const uint8_t start[14] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 9, 8, 0 };
	struct peer *p = &live[rnd(LIVE)];
	unsigned payload = rnd(4) ? rnd(64) : rnd(1461), options = rnd(3) ? 0 : rnd(11) * 4, ip_options = 0;
	unsigned l4, protocol = rnd(8) < 6 ? 6 : rnd(2) ? 17 : 1;

	memcpy(frame, start, 14);
	if (rnd(20) == 0) {
		frame[13] = 6; /* ARP */
		fill(14, 60);
		put16(14, 1);
		put16(16, 0x0800);
		put16(18, 0x0604);
		put16(20, rnd(3));
		return 42 + rnd(19);
	}
	if (rnd(12) == 0)
		ip_options = rnd(11) * 4;
	l4 = 34 + ip_options;
	fill(14, l4 + 80 + payload);
	frame[14] = (uint8_t)(0x45 + ip_options / 4);
	put16(20, rnd(30) ? 0x4000 : rnd(65536));
	frame[23] = (uint8_t)protocol;
	put32(26, rnd(4) ? PEER_ADDRESS : PEER_ADDRESS + rnd(1000));
	put32(30, rnd(40) ? WORLD_ADDRESS : rnd(2) ? 0xffffffff : rnd(UINT32_MAX));
	if (protocol == 6) {
		put16(l4, rnd(4) ? p->port : rnd(65536));
		put16(l4 + 2, rnd(8) ? 7 : rnd(65536));
		put32(l4 + 4, p->seq + rnd(5000) - (rnd(2) ? 0 : 2500));
		put32(l4 + 8, p->ack + rnd(3000) - (rnd(2) ? 0 : 1500));
		frame[l4 + 12] = (uint8_t)((20 + options) / 4 << 4);
		frame[l4 + 13] = (uint8_t)(rnd(3) ? ACK | PSH : rnd(64));
		l4 += 20 + options;
	} else if (protocol == 17) {
		put16(l4 + 2, rnd(3) ? 7 : rnd(2) ? 68 : rnd(65536));
		put16(l4 + 4, 8 + payload);
		l4 += 8;
	} else {
		put16(l4, rnd(3) ? 0x0800 : rnd(65536));
		l4 += 8;
	}
	put16(16, l4 + payload - 14);
	return l4 + payload;
}

static unsigned damage(unsigned bytes)
{
	switch (rnd(8)) {
	case 0:
		mend_sums(bytes); /* nothing wrong but what make() has put in */
		return bytes;
	case 1:
		return 1 + rnd(bytes); /* cut off */
	case 2:
		frame[14] = (uint8_t)rnd(256);
		break;
	case 3:
		put16(16, rnd(2) ? rnd(65536) : bytes - 14 + rnd(5) - 2);
		break;
	case 4:
		frame[46] = (uint8_t)rnd(256); /* TCP header length */
		break;
	case 5:
		put16(38, rnd(65536)); /* UDP length, TCP sequence */
		break;
	case 6:
		fill(14 + rnd(40), bytes);
		break;
	default:
		frame[rnd(bytes)] ^= (uint8_t)(1u << rnd(8));
		break;
	}
	if (rnd(4))
		mend_sums(bytes);
	return bytes;
}

/* What an application would do: accept, give back, answer, close, sometimes wrongly. */
static void application(void)
{
	static uint8_t data[3000];

	for (unsigned i = 0; i < world.events.count; i++) {
		const struct ix_event *e = &world.events.events[i];
		struct net_range r = { .data = data, .bytes = 1 + rnd(3000) };
		uint64_t taken;

		if (e->kind == IX_EV_KNOCK)
			rnd(4) ? net_accept(e->handle, i) : net_reject(e->handle);
		if (e->kind == IX_EV_RECV && rnd(8))
			net_recv_done(e->handle, e->len);
		if (e->kind == IX_EV_UDP_RECV) {
			net_udp_send(e->handle, &world.events.peers[e->detail].remote, &r, &taken);
			net_udp_recv_done(e->handle, 1);
		}
		if (e->kind == IX_EV_RECV && rnd(2))
			net_send(e->handle, &r, 0, &taken);
		if (e->kind == IX_EV_EOF || rnd(500) == 0)
			net_close(e->handle);
		if (e->kind == IX_EV_DEAD)
			for (unsigned k = 0; k < LIVE; k++)
				if (handles[k] == e->handle)
					handles[k] = 0;
	}
}

/* Dead ones are replaced, so that the frames always find somebody. */
static void keep_alive(void)
{
	for (unsigned k = 0; k < LIVE; k++) {
		if (handles[k])
			continue;
		world.pieces = 0;
		memset(&live[k], 0, sizeof(live[k]));
		live[k].address = PEER_ADDRESS;
		handles[k] = peer_open(&live[k], 7, k);
	}
}

/* Half-open connections expire, and the application sees all that happened. */
static void settle(void)
{
	for (unsigned i = 0; i < 10 || world.events.count; i++) {
		world.now_us += 10000000;
		world.sent_count = world.taken = 0;
		world_turn();
		application();
	}
}

static void test_hostile_frames(void **state)
{
	const char *text = getenv("SEED");
	struct net_stats stats;
	ix_handle_t udp;

	(void)state;
	rng = text ? strtoull(text, NULL, 0) : 20210914;
	printf("seed %llu\n", (unsigned long long)rng);
	world_begin(WORLD_OFFLOADS);
	world_listen(7, 1);
	assert_int_equal(net_udp_bind(&(struct ix_endpoint){ .port = 7 }, 2, &udp), IX_OK);
	for (unsigned n = 0; n < FRAMES;) {
		if (n % 1000 == 0) {
			settle();
			keep_alive();
		}
		for (unsigned k = 0; k < 20; k++, n++) {
			unsigned bytes = damage(make());

			world.pieces = rnd(10) ? 0 : 14 + rnd(200);
			world_receive(frame, bytes);
		}
		world.sent_count = world.taken = 0;
		world.now_us += 50;
		world_turn();
		application();
		if (n % 5000 == 0)
			world_pass(50);
	}
	net_stats(&stats);
	assert_true(stats.frames_in >= FRAMES);
	assert_true(stats.bad_frames > FRAMES / 50);
	/* It still serves. */
	settle();
	for (unsigned k = 0; k < LIVE; k++)
		handles[k] = 0;
	world.sent_count = world.taken = 0;
	keep_alive();
	peer_send(&live[0], ACK | PSH, "hello", 5);
	world_turn();
	assert_int_equal(world_event(IX_EV_RECV, 0)->len, 5);
	world_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_hostile_frames) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
