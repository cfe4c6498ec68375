/* SPDX-License-Identifier: MIT */
/* The open loop by a clock that the test moves: when requests are due, who waits, and that a server's pause shows as it must. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "bench/load/open.h"

#define US 1000u
#define MS (1000 * US)
#define S (1000ull * MS)
#define FOREVER UINT64_MAX

static struct open_loop loop;
static struct histogram latency, since_sent;

static void begin(double rate, uint64_t seed, unsigned slots, unsigned depth)
{
	struct schedule s;

	memset(&latency, 0, sizeof(latency));
	memset(&since_sent, 0, sizeof(since_sent));
	schedule_begin(&s, rate, seed, 0);
	assert_true(open_begin(&loop, &s, slots, depth));
}

/* ---- the schedule ---- */
static void a_fixed_rate_does_not_drift(void **state)
{
	struct schedule s;
	uint64_t due = 0;

	(void)state;
	schedule_begin(&s, 300, 0, 5 * S);
	for (unsigned i = 0; i <= 3000000; i++) {
		assert_true(schedule_due(&s) >= due);
		due = schedule_take(&s);
	}
	assert_in_range(due, 10005 * S - 1, 10005 * S);
}

static void random_arrivals_are_a_poisson_process(void **state)
{
	enum { N = 200000 };
	unsigned longer = 0, much_longer = 0, repeated = 0;
	uint64_t last = 0, due = 0, before = 0;
	struct schedule s;

	(void)state;
	schedule_begin(&s, 10000, 7, 0);
	for (unsigned i = 0; i < N; i++) {
		due = schedule_take(&s);
		longer += due - last > 100 * US;      /* its mean: e^-1 of the gaps */
		much_longer += due - last > 400 * US; /* e^-4 */
		repeated += due - last == before;
		before = due - last;
		last = due;
	}
	assert_in_range(due, 20 * S * 99 / 100, 20 * S * 101 / 100);
	assert_in_range(longer, N * 36.3 / 100, N * 37.3 / 100);
	assert_in_range(much_longer, N * 1.73 / 100, N * 1.93 / 100);
	assert_in_range(repeated, 0, 100); /* whole nanoseconds */
}

static double up_and_down(double after_ns, const void *of)
{
	return after_ns < *(const double *)of ? 1000 : 9000;
}

static void arrivals_follow_a_rate_that_changes(void **state)
{
	static const double change_ns = 4e9;
	unsigned before = 0, after = 0;
	struct schedule s;
	uint64_t due;

	(void)state;
	schedule_begin_varying(&s, up_and_down, &change_ns, 7, 5 * S);
	while ((due = schedule_take(&s)) < 13 * S) {
		assert_true(due >= 5 * S);
		before += due < 9 * S;
		after += due >= 9 * S;
	}
	assert_in_range(before, 3750, 4250);
	assert_in_range(after, 35200, 36800);
}

static void arrivals_depend_on_the_seed_alone(void **state)
{
	struct schedule a, b, c;
	unsigned same = 0;

	(void)state;
	schedule_begin(&a, 1000, 1, 0);
	schedule_begin(&b, 1000, 1, 3 * S);
	schedule_begin(&c, 1000, 2, 0);
	for (unsigned i = 0; i < 1000; i++) {
		uint64_t due = schedule_take(&a);

		assert_int_equal(schedule_take(&b), due + 3 * S);
		same += schedule_take(&c) == due;
	}
	assert_in_range(same, 0, 2);
}

/* ---- who goes out ---- */
static void one_that_is_due_waits_for_a_slot(void **state)
{
	unsigned slot;
	uint64_t due;

	(void)state;
	begin(1000, 0, 2, 1); /* at 0, 1, 2, ... ms */
	open_window(&loop, 0, S, FOREVER, &latency);
	assert_true(open_next(&loop, 0, &slot, &due) && slot == 0 && due == 0);
	assert_false(open_next(&loop, MS - 1, &slot, &due));
	assert_int_equal(open_wake(&loop, MS - 1), MS);
	assert_true(open_next(&loop, MS, &slot, &due) && slot == 1 && due == MS);
	assert_false(open_next(&loop, 9 * MS, &slot, &due));
	assert_int_equal(open_wake(&loop, 9 * MS), S); /* no slot: not before a reply, or the end of the window */
	open_reply(&loop, 1, MS, 9 * MS);
	assert_int_equal(open_wake(&loop, 9 * MS), 2 * MS);
	assert_true(open_next(&loop, 9 * MS, &slot, &due) && slot == 1 && due == 2 * MS);
	assert_int_equal(loop.counts.late, 1);
	open_end(&loop, 9 * MS);
}

