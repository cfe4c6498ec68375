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
	assert_null(way_rule_parse(
		&r, "loss=50,duplicate=100,reorder=0,corrupt=0.1,mark=100,again=3,delay=2.5,hold=1,rate=10,queue=7"));
	assert_in_range(r.loss, UINT32_MAX / 2 - 1, UINT32_MAX / 2 + 1);
	assert_int_equal(r.duplicate, UINT32_MAX);
	assert_int_equal(r.reorder, 0);
	assert_in_range(r.corrupt, 4290000, 4300000);
	assert_int_equal(r.delay_ns, 2500000);
	assert_int_equal(r.hold_ns, MS);
	assert_int_equal(r.again_ns, 3 * MS);
	assert_int_equal(r.mark, UINT32_MAX);
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
	begin("duplicate=100,delay=1,again=7", 1);
	put(3, 0);
	assert_int_equal(take(MS), 3);
	assert_int_equal(way_due(&way), 8 * MS);
	assert_int_equal(take(8 * MS), 3);
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

/* Of a whole IPv4 header, whatever it holds: 0xffff if its checksum is right. */
static uint32_t header_sum(const uint8_t *ip)
{
	uint32_t sum = 0;

	for (unsigned i = 0; i < 20; i += 2)
		sum += (uint32_t)ip[i] << 8 | ip[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* Return: the ECN field of what comes out when it was @ecn; the rest of the frame is as it was, and its sum right. */
static unsigned marked(const uint8_t *frame, unsigned at, unsigned shift)
{
	struct way_frame *f;
	unsigned ecn;

	assert_true(way_put(&way, frame, BYTES, 0));
	f = way_take(&way, 0);
	assert_non_null(f);
	ecn = f->data[at] >> shift & 3;
	if (frame[14] >> 4 == 4) {
		assert_int_equal(header_sum(f->data + 14), 0xffff);
		f->data[24] = frame[24];
		f->data[25] = frame[25];
	}
	f->data[at] = (uint8_t)((f->data[at] & ~(3u << shift)) | (frame[at] & 3u << shift));
	assert_memory_equal(f->data, frame, BYTES);
	free(f);
	return ecn;
}

static void marks_are_put_on_what_can_be_marked(void **state)
{
	uint8_t frame4[BYTES] = { [12] = 0x08, [14] = 0x45, [22] = 64, [23] = 6, [26] = 10, [30] = 10 };
	uint8_t frame6[BYTES] = { [12] = 0x86, [13] = 0xdd, [14] = 0x60, [15] = 0x0f };
	uint8_t arp[BYTES] = { [12] = 0x08, [13] = 0x06, [15] = 1 };
	struct way_frame *f;

	(void)state;
	begin("mark=100", 1);
	for (unsigned ecn = 0; ecn < 4; ecn++) {
		unsigned wanted = ecn ? 3 : 0;

		for (unsigned id = 0; id < 65536; id += 13) { /* sums of all kinds, also those that carry */
			uint32_t sum;

			frame4[15] = (uint8_t)(0xb8 | ecn);
			frame4[18] = (uint8_t)(id >> 8);
			frame4[19] = (uint8_t)id;
			frame4[24] = frame4[25] = 0;
			sum = ~header_sum(frame4 + 14);
			frame4[24] = (uint8_t)(sum >> 8);
			frame4[25] = (uint8_t)sum;
			assert_int_equal(marked(frame4, 15, 0), wanted);
		}
		frame6[15] = (uint8_t)(0x0f | ecn << 4);
		assert_int_equal(marked(frame6, 15, 4), wanted);
	}
	assert_true(way_put(&way, arp, BYTES, 0));
	f = way_take(&way, 0);
	assert_memory_equal(f->data, arp, BYTES);
	free(f);
	assert_int_equal(way.counts.marked, 3 * (65536 / 13 + 1 + 1));
	way_end(&way);
}

/* A fifth of them, and nothing else is another because of it. */
static void marks_have_lots_of_their_own(void **state)
{
	uint8_t frame[BYTES] = { [12] = 0x86, [13] = 0xdd, [14] = 0x60, [15] = 0x20 };
	struct way_counts plain;

	(void)state;
	begin("loss=5,duplicate=2,reorder=3,corrupt=1,queue=100000", 7);
	for (uint32_t i = 0; i < FRAMES; i++)
		assert_true(way_put(&way, frame, BYTES, 0));
	plain = way.counts;
	way_end(&way);
	begin("loss=5,duplicate=2,reorder=3,corrupt=1,queue=100000,mark=20", 7);
	for (uint32_t i = 0; i < FRAMES; i++)
		assert_true(way_put(&way, frame, BYTES, 0));
	assert_in_range(way.counts.marked, 3880 - 300, 3880 + 300);
	way.counts.marked = 0;
	assert_memory_equal(&way.counts, &plain, sizeof(plain));
	way_end(&way);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_rules_all_pass_in_order),
		cmocka_unit_test(rules_are_checked),
		cmocka_unit_test(probabilities_hold),
		cmocka_unit_test(marks_are_put_on_what_can_be_marked),
		cmocka_unit_test(marks_have_lots_of_their_own),
		cmocka_unit_test(the_same_seed_does_the_same),
		cmocka_unit_test(delay_and_hold),
		cmocka_unit_test(rate_and_queue),
		cmocka_unit_test(damage_is_one_bit_of_ip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
