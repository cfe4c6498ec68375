/* SPDX-License-Identifier: MIT */
/*
 * Frames into a core with TCP/IP, connections and an application. The input is a row of steps: frames as they are, segments of
 * peers that have a connection (relative to where it stands, so that few bytes reach far), errors about our segments, strangers
 * who knock (past the limit they get cookies), whom we call, time, what the application does, what the device does; the first
 * byte says with what device, with ECN, with hardly any memory. At the end everything goes, and nothing may be left allocated.
 */
#include "kernel/abi/manifest.h"
#include "kernel/base/bytes.h"
#include "kernel/net/checksum.h"
#include "kernel/net/core.h"
#include "test/fuzz/fuzz.h"
#include "test/unit/net/world.h"

#define STEPS_MAX 200u
#define PEERS 3u
#define FRAME_MAX 1514u
#define STRANGERS 4u
#define SCARCE 100u    /* of 1,024 receive buffers */
#define NEIGHBOUR_S 5u /* whoever did not answer in the last run is asked again by then */

enum step {
	STEP_FRAME,
	STEP_SEGMENT,
	STEP_OPTIONS,
	STEP_TURN,
	STEP_TIME,
	STEP_SEND,
	STEP_DONE,
	STEP_END,
	STEP_DEVICE,
	STEP_ERROR,
	STEP_KNOCK,
	STEP_CALL,
	STEPS
};

enum option { OPT_TS = 4, OPT_NO_SACK = 8, OPT_ECN = 16, OPT_SCARCE = 32 };

static struct peer peers[PEERS], strangers[STRANGERS], called;
static uint32_t opened = 1;
static struct buf *hidden[1024];
static unsigned hidden_count;
static ix_handle_t handles[PEERS];
static uint8_t frame[FRAME_MAX], data[16384];
static uint32_t told[PEERS]; /* bytes announced and not given back */

/* The sum of an IPv4 header; the device vouches for the rest. */
static void mend(unsigned bytes)
{
	unsigned header = (frame[14] & 15u) * 4;
	uint16_t sum;

	if (frame[12] != 8 || frame[13] || header < 20 || 14 + header > bytes)
		return;
	memset(frame + 24, 0, 2);
	sum = (uint16_t)~port_chksum(frame + 14, (int)header);
	memcpy(frame + 24, &sum, 2);
}

static void raw_frame(struct feed *f)
{
	static const uint8_t start[14] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 9, 8, 0 };
	uint16_t length = feed_u16(f);
	unsigned bytes = length % (FRAME_MAX + 1), from = length & 0x8000 ? 12 : 0;

	if (bytes < 14)
		bytes = 14;
	memcpy(frame, start, 14);
	feed_take(f, frame + from, MIN((size_t)(bytes - from), feed_left(f)));
	mend(bytes);
	world.pieces = length & 0x4000 ? 14 + feed_u8(f) : 0;
	world_receive(frame, bytes);
}

/* From where the peer is, by little steps. */
static __attribute__((noinline)) void segment(struct feed *f, bool has_options)
{
	struct peer *p = &peers[feed_u8(f) % PEERS], at = *p;
	uint32_t sacks[3][2] = { { 0 } };
	uint8_t flags = feed_u8(f);
	unsigned bytes = feed_u16(f) % 1449u;
	int16_t seq = (int16_t)feed_u16(f), ack = (int16_t)feed_u16(f);

	if (!p->our_port)
		return;
	at.seq += (uint32_t)(int32_t)seq;
	at.ack += (uint32_t)(int32_t)ack;
	at.window = feed_u16(f) * 8u;
	if (has_options) {
		at.sack_count = feed_u8(f);
		at.tos = at.sack_count >> 4 & 3;
		at.sack_count %= 4;
		for (unsigned i = 0; i < at.sack_count; i++) {
			sacks[i][0] = p->ack + feed_u16(f);
			sacks[i][1] = sacks[i][0] + feed_u16(f);
		}
		at.ts += feed_u8(f);
		at.ts_echo -= feed_u8(f);
		at.sacks = (const uint32_t(*)[2])sacks;
	}
	peer_send_at(&at, at.seq, flags, data, bytes);
	if (!seq && (flags & (SYN | RST | ACK)) == ACK)
		p->seq += bytes + (flags & FIN);
}

