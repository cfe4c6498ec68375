/* SPDX-License-Identifier: MIT */
/*
 * Lives of connections and sockets, step by step, and each step twice for each block that it takes: without that one, and without all
 * behind it, too.
 * Whatever comes of it has a status, goes on with memory, and leaves nothing behind.
 */
#include "test/fake/slab.h"
#include "test/unit/net/world.h"

#define PORT 7u
#define BLOCKS_MAX 200u /* more than a step takes */

static uint8_t data[30000];
static struct peer p;
static ix_handle_t h, listener, socket_;
static bool has_missed; /* a block could not be had in this life */

static void judge(int status)
{
	assert_true(status <= IX_OK && status > -IX_STATUS_NR);
	if (!has_missed)
		assert_int_equal(status, IX_OK);
}

/* What the peer gets, and the handle of what knocks. */
static void turns(unsigned ms)
{
	while (ms--) {
		world_pass(1);
		if (world_event(IX_EV_KNOCK, 0))
			h = world_event(IX_EV_KNOCK, 0)->handle;
		while (peer_take(&p))
			;
	}
}

static void say(unsigned flags, const void *bytes, unsigned count)
{
	peer_send(&p, flags, bytes, count);
	turns(3);
}

/* ---- steps ---- */
static void do_listen(void)
{
	judge(net_listen(&(struct ix_endpoint){ .port = PORT }, 1, &listener));
	turns(2);
}

static void do_listen_special(void)
{
	judge(net_listen(&(struct ix_endpoint){ .port = WORLD_SPECIAL_PORT }, 1, &listener));
	turns(2);
}

static void do_unlisten(void)
{
	int status = net_unlisten(listener);

	if (listener)
		judge(status);
	listener = 0;
	turns(2);
}

static void do_syn(void)
{
	p.seq = 1000; /* and again, as long as there is no answer */
	say(SYN, NULL, 0);
}

/* With options that tcp_begin.c leaves to lwIP. */
static void do_syn_padded(void)
{
	world.is_padded = true;
	do_syn();
	world.is_padded = false;
}

static void do_others(void)
{
	for (uint16_t i = 0; i < WORLD_HALF_OPEN; i++) {
		struct peer other = { .address = PEER_ADDRESS,
				      .port = (uint16_t)(900 + i),
				      .our_port = WORLD_SPECIAL_PORT,
				      .seq = 5,
				      .window = 1000 };

		peer_send(&other, SYN, NULL, 0);
	}
	turns(2);
}

static void do_ack(void)
{
	say(ACK, NULL, 0);
}

static void do_accept(void)
{
	int status = net_accept(h, 77);

	if (h)
		judge(status);
	turns(2);
}

static void do_data(void)
{
	say(ACK | PSH, data, 700);
	say(ACK | PSH, data, 100);
}

static void do_hole(void)
{
	peer_send_at(&p, p.seq + 2000, ACK, data, 500);
	peer_send_at(&p, p.seq + 4000, ACK, data, 500);
	turns(2);
	say(ACK, data, 1000);
	say(ACK, data, 1000);
}

static void send_range(const void *bytes, uint32_t count, unsigned flags)
{
	struct net_range r[2] = { { .data = bytes, .bytes = count }, { .data = data, .bytes = 3000 } };
	uint64_t taken;

	judge(net_send(h, r, flags, &taken));
	judge(net_sendv(h, r, 2, flags, &taken));
	turns(3);
}

static void do_send_short(void)
{
	send_range(data, 60, IX_SENDV_MORE);
	send_range(data, 100, 0);
}

static void do_send_long(void)
{
	send_range(data, sizeof(data), 0);
	do_ack();
}

static void do_send_back(void)
{
	uint64_t taken;
	int status;

	say(ACK | PSH, data, 1200);
	status = net_send_back(h, 600, 0, &taken);
	assert_true(status <= IX_OK && status > -IX_STATUS_NR);
	turns(3);
	status = net_recv_done(h, 100);
	assert_true(status <= IX_OK && status > -IX_STATUS_NR);
	turns(3);
}

