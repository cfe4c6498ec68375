/* SPDX-License-Identifier: MIT */
/* Guests of different priority on one host, guests that say anything, and what is said of it. */
#include "test/unit/hostctl/policed.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void test_priority(void **state)
{
	struct policy_guest *low = add(4, 2, 8, 20), *high = add(1, 1, 5, 80);

	(void)state;
	host_cores = 6;
	say(low, 100, 100);
	say(high, 100, 100);
	until_change(1000);
	assert_int_equal(high->cores, 2); /* what is free goes to it first */
	assert_int_equal(low->cores, 4);
	assert_true(until_change(5000) > 0);
	assert_int_equal(low->cores, 2); /* its floor, and no less */
	assert_int_equal(low->choice.signal, POLICY_TAKEN);
	assert_int_equal(low->choice.value, 2);
	assert_int_equal(high->cores, 2); /* not before they are free */
	assert_true(until_change(1000) > 0);
	assert_int_equal(high->cores, 4);
	assert_int_equal(until_change(20000), -1);
	assert_int_equal(low->choice.held, POLICY_HELD_HOST);
	/* It wants them no more. */
	say(high, 0, 10);
	assert_true(until_change(10000) > 0);
	assert_int_equal(high->cores, 2);
	assert_true(until_change(1000) > 0);
	assert_int_equal(low->cores, 4);
}

static void test_same_priority(void **state)
{
	struct policy_guest *a = add(1, 1, 8, 50), *b = add(7, 1, 8, 50);
	unsigned changes = 0;

	(void)state;
	host_cores = 9;
	say(a, 100, 100);
	say(b, 100, 100);
	for (unsigned i = 0; i < 600; i++)
		changes += look();
	assert_int_equal(a->cores, 4);
	assert_int_equal(b->cores, 5); /* who has more keeps the one that does not divide */
	assert_true(changes <= 6);
	assert_int_equal(until_change(60000), -1);
}

/* Who is not ours keeps what he has, and who is of lower priority gets nothing of a guest that needs all. */
static void test_fixed(void **state)
{
	struct policy_guest *fixed = add(4, 4, 4, 10), *a = add(1, 1, 8, 90);

	(void)state;
	host_cores = 6;
	fixed->is_auto = false;
	say(a, 100, 100);
	say(fixed, 0, 0);
	assert_true(until_change(1000) > 0);
	assert_int_equal(a->cores, 2);
	assert_int_equal(until_change(20000), -1);
	assert_int_equal(fixed->cores, 4);
	host_cores = 1; /* less than the floors are */
	assert_true(until_change(20000) > 0);
	assert_int_equal(a->cores, 1);
	assert_int_equal(until_change(20000), -1);
}

static uint64_t seed = 7;

static uint64_t any(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static uint64_t any_value(void)
{
	static const uint64_t odd[] = { 0, 1, POLICY_PPM, POLICY_PPM + 1, UINT32_MAX, INT64_MAX, UINT64_MAX };

	return any() % 3 ? any() >> any() % 64 : odd[any() % 7];
}

static void test_hostile(void **state)
{
	unsigned changes[GUESTS] = { 0 }, minutes = 30;
	struct policy_guest *honest;

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		add(1 + i, 1, 8, 30)->groups = i == 0 ? 3 : 0;
	honest = add(2, 2, 8, 60);
	host_cores = 12;
	say(honest, 0, 60);
	for (unsigned tick = 0; tick < minutes * 600; tick++) {
		uint32_t sum = 0;

		for (unsigned i = 0; i < 3; i++)
			for (unsigned j = 0; j < guests[i].cores; j++)
				cores[i][j] = (struct policy_core){ any_value(), any_value(), any_value(),
								    any_value(), any_value(), (uint32_t)any_value(),
								    any() % 2 };
		for (unsigned i = 0; i < GUESTS; i++)
			changes[i] -= guests[i].cores;
		now += PERIOD;
		policy_decide(&limits, host_cores, now, guests, count);
		for (unsigned i = 0; i < GUESTS; i++) {
			const struct policy_choice *c = &guests[i].choice;

			assert_in_range(c->cores, guests[i].min, guests[i].max);
			assert_true(c->present >= c->cores);
			changes[i] += guests[i].cores + (c->cores != guests[i].cores);
			guests[i].cores = c->cores;
			guests[i].present = c->present;
			sum += c->cores;
		}
		assert_true(sum <= host_cores);
		assert_int_equal(honest->cores, 2);
	}
	for (unsigned i = 0; i < 3; i++)
		assert_true(changes[i] <= minutes * 20);
	/* More than all of the time is all of it. */
	for (unsigned i = 0; i < 8; i++)
		cores[0][i] = cores[1][i] = cores[2][i] = (struct policy_core){ .idle_slow = UINT64_MAX,
										.idle_fast = UINT64_MAX };
	for (unsigned i = 0; i < 3000; i++)
		look();
	assert_int_equal(guests[0].cores + guests[1].cores + guests[2].cores, 3);
	/* All of them together cannot keep an honest guest of higher priority from what it needs. */
	say(honest, 100, 100);
	for (unsigned i = 0; i < 100; i++)
		look();
	assert_int_equal(honest->cores, 8);
}

static void test_words(void **state)
{
	struct policy_choice c = {
		.cores = 2, .signal = POLICY_DEPTH, .value = 41 * 256 + 128, .threshold = 32 * 256, .held_ms = 200
	};
	char text[200], little[10];

	(void)state;
	policy_words(&c, 1, text, sizeof(text));
	assert_string_equal(text, "1 -> 2 cores: queue of 41.5 frames, more than 32, for 200 ms");
	policy_words(&c, 1, little, sizeof(little));
	assert_string_equal(little, "1 -> 2 co");
	c.held = POLICY_HELD_HOST;
	policy_words(&c, 2, text, sizeof(text));
	assert_string_equal(text, "2 cores: queue of 41.5 frames, more than 32, for 200 ms; the host has none left");
	for (unsigned i = 0; i < POLICY_SIGNAL_NR; i++) {
		c.signal = (enum policy_signal)i;
		assert_non_null(policy_signal_name(c.signal));
		assert_non_null(policy_unit(c.signal));
		policy_words(&c, 1, text, sizeof(text));
	}
	for (unsigned i = 0; i < POLICY_HELD_NR; i++)
		assert_non_null(policy_held_name((enum policy_held)i));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_priority, policed_setup),
		cmocka_unit_test_setup(test_same_priority, policed_setup),
		cmocka_unit_test_setup(test_fixed, policed_setup),
		cmocka_unit_test_setup(test_hostile, policed_setup),
		cmocka_unit_test_setup(test_words, policed_setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
