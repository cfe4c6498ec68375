/* SPDX-License-Identifier: MIT */
/* How many connections there may be: no more than that, each place once, and what a core keeps for itself is little. */
#include "kernel/net/core.h"
#include "test/unit/net/world.h"

#define MOST 1000u
#define KEPT_MAX 128u /* two chunks of 64 */

static struct conn conns[MOST + 1];

static unsigned take_all(unsigned from)
{
	unsigned n = from;

	while (n <= MOST && limit_take(&conns[n]))
		n++;
	return n - from;
}

static void begin(unsigned connections, unsigned cores)
{
	memset(conns, 0, sizeof(conns));
	limit_init(connections, cores);
	limit_core_init();
}

static void test_no_more_than_that(void **state)
{
	(void)state;
	begin(MOST, 1);
	assert_true(limit_has_room());
	assert_int_equal(take_all(0), MOST);
	assert_false(limit_has_room());
	assert_false(limit_take(&conns[MOST]));
	limit_give(&conns[MOST]); /* it never had one */
	assert_false(limit_has_room());
	limit_give(&conns[7]);
	limit_give(&conns[7]); /* it has none any more */
	assert_true(limit_take(&conns[MOST]));
	assert_false(limit_take(&conns[7]));
}

/* Another core finds what this one has given back, but for a little. */
static void test_places_go_back(void **state)
{
	(void)state;
	begin(MOST, 1);
	assert_int_equal(take_all(0), MOST);
	for (unsigned i = 0; i < MOST; i++)
		limit_give(&conns[i]);
	limit_core_init();
	assert_in_range(take_all(0), MOST - KEPT_MAX, MOST);
}

/* Where there are few, a core that needs one does not take many from the others. */
static void test_few_are_dealt_singly(void **state)
{
	(void)state;
	begin(100, 4);
	assert_true(limit_take(&conns[0]));
	limit_core_init();
	assert_int_equal(take_all(1), 99);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_more_than_that),
		cmocka_unit_test(test_places_go_back),
		cmocka_unit_test(test_few_are_dealt_singly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
