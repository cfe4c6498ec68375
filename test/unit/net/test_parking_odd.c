/* SPDX-License-Identifier: MIT */
/*
 * Cores park and come at moments that are not the usual ones: with the rest of a connection that is over and nobody's group, while the
 * application is gone, when it has just been woken there, without memory to begin.
 */
#include "test/unit/net/parking.h"

#include "kernel/cores/cores.h"
#include "kernel/cores/hotplug.h"
#include "kernel/cpu/cpu.h"
#include "kernel/net/demux.h"

#ifndef MODE
#define MODE CORES_HASH
#endif
#define STEPS_MAX 200000u
#define RCV_NXT 5000u
#define SND_NXT 9000u

/* Nobody streams. */
static void begin_quiet(unsigned seed)
{
	parking_begin(MODE, seed);
	parking_run(500);
	parking_finish();
	streams.is_closing = true;
}

/* ---- TIME_WAIT ---- */
static struct peer stranger(uint16_t port)
{
	return (struct peer){ .address = PEER_ADDRESS,
			      .port = port,
			      .our_port = STREAMS_PORT,
			      .seq = RCV_NXT,
			      .ack = SND_NXT,
			      .window = 60000 };
}

/* The core that runs keeps it of a connection that is over. */
static struct demux_tuple keep(const struct peer *p, uint8_t group)
{
	static struct {
		struct tcp_pcb pcb;
		struct conn conn;
	} over;
	struct demux_tuple t;

	over.pcb.rcv_nxt = p->seq;
	over.pcb.snd_nxt = p->ack;
	over.pcb.remote_port = p->port;
	over.pcb.local_port = p->our_port;
	ip_addr_set_ip4_u32(&over.pcb.remote_ip, be32(p->address));
	ip_addr_set_ip4_u32(&over.pcb.local_ip, be32(WORLD_ADDRESS));
	conn_of(&over.pcb)->group = group;
	t = tuple_of(&over.pcb);
	timewait_add(&over.pcb, demux_hash(&t));
	return t;
}

static unsigned answer(struct peer *p, uint32_t seq, unsigned flags)
{
	const struct sent *s;
	unsigned found = 0;

	world.taken = world.sent_count = 0;
	cores_switch(0);
	peer_send_at(p, seq, flags, NULL, 0);
	for (unsigned n = 0; n < 8; n++)
		for (uint64_t left = cpu_running(); left; left &= left - 1)
			cores_turn((uint32_t)__builtin_ctzll(left));
	while ((s = peer_take(p)) != NULL) {
		assert_int_equal(found, 0);
		found = seg_flags(s) & 0x3f;
		assert_int_equal(seg_ack(s), flags & SYN ? seq + 1 : RCV_NXT);
	}
	return found;
}

/* It lies on a core whose group it is not, goes where somebody finds it, and is found by what is old. */
static void test_timewait(void **state)
{
	struct peer p;
	struct demux_tuple t;

	(void)state;
	begin_quiet(60);
	for (uint16_t port = 61000; port < 61004; port++) {
		p = stranger(port);
		cores_switch(1);
		t = keep(&p, 3);
		assert_false(timewait_is_empty());
		parking_set(1);
		cores_switch(1);
		assert_null(timewait_find(demux_hash(&t), &t));
		cores_switch(0);
		assert_non_null(timewait_find(demux_hash(&t), &t));
		assert_int_equal(answer(&p, RCV_NXT - 1, ACK | FIN), ACK);
		parking_set(CORES_IN_TEST);
		assert_int_equal(answer(&p, RCV_NXT - 1, ACK | FIN), ACK);
		assert_int_equal(answer(&p, RCV_NXT + 1000, SYN), SYN | ACK);
	}
}

/* ---- the application ---- */
static void end(bool is_ending)
{
	test.is_ending = is_ending;
	for (uint32_t core = 0; core < CORES_IN_TEST && !is_ending; core++) {
		cores_switch(core);
		cores_partition_is_down(false);
	}
}