static void do_timeouts(void)
{
	struct net_range r = { .data = data, .bytes = 9000 };
	uint64_t taken;

	do_ack();
	judge(net_send(h, &r, 0, &taken));
	for (unsigned i = 0; i < 20; i++) {
		world_pass(100);
		world_turn();
	}
	turns(1);
	do_ack();
}

static void do_duplicates(void)
{
	struct net_range r = { .data = data, .bytes = 9000 };
	uint32_t ack = p.ack;
	uint64_t taken;

	judge(net_send(h, &r, 0, &taken));
	world_pass(1);
	for (unsigned i = 0; i < 5; i++) {
		p.ack = ack;
		peer_send(&p, ACK, NULL, 0);
		world_pass(1);
	}
	turns(3);
	do_ack();
}

static void do_fin(void)
{
	say(ACK | FIN, NULL, 0);
}

static void do_shutdown(void)
{
	judge(net_shutdown(h));
	turns(3);
	do_ack();
}

static void do_close(void)
{
	int status = net_close(h);

	assert_true(status <= IX_OK && status > -IX_STATUS_NR);
	turns(3);
	do_ack();
}

/* Once more what a TIME_WAIT record, or nobody, answers. */
static void do_late_segment(void)
{
	say(ACK, data, 10);
}

static void do_abort(void)
{
	(void)net_abort(h);
	turns(2);
}

static void do_set(void)
{
	judge(net_set(h, IX_SET_KEEPALIVE, 100));
	world_pass(500);
	turns(1);
	do_ack();
}

static void do_connect(void)
{
	struct ix_connect wish = { .remote = world_endpoint(PEER_ADDRESS, 80), .cookie = 5 };
	ix_handle_t made = 0;
	int status;

	if (h)
		return; /* that it can be had again is the question */
	wish.local.port = p.our_port;
	status = net_connect(&wish, 0, &made);
	judge(status);
	if (status == IX_OK)
		h = made;
	turns(3);
}

static void connect_to(uint32_t who)
{
	struct ix_connect wish = { .remote = world_endpoint(who, 81), .cookie = 5 };
	ix_handle_t made = 0;
	int status = net_connect(&wish, 0, &made);

	judge(status);
	turns(3);
	if (status == IX_OK)
		judge(net_abort(made));
	turns(2);
}

static void do_connect_any(void)
{
	connect_to(PEER_ADDRESS);
}

/* To somebody whose Ethernet address is not known. */
static void do_connect_unknown(void)
{
	static uint32_t who = PEER_ADDRESS + 1000;

	connect_to(++who);
}

static void do_answer(void)
{
	p.seq = 5000;
	say(SYN | ACK, NULL, 0);
}

static void do_bind(void)
{
	judge(net_udp_bind(&(struct ix_endpoint){ .port = PORT }, 2, &socket_));
	turns(2);
}

static void do_unbind(void)
{
	if (socket_)
		judge(net_udp_unbind(socket_));
	socket_ = 0;
	turns(2);
}

static void send_datagram(uint32_t address, uint32_t bytes)
{
	struct ix_endpoint to = world_endpoint(address, 53);
	struct net_range r = { .data = data, .bytes = bytes };
	uint64_t sent;

	if (socket_)
		judge(net_udp_send(socket_, &to, &r, &sent));
	turns(2);
}

static void do_datagram(void)
{
	static uint32_t who = PEER_ADDRESS + 5000;

	send_datagram(PEER_ADDRESS, 100);
	send_datagram(++who, 100);
}

static void do_long_datagram(void)
{
	send_datagram(PEER_ADDRESS, 9000);
}

static void do_receive(void)
{
	peer_udp(&p, data, 100);
	turns(1);
	(void)net_udp_recv_done(socket_, 1);
}