static void depth_is_kept_and_the_longest_free_is_next(void **state)
{
	static const unsigned order[] = { 0, 1, 2, 0, 1, 2 };
	unsigned slot;
	uint64_t due;

	(void)state;
	begin(1e6, 0, 3, 2);
	open_window(&loop, 0, S, FOREVER, &latency);
	for (unsigned i = 0; i < 6; i++) {
		assert_true(open_next(&loop, MS, &slot, &due));
		assert_int_equal(slot, order[i]);
	}
	assert_false(open_next(&loop, MS, &slot, &due));
	open_reply(&loop, 2, 0, MS);
	open_reply(&loop, 0, 0, MS);
	open_reply(&loop, 2, 0, MS);
	assert_true(open_next(&loop, MS, &slot, &due) && slot == 2);
	assert_true(open_next(&loop, MS, &slot, &due) && slot == 0);
	assert_true(open_next(&loop, MS, &slot, &due) && slot == 2);
	assert_false(open_next(&loop, MS, &slot, &due));
	open_end(&loop, MS);
}

/* ---- a server of so many workers, each request takes it service_ns, and for a while it stands still ---- */
struct server {
	uint64_t service_ns, stall_from, stall_until;
	struct job {
		unsigned slot;
		uint64_t due, sent, done;
	} jobs[4096];
	unsigned first, count;
};

static struct server server;

static uint64_t done_at(const struct server *s, uint64_t now)
{
	uint64_t done = now + s->service_ns;

	if (done <= s->stall_from || now >= s->stall_until)
		return done;
	return done + s->stall_until - (now > s->stall_from ? now : s->stall_from);
}

static void accept_requests(struct server *s, uint64_t now)
{
	struct job j;

	while (open_next(&loop, now, &j.slot, &j.due)) {
		j.sent = now;
		j.done = done_at(s, now);
		assert_true(s->count < 4096);
		s->jobs[(s->first + s->count++) % 4096] = j;
	}
}

static void serve(struct server *s, uint64_t end)
{
	uint64_t now = 0;

	s->first = s->count = 0;
	while (now < end && !open_is_over(&loop, now)) {
		uint64_t next = open_wake(&loop, now);

		if (s->count && s->jobs[s->first].done < next)
			next = s->jobs[s->first].done;
		now = next > now ? next : now;
		while (s->count && s->jobs[s->first].done <= now) {
			const struct job *j = &s->jobs[s->first];

			open_reply(&loop, j->slot, j->due, now);
			if (j->due >= loop.from_ns)
				histogram_add(&since_sent, now - j->sent);
			s->first = (s->first + 1) % 4096;
			s->count--;
		}
		accept_requests(s, now);
	}
}

static void assert_ms(double q, double ms)
{
	double got = histogram_quantile_us(&latency, q) / 1e3;

	assert_true(got > ms * 0.97 - 0.2 && got < ms * 1.03 + 0.2);
}

/*
 * 10,000 requests in 10 s, and the server stands still for 1 s: 1,000 of them came in that time and waited between 1 s and nothing.
 * Measured from when it was sent, only the four under way would show, which is below p99.9.
 */
static void a_pause_shows_in_all_that_were_due_meanwhile(void **state)
{
	(void)state;
	begin(1000, 0, 4, 1);
	server = (struct server){ .service_ns = 20 * US, .stall_from = 5 * S, .stall_until = 6 * S };
	open_window(&loop, 0, 10 * S, FOREVER, &latency);
	serve(&server, 20 * S);
	assert_int_equal(loop.counts.due, 10000);
	assert_int_equal(loop.counts.answered, 10000);
	assert_true(histogram_quantile_us(&latency, 0.89) < 21);
	assert_ms(0.92, 200);
	assert_ms(0.95, 500);
	assert_ms(0.99, 900);
	assert_ms(0.999, 990);
	assert_in_range(latency.max_ns, S, S + 20 * US);
	assert_true(histogram_quantile_us(&since_sent, 0.999) < 21);
	open_end(&loop, 20 * S);
}