/* It is gone, and what it left is looked at for as long as somebody likes: a core that is through with it goes all the same. */
static void test_while_it_is_gone(void **state)
{
	unsigned told, steps;

	(void)state;
	begin_quiet(61);
	told = test.told;
	end(true);
	cores_switch(1);
	cores_partition_is_down(true);
	test.answers = test.failed = 0;
	parking_order(1);
	for (steps = 0; parking_running() != 3; steps++) {
		assert_true(steps < STEPS_MAX);
		parking_step();
	}
	parking_run(2000);
	assert_int_equal(cpu_running(), 0xd); /* the others have still to do for it */
	for (uint32_t core = 2; core < CORES_IN_TEST; core++) {
		cores_switch(core);
		cores_partition_is_down(true);
	}
	for (steps = 0; !test.answers; steps++) {
		assert_true(steps < STEPS_MAX);
		parking_step();
	}
	assert_int_equal(test.failed, 0);
	assert_int_equal(parking_running(), 1);
	parking_set(2); /* and one comes */
	end(false);
	parking_set(CORES_IN_TEST);
	assert_int_equal(test.told, told); /* nobody was there to be told */
}

/* Ring 3 was woken there: it is run once more. */
static void test_woken(void **state)
{
	(void)state;
	begin_quiet(62);
	test.is_woken[2] = true;
	parking_order(1);
	parking_run(4000);
	assert_int_equal(cpu_running(), 5);
	test.is_woken[2] = false;
	parking_set(1);
	for (uint32_t core = 1; core < CORES_IN_TEST; core++)
		assert_true(test.is_deaf[core]);
	parking_set(CORES_IN_TEST);
}

/* ---- the device ---- */
/* It keeps what it was sent: it is reset after a second, and the core goes when it has given back. */
static void test_device(void **state)
{
	struct peer p = stranger(61000);
	uint64_t since;

	(void)state;
	begin_quiet(64);
	world.is_holding = true;
	for (unsigned n = 0; n < 16; n++) { /* on whatever core each of these is answered by a reset */
		p.port++;
		cores_switch(0);
		peer_send_at(&p, RCV_NXT, ACK, NULL, 0);
		for (uint32_t core = 0; core < CORES_IN_TEST; core++)
			cores_turn(core);
	}
	parking_run(100);
	assert_true(world_held() >= 16);
	world.resets_wanted = 0;
	since = world.now_us;
	test.answers = test.failed = 0;
	parking_order(1);
	for (unsigned steps = 0; !world.resets_wanted; steps++) {
		assert_true(steps < STEPS_MAX);
		parking_step();
	}
	assert_in_range(world.now_us - since, 1000000, 3000000);
	assert_int_equal(test.answers, 0);
	world.is_holding = false;
	for (unsigned steps = 0; !test.answers; steps++) {
		assert_true(steps < STEPS_MAX);
		parking_step();
	}
	assert_int_equal(test.failed, 0);
	assert_int_equal(parking_running(), 1);
	parking_set(CORES_IN_TEST);
}

/* ---- memory ---- */
static void test_poor(void **state)
{
	(void)state;
	begin_quiet(63);
	parking_unplug(2);
	parking_wait(0xb);
	streams.is_closing = false;
	test.is_poor[2] = true;
	parking_plug(2);
	for (unsigned steps = 0; !test.refused[IX_PAGE_REFUSED_MEMORY]; steps++) {
		assert_true(steps < STEPS_MAX);
		parking_step();
	}
	assert_true(test.is_insert_refused);
	assert_int_equal(cores_machine.resize.refused_why, IX_PAGE_REFUSED_MEMORY);
	assert_int_equal(parking_running(), 3);
	test.is_poor[2] = false;
	parking_unplug(2);
	parking_wait(0xb);
	parking_plug(2);
	parking_wait(0xf);
	parking_finish();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_timewait), cmocka_unit_test(test_while_it_is_gone),
		cmocka_unit_test(test_woken),    cmocka_unit_test(test_device),
		cmocka_unit_test(test_poor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