/* What only the boot core answers. */
static void do_strangers(void)
{
	struct peer other = { .address = PEER_ADDRESS, .port = 5, .our_port = 4999, .seq = 5, .window = 1000 };

	peer_send(&other, SYN, NULL, 0);
	peer_udp(&other, data, 50);
	if (!world.is_ip6)
		peer_icmp(8, 0, 0, data, 40);
	turns(3);
}

/* ---- lives ---- */
#define STEPS_MAX 24u

struct life {
	uint16_t port; /* 0: it is ours that is drawn */
	void (*steps[STEPS_MAX])(void);
};

static const struct life passive = { PORT,
				     { do_listen, do_syn, do_syn, do_ack, do_accept, do_data, do_hole, do_send_short,
				       do_send_long, do_send_back, do_timeouts, do_duplicates, do_set, do_fin,
				       do_shutdown, do_close, do_late_segment, do_unlisten } };
static const struct life padded = { PORT,
				    { do_listen, do_syn_padded, do_syn_padded, do_ack, do_accept, do_data,
				      do_send_short, do_shutdown, do_fin, do_close, do_late_segment, do_unlisten } };
static const struct life with_cookie = { WORLD_SPECIAL_PORT,
					 { do_listen_special, do_others, do_syn, do_syn, do_ack, do_ack, do_accept,
					   do_data, do_send_short, do_unlisten, do_abort } };
static const struct life active = { 0,
				    { do_connect, do_connect, do_connect_any, do_connect_unknown, do_answer, do_data,
				      do_send_long, do_timeouts, do_close, do_fin, do_late_segment } };
static const struct life datagrams = {
	PORT, { do_bind, do_datagram, do_long_datagram, do_receive, do_strangers, do_unbind }
};

static void begin_life(const struct life *life)
{
	static uint16_t port = 10000; /* nothing that is left of the life before is meant */

	world_begin(WORLD_OFFLOADS);
	p = (struct peer){ .address = PEER_ADDRESS, .port = ++port, .our_port = life->port, .window = 60000 };
	if (!life->port) {
		p.our_port = port;
		p.port = 80;
	}
	h = listener = socket_ = 0;
	has_missed = false;
	turns(2);
}

/* Return: whether a block was missing. */
static bool live(const struct life *life, unsigned without, size_t from, size_t count)
{
	bool is_missing = false;

	begin_life(life);
	for (unsigned i = 0; i < STEPS_MAX && life->steps[i]; i++) {
		if (i == without) {
			fake_slab_fail_from = from;
			fake_slab_fail_count = count;
			has_missed = true;
		}
		life->steps[i]();
		if (i == without) {
			is_missing = !fake_slab_fail_from || fake_slab_fail_from == SIZE_MAX;
			fake_slab_fail_from = fake_slab_fail_count = SIZE_MAX;
		}
		if (world.sent_count > SENT_MAX / 2)
			world.sent_count = world.taken = 0;
	}
	world_end();
	return is_missing;
}

static void sweep(const struct life *life)
{
	size_t all = 0;

	for (unsigned i = 0; i < STEPS_MAX && life->steps[i]; i++) {
		size_t from = 1;

		while ((int)live(life, i, from, SIZE_MAX) | (int)live(life, i, from, 1)) /* both */
			assert_in_range(++from, 2, BLOCKS_MAX);
		all += from - 1;
	}
	print_message("%zu blocks\n", all);
	assert_true(all > 10);
}

#define SWEEP(life)                             \
	static void test_##life(void **state)   \
	{                                       \
		(void)state;                    \
		live(&(life), STEPS_MAX, 0, 0); \
		sweep(&(life));                 \
	}
SWEEP(passive)
SWEEP(padded)
SWEEP(with_cookie)
SWEEP(active)
SWEEP(datagrams)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_passive), cmocka_unit_test(test_padded),    cmocka_unit_test(test_with_cookie),
		cmocka_unit_test(test_active),  cmocka_unit_test(test_datagrams),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