static void a_server_too_slow_makes_a_line_that_grows(void **state)
{
	(void)state;
	begin(1000, 0, 1, 1);
	server = (struct server){ .service_ns = 2 * MS };
	open_window(&loop, 0, 2 * S, FOREVER, &latency);
	serve(&server, 2 * S + 1 * S);
	for (; server.count; server.count--)
		open_give_up(&loop, server.jobs[server.first].slot, server.jobs[server.first].due, 3 * S);
	open_end(&loop, 3 * S);
	assert_int_equal(loop.counts.due, 2000);
	assert_in_range(loop.counts.in_time, 999, 1000);
	assert_in_range(loop.counts.answered, 1499, 1500);
	assert_int_equal(loop.counts.answered + loop.counts.unanswered + loop.counts.unsent, 2000);
	assert_int_equal(loop.counts.unanswered, 1);
	assert_int_equal(latency.count, 2000);
	assert_ms(0.375, 750); /* answered: the n-th waits n ms */
	assert_ms(0.9, 1387);  /* of those not sent, what they had waited: between 1 and 1.5 s */
	assert_in_range(latency.max_ns, 1499 * (uint64_t)MS, 1502 * (uint64_t)MS);
}

static void what_was_due_before_the_window_is_not_measured(void **state)
{
	unsigned slot;
	uint64_t due;

	(void)state;
	begin(1000, 0, 100, 1);
	for (unsigned i = 0; i < 5; i++)
		assert_true(open_next(&loop, 4 * MS, &slot, &due));
	open_window(&loop, 10 * MS, 12 * MS, FOREVER, &latency);
	for (unsigned i = 5; i < 12; i++)
		assert_true(open_next(&loop, 12 * MS, &slot, &due)); /* from 5 ms on: they have waited */
	assert_false(open_next(&loop, 12 * MS, &slot, &due));
	for (unsigned i = 0; i < 12; i++)
		open_reply(&loop, i, (uint64_t)i * MS, 13 * MS);
	assert_int_equal(loop.counts.due, 2);
	assert_int_equal(loop.counts.answered, 2);
	assert_int_equal(loop.counts.in_time, 0);
	assert_int_equal(latency.count, 2);
	open_end(&loop, 13 * MS);
	assert_int_equal(loop.counts.unsent, 0);
}

static void a_limit_closes_the_window(void **state)
{
	(void)state;
	begin(1000, 3, 8, 1);
	server = (struct server){ .service_ns = 10 * US };
	open_window(&loop, 0, 10 * S, 500, &latency);
	serve(&server, 20 * S);
	assert_int_equal(loop.counts.due, 500);
	assert_int_equal(loop.counts.answered, 500);
	assert_in_range(loop.until_ns, S * 4 / 10, S * 6 / 10);
	open_end(&loop, 20 * S);
}

static void counts_add_up(void **state)
{
	struct open_counts a = { 1, 2, 3, 4, 5, 6 }, b = { 10, 20, 30, 40, 50, 60 };

	(void)state;
	open_add(&a, &b);
	assert_true(a.due == 11 && a.answered == 22 && a.in_time == 33 && a.late == 44 && a.unanswered == 55 &&
		    a.unsent == 66);
}

/* ---- the histogram ---- */
static void every_sample_is_found_within_its_step(void **state)
{
	(void)state;
	for (uint64_t ns = 128; ns < 100 * S; ns += ns / 50 + 1) {
		double found;

		memset(&latency, 0, sizeof(latency));
		histogram_add(&latency, ns);
		found = histogram_quantile_us(&latency, 0.5) * 1e3;
		assert_true(found <= (double)ns + 0.5 && found >= (double)ns * (1 - 1 / 128.0) - 0.5);
		assert_int_equal(latency.max_ns, ns);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_fixed_rate_does_not_drift),
		cmocka_unit_test(random_arrivals_are_a_poisson_process),
		cmocka_unit_test(arrivals_follow_a_rate_that_changes),
		cmocka_unit_test(arrivals_depend_on_the_seed_alone),
		cmocka_unit_test(one_that_is_due_waits_for_a_slot),
		cmocka_unit_test(depth_is_kept_and_the_longest_free_is_next),
		cmocka_unit_test(a_pause_shows_in_all_that_were_due_meanwhile),
		cmocka_unit_test(a_server_too_slow_makes_a_line_that_grows),
		cmocka_unit_test(what_was_due_before_the_window_is_not_measured),
		cmocka_unit_test(a_limit_closes_the_window),
		cmocka_unit_test(counts_add_up),
		cmocka_unit_test(every_sample_is_found_within_its_step),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