static void follow(struct peer *p)
{
	world.taken = 0;
	while (p->our_port && peer_take(p))
		;
}

/* Where a call of ours came from. */
static void answer_phone(void)
{
	for (unsigned i = 0; i < world.sent_count; i++) {
		const uint8_t *tcp = world.sent[i].data + world_l4_at(world.sent[i].data);

		if (tcp[-11] != 6 && tcp[-34] != 6)
			continue;
		if ((tcp[13] & (SYN | ACK)) == SYN)
			called.our_port = (uint16_t)(tcp[0] << 8 | tcp[1]);
	}
	follow(&called);
}

static void hear(void)
{
	for (unsigned i = 0; i < PEERS; i++)
		follow(&peers[i]);
	for (unsigned i = 0; i < STRANGERS; i++)
		follow(&strangers[i]);
	answer_phone();
	world.sent_count = world.taken = 0;
	for (unsigned i = 0; i < world.events.count; i++) {
		const struct ix_event *e = &world.events.events[i];

		if (e->kind == IX_EV_KNOCK)
			(void)net_accept(e->handle, 77);
		if (e->kind == IX_EV_UDP_RECV)
			(void)net_udp_recv_done(e->handle, 1);
		for (unsigned k = 0; k < PEERS; k++) {
			if (handles[k] != e->handle)
				continue;
			if (e->kind == IX_EV_RECV)
				told[k] += (uint32_t)e->len;
			if (e->kind == IX_EV_DEAD)
				handles[k] = 0;
		}
	}
}

static void turn(void)
{
	world_turn();
	hear();
}

static void end(struct feed *f)
{
	uint8_t which = feed_u8(f);
	ix_handle_t h = handles[which % PEERS];

	if (!h)
		return;
	if (which & 0x80)
		(void)net_shutdown(h);
	else if (which & 0x40)
		(void)net_abort(h);
	else
		(void)net_close(h);
}

static void send(struct feed *f)
{
	uint8_t which = feed_u8(f);
	struct net_range r = { .data = data + feed_u8(f), .bytes = 1 + feed_u16(f) % 16000u };
	uint64_t taken;

	(void)net_send(handles[which % PEERS], &r, which & 0x80 ? IX_SENDV_MORE : 0, &taken);
}

static void device(struct feed *f)
{
	uint8_t what = feed_u8(f);

	world.is_full = what & 1;
	world.is_holding = what & 2;
	if (what & 4)
		world_give_back(feed_u8(f) % (world_held() + 1));
}

/* Of a router, about a segment of a connection: a little before what it expects next. */
static __attribute__((noinline)) void report(struct feed *f)
{
	uint8_t which = feed_u8(f), type = feed_u8(f), code = feed_u8(f),
		quote[48] = { 0x45, [6] = 0x40, [8] = 60, [9] = 6 };
	uint16_t mtu = feed_u16(f), bytes = feed_u16(f);
	const struct peer *p = which % 4 < PEERS ? &peers[which % 4] : &called;
	be32_t words[3] = { be32(WORLD_ADDRESS), be32(p->address), be32(p->ack - feed_u16(f)) };
	be16_t ports[2] = { be16(p->our_port), be16(p->port) };
	unsigned header = world.is_ip6 ? 40 : 20;

	if (world.is_ip6) {
		memset(quote, 0, sizeof(quote));
		quote[0] = 0x60;
		quote[6] = 6;
		world_ip6(quote + 8, WORLD_ADDRESS);
		world_ip6(quote + 24, p->address);
	} else {
		memcpy(quote + 12, words, 8);
	}
	quote[world.is_ip6 ? 4 : 2] = (uint8_t)(bytes >> 8);
	quote[world.is_ip6 ? 5 : 3] = (uint8_t)bytes;
	memcpy(quote + header, ports, 4);
	memcpy(quote + header + 4, words + 2, 4);
	peer_icmp(type, code, mtu, quote, header + 8 - (which & 0x80 ? 4 : 0));
}

