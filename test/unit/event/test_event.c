/* SPDX-License-Identifier: MIT */
/* The event array fills to its last place and not beyond, and what stands in it is never believed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "kernel/event/event.h"

static struct ix_event_array array;

static void test_fill(void **state)
{
	struct ix_event event = { .kind = IX_EV_RECV, .len = 7 };

	(void)state;
	memset(&array, 0xff, sizeof(array));
	event_core_init(&array);
	assert_int_equal(array.count, 0);
	assert_int_equal(array.peer_count, 0);
	for (unsigned i = 0; i < IX_EVENTS_MAX; i++) {
		assert_int_equal(event_room(), IX_EVENTS_MAX - i);
		event.handle = i;
		event_push(&event);
		array.count = 5; /* not read back */
	}
	assert_int_equal(event_room(), 0);
	assert_int_equal(event_count(), IX_EVENTS_MAX);
	for (unsigned i = 0; i < IX_EVENTS_MAX; i++)
		assert_int_equal(array.events[i].handle, i);
	event_begin();
	assert_int_equal(event_room(), IX_EVENTS_MAX);
	assert_int_equal(event_count(), 0);
	assert_int_equal(array.count, 0);
	event_push(&event);
	assert_int_equal(array.count, 1);
	event_put(IX_EV_SENT, 0x87654321, 5, 6, 7);
	event = (struct ix_event){ .kind = IX_EV_SENT, .len = 0x87654321, .cookie = 5, .handle = 6, .addr = 7 };
	assert_int_equal(array.count, 2);
	assert_memory_equal(&array.events[1], &event, sizeof(event));
}

static void test_peers(void **state)
{
	struct ix_peer peer;

	(void)state;
	event_core_init(&array);
	for (unsigned i = 0; i < IX_PEERS_MAX; i++) {
		memset(&peer, (int)i, sizeof(peer));
		assert_int_equal(event_peer_room(), IX_PEERS_MAX - i);
		assert_int_equal(event_push_peer(&peer), i);
		assert_int_equal(array.peer_count, i + 1);
	}
	assert_int_equal(event_peer_room(), 0);
	assert_int_equal(event_room(), IX_EVENTS_MAX);
	assert_memory_equal(&array.peers[IX_PEERS_MAX - 1], &peer, sizeof(peer));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_fill), cmocka_unit_test(test_peers) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
