/* SPDX-License-Identifier: MIT */
/* ring.h: full, empty, order; and a million items between two threads. list.h beside it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <pthread.h>
#include <sched.h>
#include <cmocka.h>
#include "kernel/base/list.h"
#include "kernel/base/lock.h"
#include "kernel/base/ring.h"

#define ITEMS 1000000u

static struct ring ring;

static void test_bounds(void **state)
{
	static uint8_t item[RING_SLOTS + 1];

	(void)state;
	assert_true(ring_is_empty(&ring));
	assert_null(ring_take(&ring));
	for (unsigned turn = 0; turn < 3; turn++) {
		for (unsigned i = 0; i < RING_SLOTS; i++)
			assert_true(ring_push(&ring, &item[i]));
		assert_false(ring_push(&ring, &item[RING_SLOTS]));
		assert_false(ring_is_empty(&ring));
		for (unsigned i = 0; i < RING_SLOTS; i++)
			assert_ptr_equal(ring_take(&ring), &item[i]);
		assert_null(ring_take(&ring));
		assert_true(ring_push(&ring, item)); /* start the next turn at another slot */
		assert_ptr_equal(ring_take(&ring), item);
	}
}

static void test_index_wraps(void **state)
{
	static struct ring old;
	int item;

	(void)state;
	old.in.head = old.in.tail_seen = old.out.tail = old.out.head_seen = UINT32_MAX - 3;
	for (unsigned i = 0; i < RING_SLOTS; i++)
		assert_true(ring_push(&old, &item));
	assert_false(ring_push(&old, &item));
	for (unsigned i = 0; i < RING_SLOTS; i++)
		assert_ptr_equal(ring_take(&old), &item);
	assert_null(ring_take(&old));
}

static void *produce(void *arg)
{
	for (uintptr_t i = 1; i <= ITEMS; i++)
		while (!ring_push(arg, (void *)i))
			sched_yield();
	return NULL;
}

static void test_two_threads(void **state)
{
	static struct ring shared;
	pthread_t producer;

	(void)state;
	assert_int_equal(pthread_create(&producer, NULL, produce, &shared), 0);
	for (uintptr_t want = 1; want <= ITEMS;) {
		uintptr_t have = (uintptr_t)ring_take(&shared);

		if (!have) {
			sched_yield();
			continue;
		}
		if (have != want)
			fail_msg("item %zu came where %zu was due", have, want);
		want++;
	}
	assert_true(ring_is_empty(&shared));
	pthread_join(producer, NULL);
}

static struct lock lock;
static unsigned guarded;

static void *count_up(void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < ITEMS / 10; i++) {
		lock_take(&lock);
		guarded++;
		lock_give(&lock);
	}
	return NULL;
}

static void test_lock(void **state)
{
	pthread_t other;

	(void)state;
	assert_int_equal(pthread_create(&other, NULL, count_up, NULL), 0);
	count_up(NULL);
	pthread_join(other, NULL);
	assert_int_equal(guarded, ITEMS / 10 * 2);
}

static void test_list(void **state)
{
	struct list head, a, b;

	(void)state;
	list_init(&head);
	assert_true(list_is_empty(&head));
	list_add_tail(&head, &a);
	list_add_tail(&head, &b);
	assert_ptr_equal(head.next, &a);
	assert_ptr_equal(head.prev, &b);
	list_remove(&a);
	assert_true(list_is_empty(&a));
	assert_ptr_equal(head.next, &b);
	list_remove(&a); /* harmless */
	list_remove(&b);
	assert_true(list_is_empty(&head));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bounds), cmocka_unit_test(test_index_wraps), cmocka_unit_test(test_two_threads),
		cmocka_unit_test(test_lock),   cmocka_unit_test(test_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
