/* SPDX-License-Identifier: MIT */
/* The last 15 minutes: what is kept, thinned, forgotten, and how much memory it takes. */
#include "hostctl/ixd/history.h"
#include "test/unit/hostctl/seen.h"
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static uint32_t out[HISTORY_SECONDS];

static int teardown(void **state)
{
	(void)state;
	seen_end();
	return 0;
}

/* A guest of two cores, both with this load, delay and count of segments; the first point is of @second. */
static void set(struct known *k, uint64_t load_ppm, uint64_t delay_ns, uint64_t segments)
{
	for (unsigned i = 0; i < 2; i++) {
		k->cores[i].state = IX_PAGE_CORE_RUNS;
		k->cores[i].value[IX_VALUE_IDLE_SLOW] = 1000000 - load_ppm;
		k->cores[i].value[IX_VALUE_DELAY_SLOW] = delay_ns * (i + 1);
		k->cores[i].value[IX_VALUE_SEGMENTS_IN] = segments;
		k->cores[i].value[IX_VALUE_CONNECTIONS] = 7;
	}
}

static unsigned get(const struct known *k, int core, enum history_series series, unsigned step, int64_t second)
{
	struct history_wish w = { .core = core, .series = series, .step = step, .second = second };

	return history_read(k->history, &w, out);
}

static void test_points(void **state)
{
	struct known *k = seen_guest("web", 2);

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		set(k, 250000 * (i + 1), 100 * (i + 1), 1000ull * i * i);
		history_take(k, 5000 + i);
	}
	assert_int_equal(get(k, HISTORY_GUEST, HISTORY_LOAD, 1, 5002), HISTORY_SECONDS);
	assert_int_equal(out[899], 750000);
	assert_int_equal(out[897], 250000);
	assert_int_equal(out[896], HISTORY_NONE);
	get(k, HISTORY_GUEST, HISTORY_DELAY, 1, 5002);
	assert_int_equal(out[899], 600); /* of the worst core */
	get(k, HISTORY_GUEST, HISTORY_RATE, 1, 5002);
	assert_int_equal(out[897], HISTORY_NONE); /* there was none before */
	assert_int_equal(out[898], 2000);
	assert_int_equal(out[899], 6000);
	get(k, 1, HISTORY_RATE, 1, 5002);
	assert_int_equal(out[899], 3000);
	get(k, HISTORY_GUEST, HISTORY_CORES, 1, 5002);
	assert_int_equal(out[899], 2);
	get(k, HISTORY_GUEST, HISTORY_CONNECTIONS, 1, 5002);
	assert_int_equal(out[899], 14);
	get(k, 5, HISTORY_LOAD, 1, 5002); /* a core that never was */
	assert_int_equal(out[899], HISTORY_NONE);
	assert_int_equal(history_now(k->history, HISTORY_DELAY), 600);
}

/* Ten looks a second are one point; seconds passed over have none, and the rate is of all of them. */
static void test_gaps(void **state)
{
	struct known *k = seen_guest("web", 2);

	(void)state;
	set(k, 500000, 100, 0);
	history_take(k, 100);
	set(k, 900000, 100, 50);
	history_take(k, 100);
	set(k, 500000, 100, 1000);
	history_take(k, 104);
	get(k, HISTORY_GUEST, HISTORY_LOAD, 1, 104);
	assert_int_equal(out[895], 500000);
	for (unsigned i = 896; i < 899; i++)
		assert_int_equal(out[i], HISTORY_NONE);
	get(k, HISTORY_GUEST, HISTORY_RATE, 1, 104);
	assert_int_equal(out[899], 500);
	/* Nobody looked since: the present has no value, the past moves on. */
	get(k, HISTORY_GUEST, HISTORY_LOAD, 1, 110);
	assert_int_equal(out[899], HISTORY_NONE);
	assert_int_equal(out[893], 500000);
}

static void test_cores_come_and_go(void **state)
{
	static const enum ix_page_core_state of[] = {
		IX_PAGE_CORE_ABSENT,  IX_PAGE_CORE_STARTING, IX_PAGE_CORE_RUNS,
		IX_PAGE_CORE_LEAVING, IX_PAGE_CORE_PARKED,   IX_PAGE_CORE_ABSENT
	};
	struct known *k = seen_guest("web", 2);

	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		set(k, 500000, 100, 1000ull * i);
		k->cores[1].state = of[i];
		history_take(k, 5000 + i);
		assert_int_equal(history_has_core(k->history, 1), i >= 2);
	}
	get(k, 1, HISTORY_LOAD, 1, 5005);
	for (unsigned i = 0; i < 6; i++)
		assert_int_equal(out[894 + i], i == 2 || i == 3 ? 500000 : HISTORY_NONE);
	get(k, HISTORY_GUEST, HISTORY_CORES, 1, 5005);
	assert_int_equal(out[895], 1);
	assert_int_equal(out[896], 2);
	assert_int_equal(out[899], 1);
	assert_true(history_has_core(k->history, 0));
	assert_false(history_has_core(k->history, 2));
	assert_false(history_has_core(NULL, 0));
	history_take(k, 5003 + HISTORY_SECONDS); /* its last point is forgotten */
	assert_false(history_has_core(k->history, 1));
}