/* A stranger's SYN, or what follows our answer to it; bit 3: with a crowd, so that there is no room but in a cookie. */
static void knock(struct feed *f)
{
	uint8_t what = feed_u8(f);
	struct peer *p = &strangers[what % STRANGERS];

	if (what & 0x80) {
		if (p->our_port)
			peer_send(p, ACK, data, feed_u8(f));
		return;
	}
	for (unsigned n = what & 8 ? 2 * WORLD_HALF_OPEN : 1; n; n--) {
		opened++;
		*p = (struct peer){ .address = PEER_ADDRESS,
				    .port = (uint16_t)(1024 + opened % 60000),
				    .our_port = what & 0x40 ? WORLD_SPECIAL_PORT : 7,
				    .seq = 1000000u * opened,
				    .window = 20000,
				    .has_ts = what & 0x20,
				    .syn_flags = what & 0x10 ? 0xc0 : 0 };
		peer_send(p, SYN, NULL, 0);
	}
}

/* The application calls somebody, or that one says something. */
static void call(struct feed *f)
{
	uint8_t what = feed_u8(f);
	struct ix_connect wish = { .cookie = 78 };
	ix_handle_t h;

	if (!(what & 0x80)) {
		called = (struct peer){
			.address = PEER_ADDRESS, .port = (uint16_t)(80 + what % 4), .seq = 5, .window = 30000
		};
		wish.remote = world_endpoint(called.address, called.port);
		(void)net_connect(&wish, 0, &h);
		turn();
	} else if (called.our_port) {
		peer_send(&called, what & 0x40 ? what & 0x3f : SYN | ACK, data, 0);
		turn();
	}
}

static void step(struct feed *f)
{
	uint8_t what = feed_u8(f), k;

	switch (what % STEPS) {
	case STEP_FRAME:
		raw_frame(f);
		break;
	case STEP_SEGMENT:
	case STEP_OPTIONS:
		segment(f, what % STEPS == STEP_OPTIONS);
		if (what & 0x80)
			turn();
		break;
	case STEP_TURN:
		turn();
		break;
	case STEP_TIME:
		world.now_us += feed_u16(f) * (what & 0x80 ? 20000u : 16u);
		turn();
		break;
	case STEP_SEND:
		send(f);
		break;
	case STEP_DONE:
		k = feed_u8(f) % PEERS;
		if (handles[k] && !net_recv_done(handles[k], told[k]))
			told[k] = 0;
		break;
	case STEP_END:
		end(f);
		break;
	case STEP_ERROR:
		report(f);
		break;
	case STEP_KNOCK:
		knock(f);
		break;
	case STEP_CALL:
		call(f);
		break;
	default:
		device(f);
		break;
	}
}

static void begin(uint8_t options)
{
	static const uint32_t offloads[] = { 2, 6, 3, 2 | WORLD_IP6 };
	ix_handle_t udp;

	world_begin(offloads[options % 4]);
	world.is_cutting = options % 4 == 1;
	world.conf.ports[0].ecn = options & OPT_TS ? IX_ECN_DCTCP : IX_ECN_CLASSIC;
	world_listen(7, 1);
	world_listen(WORLD_SPECIAL_PORT, 3);
	memset(strangers, 0, sizeof(strangers));
	memset(&called, 0, sizeof(called));
	(void)net_udp_bind(&(struct ix_endpoint){ .port = 7 }, 2, &udp);
	for (unsigned s = 0; s < NEIGHBOUR_S; s++) {
		world.now_us += 1000000;
		world_turn();
	}
	for (unsigned i = 0; i < PEERS; i++) {
		peers[i] = (struct peer){ .port = (uint16_t)(1024 + opened % 60000),
					  .seq = 1000000u * opened,
					  .window = 200000,
					  .has_ts = options & OPT_TS,
					  .ts = 5 + opened,
					  .has_no_sack = (options & OPT_NO_SACK) && i,
					  .syn_flags = options & OPT_ECN ? 0xc0 : 0 };
		opened++;
		handles[i] = peer_open(&peers[i], options & OPT_ECN ? WORLD_SPECIAL_PORT : 7, i);
		told[i] = 0;
	}
	world.sent_count = world.taken = 0;
	while ((options & OPT_SCARCE) && buf_available() > SCARCE)
		hidden[hidden_count++] = buf_alloc();
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t bytes)
{
	struct feed f = { input, input + bytes };

	begin(feed_u8(&f));
	for (unsigned i = 0; i < STEPS_MAX && feed_left(&f); i++)
		step(&f);
	world.is_full = world.is_holding = false;
	turn();
	while (hidden_count)
		buf_free(hidden[--hidden_count]);
	world_end();
	return 0;
}
