/* SPDX-License-Identifier: MIT */
/* A core follows what others listen on: ports that go from one entry of the table to another between two of its turns, and no memory. */
#include "test/fake/slab.h"
#include "test/unit/net/one.h"

#define FOLLOWER 1u /* the core that follows; what is called is called on core 0 */

static ix_handle_t listen_on(uint16_t port)
{
	struct ix_endpoint any = { .port = port };
	ix_handle_t handle;

	cores_switch(0);
	assert_int_equal(net_listen(&any, port, &handle), IX_OK);
	return handle;
}

static void unlisten(ix_handle_t handle)
{
	cores_switch(0);
	assert_int_equal(net_unlisten(handle), IX_OK);
}

/* Flags of what the follower answers to a request for @port. */
static unsigned answer_of(uint16_t port)
{
	static uint16_t from = 5000;
	struct peer p = { .address = PEER_ADDRESS, .port = ++from, .our_port = port, .seq = 1, .window = 60000 };
	const struct sent *s = NULL;

	steering = FOLLOWER;
	while (peer_take(&p))
		;
	peer_send(&p, SYN, NULL, 0);
	for (unsigned ms = 0; ms < 20 && !s; ms++) {
		cores_all(1);
		s = peer_take(&p);
	}
	assert_non_null(s);
	if (seg_flags(s) & SYN)
		peer_send(&p, RST, NULL, 0);
	cores_all(2);
	return seg_flags(s);
}

/* The later entry is free, and the one before it has its port, when the other core comes to look. */
static void test_port_in_another_entry(void **state)
{
	ix_handle_t first, second;

	(void)state;
	begin();
	first = listen_on(100);
	second = listen_on(101);
	cores_all(2);
	assert_int_equal(answer_of(101), SYN | ACK);
	unlisten(first);
	unlisten(second);
	first = listen_on(101);
	second = listen_on(100);
	cores_all(2);
	assert_int_equal(answer_of(100), SYN | ACK);
	assert_int_equal(answer_of(101), SYN | ACK);
	unlisten(first);
	unlisten(second);
	cores_all(2);
	assert_true(answer_of(101) & RST);
	assert_true(answer_of(100) & RST);
}

/* What there was no memory for, it opens as soon as there is some, though nothing is announced any more. */
static void test_no_memory(void **state)
{
	ix_handle_t handle;

	(void)state;
	begin();
	for (size_t blocks = 0; blocks < 2; blocks++) { /* not even for the first block, or not for the listener */
		handle = listen_on(102);
		fake_slab_fail_from = blocks;
		cores_turn(FOLLOWER);
		fake_slab_fail_from = SIZE_MAX;
		cores_all(2);
		assert_int_equal(answer_of(102), SYN | ACK);
		unlisten(handle);
		cores_all(2);
		assert_true(answer_of(102) & RST);
	}
}

static void test_empty(void **state)
{
	(void)state;
	begin();
	for (uint32_t core = 0; core < CORES_IN_TEST; core++) {
		cores_switch(core);
		net_partition_end();
	}
	cores_all(500);
	cores_check_empty();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_port_in_another_entry),
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