static void test_the_ring_turns(void **state)
{
	struct known *k = seen_guest("web", 2);

	(void)state;
	for (unsigned i = 0; i < 2000; i++) {
		set(k, i * 100, 1, i);
		history_take(k, 10 + i);
	}
	get(k, HISTORY_GUEST, HISTORY_LOAD, 1, 2009);
	for (unsigned i = 0; i < HISTORY_SECONDS; i++)
		assert_int_equal(out[i], (1100 + i) * 100);
	/* A long sleep of ours leaves nothing of before. */
	history_take(k, 1000000);
	get(k, HISTORY_GUEST, HISTORY_LOAD, 1, 1000000);
	assert_int_equal(out[898], HISTORY_NONE);
	assert_int_equal(out[0], HISTORY_NONE);
}

static void test_steps(void **state)
{
	struct known *k = seen_guest("web", 2);

	(void)state;
	for (unsigned i = 0; i < 12; i++) {
		set(k, 100000 * (i % 5), 10 * i, 0);
		history_take(k, 1000 + i);
	}
	assert_int_equal(get(k, HISTORY_GUEST, HISTORY_LOAD, 5, 1011), 180);
	assert_int_equal(out[177], 200000); /* 1000 to 1004 */
	assert_int_equal(out[178], 200000);
	assert_int_equal(out[179], 50000); /* the step that has begun */
	get(k, HISTORY_GUEST, HISTORY_DELAY, 5, 1011);
	assert_int_equal(out[177], 80); /* the worst of them */
	assert_int_equal(out[176], HISTORY_NONE);
}

/* A guest that begins anew counts from zero; one that does not speak, or lies, has no points. */
static void test_starts_anew(void **state)
{
	struct known *k = seen_guest("web", 2);

	(void)state;
	set(k, 1000, 1, 1000000);
	history_take(k, 1);
	set(k, 1000, 1, 5);
	history_take(k, 2);
	assert_int_equal(history_now(k->history, HISTORY_RATE), HISTORY_NONE);
	k->has_guest = false;
	history_take(k, 3);
	assert_int_equal(history_now(k->history, HISTORY_LOAD), HISTORY_NONE);
	k->has_guest = true;
	set(k, 1000, 1, 50);
	history_take(k, 4);
	assert_int_equal(history_now(k->history, HISTORY_RATE), HISTORY_NONE);
	assert_int_equal(history_now(k->history, HISTORY_LOAD), 1000);
	k->trust = PAGE_BAD;
	history_take(k, 5);
	assert_int_equal(history_now(k->history, HISTORY_LOAD), HISTORY_NONE);
}

/* Whatever a page says, numbers stay numbers: none of them can pass for "not known". */
static void test_odd_values(void **state)
{
	struct known *k = seen_guest("web", 2);

	(void)state;
	set(k, 0, UINT64_MAX / 2, 0);
	history_take(k, 1);
	k->cores[0].value[IX_VALUE_IDLE_SLOW] = UINT64_MAX;
	k->cores[0].value[IX_VALUE_CONNECTIONS] = UINT64_MAX;
	k->cores[0].value[IX_VALUE_SEGMENTS_IN] = UINT64_MAX;
	history_take(k, 2);
	assert_int_equal(history_now(k->history, HISTORY_LOAD), 0);
	assert_int_equal(history_now(k->history, HISTORY_DELAY), HISTORY_NONE - 1);
	assert_int_equal(history_now(k->history, HISTORY_RATE), HISTORY_NONE - 1);
	assert_int_equal(history_now(k->history, HISTORY_CONNECTIONS), HISTORY_NONE - 1);
}

/* 200 guests that each claim 64 cores get what there is, and all of it comes back. */
static void test_memory(void **state)
{
	char name[16];

	(void)state;
	for (unsigned i = 0; i < 200; i++) {
		struct known *k;

		snprintf(name, sizeof(name), "g%u", i);
		k = seen_guest(name, IX_PAGE_CORES_MAX);
		for (unsigned c = 0; c < IX_PAGE_CORES_MAX; c++)
			k->cores[c].state = IX_PAGE_CORE_RUNS;
		history_take(k, 1);
	}
	assert_true(history_bytes() <= HISTORY_CORES_MAX * 14400ull + 200 * 20000ull);
	assert_true(history_bytes() >= HISTORY_CORES_MAX * 14400ull);
	assert_int_equal(history_now(ixd.guests[199]->history, HISTORY_CORES), IX_PAGE_CORES_MAX);
	seen_end();
	assert_int_equal(history_bytes(), 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_teardown(f, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_points),      TEST(test_gaps),       TEST(test_the_ring_turns), TEST(test_steps),
		TEST(test_starts_anew), TEST(test_odd_values), TEST(test_memory),         TEST(test_cores_come_and_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
