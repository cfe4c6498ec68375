/* SPDX-License-Identifier: MIT */
/* The bad wire is as bad as its rule says, no worse, and the same again with the same seed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "test/wire/way.h"

#define FRAMES 20000u
#define BYTES 100u
#define MS 1000000u

static struct way way;

static void begin(const char *text, uint64_t seed)
{
	struct way_rule rule;

	assert_null(way_rule_parse(&rule, text));
	assert_true(way_begin(&way, &rule, seed));
}

/* A frame of IPv4 with its number in it. */
static void put(uint32_t number, uint64_t now_ns)
{
	uint8_t frame[BYTES] = { [12] = 0x08 };

	memcpy(frame + 20, &number, sizeof(number));
	assert_true(way_put(&way, frame, BYTES, now_ns));
}

/* Return: number of the next frame, UINT32_MAX: nothing leaves by @now_ns. */
static uint32_t take(uint64_t now_ns)
{
	struct way_frame *f = way_take(&way, now_ns);
	uint32_t number = UINT32_MAX;

	if (f) {
		assert_int_equal(f->bytes, BYTES);
		memcpy(&number, f->data + 20, sizeof(number));
	}
	free(f);
	return number;
}

static void without_rules_all_pass_in_order(void **state)
{
	(void)state;
	begin("", 1);
	for (uint32_t i = 0; i < 100; i++)
		put(i, 5);
	for (uint32_t i = 0; i < 100; i++)
		assert_int_equal(take(5), i);
	assert_int_equal(take(UINT64_MAX - 1), UINT32_MAX);
	way_end(&way);
}

static void rules_are_checked(void **state)
{
	static const char *const wrong[] = { "lost=1",   "loss",   "loss=",   "loss=101",       "loss=-1",   "loss=1x",
					     "loss=nan", "rate=x", "queue=0", "loss=1;delay=1", "delay=1e9", "," };
	struct way_rule r;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_non_null(way_rule_parse(&r, wrong[i]));
	assert_null(way_rule_parse(&r, "loss=50,duplicate=100,reorder=0,corrupt=0.1,delay=2.5,hold=1,rate=10,queue=7"));
	assert_in_range(r.loss, UINT32_MAX / 2 - 1, UINT32_MAX / 2 + 1);
	assert_int_equal(r.duplicate, UINT32_MAX);
	assert_int_equal(r.reorder, 0);
	assert_in_range(r.corrupt, 4290000, 4300000);
	assert_int_equal(r.delay_ns, 2500000);
	assert_int_equal(r.hold_ns, MS);
	assert_int_equal(r.rate, 10000000);
	assert_int_equal(r.queue_limit, 7);
}

/* Each rate within five standard deviations, and what is counted is what came out. */
static void probabilities_hold(void **state)
{
	uint64_t out = 0;

	(void)state;
	begin("loss=5,duplicate=2,reorder=3,corrupt=1,queue=100000", 7);
	for (uint32_t i = 0; i < FRAMES; i++)
		put(i, 0);
	for (struct way_frame *f; (f = way_take(&way, UINT64_MAX - 1)); free(f))
		out++;
	assert_in_range(way.counts.lost, 1000 - 160, 1000 + 160);
	assert_in_range(way.counts.duplicated, 380 - 100, 380 + 100);
	assert_in_range(way.counts.reordered, 570 - 120, 570 + 120);
	assert_in_range(way.counts.corrupted, 194 - 70, 194 + 70);
	assert_int_equal(out, FRAMES - way.counts.lost + way.counts.duplicated);
	assert_int_equal(way.counts.delivered, out);
	assert_int_equal(way.counts.frames, FRAMES);
	assert_int_equal(way.counts.bytes, FRAMES * BYTES);
	way_end(&way);
}

/* Which frames are lost, as a sum. */
static uint64_t fate(uint64_t seed, uint64_t step_ns)
{
	uint64_t sum = 0;

	begin("loss=10,reorder=10,corrupt=10,queue=100000", seed);
	for (uint32_t i = 0; i < 1000; i++)
		put(i, i * step_ns);
	for (struct way_frame *f; (f = way_take(&way, UINT64_MAX - 1)); free(f)) {
		for (uint32_t i = 0; i < f->bytes; i++)
			sum += (uint64_t)f->data[i] * f->data[i] * (i + 1); /* in any order */
	}
	way_end(&way);
	return sum;
}

static void the_same_seed_does_the_same(void **state)
{
	(void)state;
	assert_true(fate(1, 0) == fate(1, 0));
	assert_true(fate(1, 0) == fate(1, 12345)); /* whenever the frames come */
	assert_true(fate(1, 0) != fate(2, 0));
	assert_true(fate(1, 0) != fate(1 + (1ull << 63), 0));
}

static void delay_and_hold(void **state)
{
	(void)state;
	begin("delay=10", 1);
	put(1, 0);
	assert_int_equal(way_due(&way), 10 * MS);
	assert_int_equal(take(10 * MS - 1), UINT32_MAX);
	assert_int_equal(take(10 * MS), 1);
	assert_true(way_due(&way) == UINT64_MAX);
	way_end(&way);
	begin("reorder=100,hold=2", 1);
	put(1, 0);
	assert_in_range(way_due(&way), 1, 2 * MS + 1);
	way.rule.reorder = 0;
	put(2, 0);
	assert_int_equal(take(0), 2);
	assert_int_equal(take(2 * MS + 1), 1);
	way_end(&way);
}

/* 124 bytes a frame at 1 Mbit/s are 992 us. */
static void rate_and_queue(void **state)
{
	(void)state;
	begin("rate=1,delay=1,queue=3", 1);
	for (uint32_t i = 0; i < 5; i++)
		put(i, 0);
	assert_int_equal(way.counts.overflowed, 2);
	assert_int_equal(take(1992000 - 1), UINT32_MAX);
	assert_int_equal(take(1992000), 0);
	assert_int_equal(take(1992000), UINT32_MAX);
	assert_int_equal(take(2984000), 1);
	assert_int_equal(take(3976000), 2);
	put(9, 100 * (uint64_t)MS);
	assert_int_equal(way_due(&way), 101992000);
	way_end(&way); /* with one under way */
}

/* Exactly one bit, behind the Ethernet header; and ARP, which has no sum, is lost instead. */
static void damage_is_one_bit_of_ip(void **state)
{
	uint8_t frame[BYTES] = { [12] = 0x86, [13] = 0xdd };

	(void)state;
	begin("corrupt=100", 3);
	for (int i = 0; i < 500; i++) {
		unsigned bits = 0;
		struct way_frame *f;

		assert_true(way_put(&way, frame, BYTES, 0));
		f = way_take(&way, 0);
		assert_non_null(f);
		assert_memory_equal(f->data, frame, 14);
		for (uint32_t at = 14; at < BYTES; at++)
			bits += (unsigned)__builtin_popcount((unsigned)(f->data[at] ^ frame[at]));
		assert_int_equal(bits, 1);
		free(f);
	}
	frame[12] = 0x08, frame[13] = 0x06;
	assert_true(way_put(&way, frame, BYTES, 0));
	assert_true(way_put(&way, frame, 14, 0));
	assert_int_equal(way.counts.lost, 2);
	assert_int_equal(way.counts.corrupted, 500);
	way_end(&way);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_rules_all_pass_in_order),
		cmocka_unit_test(rules_are_checked),
		cmocka_unit_test(probabilities_hold),
		cmocka_unit_test(the_same_seed_does_the_same),
		cmocka_unit_test(delay_and_hold),
		cmocka_unit_test(rate_and_queue),
		cmocka_unit_test(damage_is_one_bit_of_ip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
