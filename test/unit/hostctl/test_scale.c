/* SPDX-License-Identifier: MIT */
/* Cores that come and go, by hand, by policy and past us; an ixd that is killed at every step of that. */
#include "test/unit/hostctl/elastic.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static const struct scale_why hand = { .by = SCALE_BY_HAND };

static int teardown(void **state)
{
	(void)state;
	elastic_end();
	return 0;
}

/* By @why to @cores; what it says on the way is @says, NULL: it succeeds. */
static void scale(uint32_t cores, const struct scale_why *why, const char *says)
{
	struct err err = { 0 };
	int result = scale_guest("web", cores, why, &err);

	if (says == NULL && result != 0)
		fail_msg("to %u: %s", cores, err.text);
	if (says != NULL && (result == 0 || strstr(err.text, says) == NULL))
		fail_msg("to %u: expected %s, got %s", cores, says, result == 0 ? "success" : err.text);
	err_fini(&err);
}

/* QEMU, libvirt, guest and record agree. */
static void check(uint32_t vcpus, uint32_t cores, bool is_auto)
{
	struct guest *g = calloc(1, sizeof(*g));
	struct err err = { 0 };

	assert_non_null(g);
	assert_int_equal(elastic_count(), vcpus);
	assert_int_equal(elastic->count, vcpus);
	assert_int_equal(elastic->cores, cores);
	assert_false(elastic->is_dead);
	assert_int_equal(guest_load(g, "web", &err), 0);
	assert_int_equal(g->cores, cores);
	assert_int_equal(g->is_auto, is_auto);
	assert_string_equal(g->scaling, "");
	assert_int_equal(g->vcpus.count, vcpus);
	assert_true(ixd.host.is_kvm || g->vcpus.made >= elastic->made);
	guest_fini(g);
	free(g);
}

static void there_and_back(bool is_kvm)
{
	static const uint32_t way[] = { 2, 4, 2, 1, 3, 3, 1 };
	const struct scale_state *s;

	elastic_begin(1, 4, is_kvm);
	check(1, 1, true);
	for (unsigned i = 0; i < sizeof(way) / sizeof(way[0]); i++) {
		scale(way[i], &hand, NULL);
		check(way[i], way[i], false);
		assert_true(elastic_event("\"by\":\"hand\""));
	}
	s = &known_find("web")->scale;
	assert_int_equal(s->total[1][SCALE_BY_HAND], 3);
	assert_int_equal(s->total[0][SCALE_BY_HAND], 3);
	assert_int_equal(s->refused, 0);
	assert_int_equal(s->target, 1);
	assert_false(s->is_at_work);
	for (unsigned i = 0; i < SCALE_STEP_NR; i++)
		assert_int_equal(s->has_step >> i & 1, i != SCALE_UNPARK);
	assert_int_equal(s->step_us[SCALE_START], 1000);
	assert_int_equal(s->step_us[SCALE_GROUPS], 1000);
	assert_int_equal(s->step_us[SCALE_FIRST_FRAME], 3000);
	elastic_look();
	check(1, 1, false);
}

static void test_by_hand_emulated(void **state)
{
	(void)state;
	there_and_back(false);
	assert_int_equal(elastic->timeouts, 0); /* libvirt was not let wait */
	assert_int_equal(elastic->made, 1 + 1 + 2 + 2);
}

static void test_by_hand_kvm(void **state)
{
	(void)state;
	there_and_back(true);
	assert_int_equal(elastic->timeouts, 0);
}

static void test_refused(void **state)
{
	static const struct scale_why policy = { .by = SCALE_BY_POLICY };

	(void)state;
	elastic_begin(2, 4, false);
	scale(1, &hand, "serves on 2 to 4 cores");
	scale(5, &hand, "serves on 2 to 4 cores");
	check(2, 2, true);
	scale(3, &hand, NULL);
	scale(4, &policy, "by hand");
	check(3, 3, false);
	assert_int_equal(elastic->commands, 0);
}

static void test_policy_parks(void **state)
{
	static const struct scale_why more = {
		.by = SCALE_BY_POLICY, .signal = "delay_fast", .value = 9, .threshold = 5
	};
	static const struct scale_why parks = { .by = SCALE_BY_POLICY, .keeps_vcpus = true };
	static const struct scale_why unplugs = { .by = SCALE_BY_POLICY };

	(void)state;
	elastic_begin(1, 4, false);
	scale(4, &more, NULL);
	assert_true(elastic_event("\"signal\":\"delay_fast\",\"value\":9,\"threshold\":5"));
	check(4, 4, true);
	scale(2, &parks, NULL);
	check(4, 2, true);
	assert_true(elastic_event("\"drain_ms\":1.0"));
	elastic_look();
	check(4, 2, true);
	scale(3, &more, NULL); /* one comes back, and the fourth goes, which nobody said should stay */
	check(3, 3, true);
	scale(1, &parks, NULL);
	scale(2, &parks, NULL);
	check(3, 2, true);
	assert_true(elastic_event("\"unpark_ms\""));
	scale(2, &unplugs, NULL);
	check(2, 2, true);
	assert_int_equal(elastic->made, 4);
}

static void test_virsh(void **state)
{
	(void)state;
	elastic_begin(1, 4, false);
	assert_int_equal(elastic_virsh(3), 0);
	elastic_look();
	check(3, 3, false);
	assert_true(elastic_event("\"from\":1,\"to\":3"));
	assert_true(elastic_event("\"by\":\"virsh\""));
	assert_true(elastic_event("\"start_ms\":1.0"));
	assert_true(elastic_event("--auto"));
	/* libvirt says that it does not know; we have it look. */
	assert_int_equal(elastic_virsh(2), -1);
	assert_int_equal(elastic->count, 3);
	elastic_look();
	check(2, 2, false);
	assert_true(elastic_event("\"from\":3,\"to\":2"));
	assert_true(elastic_event("\"drain_ms\":1.0"));
	assert_int_equal(elastic_virsh(2), 0);
	elastic_look();
	check(2, 2, false);
	/* More than it serves on: they are there, and lie idle. */
	assert_int_equal(elastic_virsh(6), 0);
	elastic_look();
	check(6, 4, false);
	scale(1, &hand, NULL);
	check(1, 1, false);
}

static void test_budget(void **state)
{
	(void)state;
	elastic_begin(1, 4, false);
	elastic->max = 6;
	scale(4, &hand, NULL); /* 4 made */
	scale(2, &hand, NULL);
	scale(4, &hand, NULL); /* 6 */
	scale(3, &hand, NULL);
	scale(4, &hand, "starts to count anew");
	check(3, 3, false);
	assert_int_equal(elastic->made, 6);
	assert_true(elastic_event("scale-refused"));
	elastic_look();
	elastic_ixd(); /* the next one knows, too */
	elastic_look();
	scale(4, &hand, "starts to count anew");
	assert_int_equal(known_find("web")->scale.plugs_left, 0);
	scale(2, &hand, NULL);
	elastic_restart(1); /* `replace` */
	elastic_ixd();
	elastic_look();
	check(2, 2, false); /* what was asked for by hand is so again */
	assert_int_equal(known_find("web")->scale.plugs_left, 4);
}

/* vCPUs that others made count, too. */
static void test_budget_of_others(void **state)
{
	(void)state;
	elastic_begin(1, 4, false);
	elastic->max = 6;
	elastic_virsh(4);
	elastic_look();
	elastic_virsh(3);
	elastic_look();
	elastic_virsh(4);
	elastic_look();
	elastic_virsh(3);
	elastic_look();
	scale(4, &hand, NULL);
	scale(3, &hand, NULL);
	scale(4, &hand, "starts to count anew");
	assert_int_equal(elastic->made, 6);
}

/* Those that come and go between two looks, too: the guest has given them back. */
static void test_budget_of_others_unseen(void **state)
{
	(void)state;
	elastic_begin(1, 4, false);
	elastic->max = 6;
	elastic_look();
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(elastic_virsh(2), 0);
		assert_int_equal(elastic_virsh(1), -1);
		assert_int_equal(elastic_virsh(1), 0);
	}
	elastic_look();
	scale(4, &hand, "has used 4 of the 6 vCPUs");
	scale(3, &hand, NULL);
	check(3, 3, false);
	scale(2, &hand, NULL);
	scale(3, &hand, "has used 6 of the 6 vCPUs");
	assert_int_equal(elastic->made, 6);
	elastic_restart(1);
	elastic_ixd();
	elastic_look();
	scale(4, &hand, NULL);
}

/* A vCPU that came past us, and was not noticed by the guest when we looked, goes past libvirt: all is as it was then, and yet it is news. */
static void test_gone_again(void **state)
{
	(void)state;
	elastic_begin(1, 4, false);
	elastic_look();
	elastic->is_late = true;
	assert_int_equal(elastic_virsh(2), 0);
	elastic->noticed_at = elastic->steps + 1;
	elastic_look();
	check(2, 2, false);
	elastic_take();
	assert_int_equal(elastic->count, 2);
	elastic_look();
	elastic_look();
	check(1, 1, false);
}

/* A vCPU that comes past us while what was before is settled: it is not taken for settled, too. */
static void test_comes_meanwhile(void **state)
{
	(void)state;
	for (uint32_t step = 1; step <= 8; step++) { /* of a look that finds all as it was */
		elastic_begin(1, 4, false);
		known_find("web")->scale.settled.pid = 0;
		elastic->plug_in = step;
		for (unsigned i = 0; i < 3; i++)
			elastic_look();
		check(2, 2, false);
		elastic_end();
	}
	elastic_begin(1, 4, false);
}

/* Two vCPUs were settled; that they are two again, past us, after we had taken one away, is not the same. */
static void test_the_same_again(void **state)
{
	(void)state;
	elastic_begin(1, 4, false);
	scale(2, &hand, NULL);
	elastic_look();
	scale(1, &hand, NULL);
	assert_int_equal(elastic_virsh(2), 0);
	elastic_look();
	check(2, 2, false);
}

static void test_guest_refuses(void **state)
{
	(void)state;
	elastic_begin(1, 4, false);
	scale(3, &hand, NULL);
	elastic->is_busy = true;
	scale(2, &hand, "did not let go");
	check(3, 3, false);
	assert_true(elastic_event("scale-refused"));
	assert_int_equal(known_find("web")->scale.refused, 1);
	assert_int_equal(elastic_virsh(2), -1);
	elastic_look();
	check(3, 3, false);
	elastic->is_busy = false;
	scale(2, &hand, NULL);
	check(2, 2, false);
}

static void test_libvirt_away(void **state)
{
	(void)state;
	elastic_begin(1, 4, false);
	elastic->is_away = true;
	scale(3, &hand, "does not answer");
	elastic->is_away = false;
	elastic_look();
	check(1, 1, true);
}

/* libvirtd goes before each call in turn: what was asked for is so when it is back, and nobody need ask again. */
static void test_libvirt_goes(void **state)
{
	unsigned left = 0;

	(void)state;
	for (uint32_t step = 1; step < 12; step++) {
		struct err err = { 0 };
		bool is_open;

		if (step > 1)
			elastic_end();
		elastic_begin(1, 4, false);
		scale(4, &hand, NULL);
		elastic->steps = 0;
		elastic->away_at = step;
		if (scale_guest("web", 2, &hand, &err) == 0) {
			elastic->is_away = false; /* it went when all was done */
			check(2, 2, false);
			continue;
		}
		is_open = known_find("web")->scale.is_open;
		assert_int_equal(strstr(err.text, "goes on when libvirt answers") != NULL, is_open);
		err_fini(&err);
		left += is_open;
		elastic_look();
		elastic->away_at = 0;
		elastic->is_away = false;
		elastic_look();
		elastic_look();
		check(is_open ? 2 : 4, is_open ? 2 : 4, false);
	}
	assert_in_range(left, 5, 11);
}

/* One that is killed before its step @step. Return: whether there was such a step. */
static bool killed_at(uint32_t step, uint32_t to)
{
	pid_t pid;
	int status;

	elastic->steps = 0;
	elastic->dies_at = step;
	pid = fork();
	if (pid == 0) {
		struct err err = { 0 };

		_exit(scale_guest("web", to, &hand, &err) == 0 ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	elastic->dies_at = 0;
	assert_true(WIFEXITED(status) && (WEXITSTATUS(status) == 77 || WEXITSTATUS(status) == 0));
	return WEXITSTATUS(status) == 77;
}

/* Killed before each call that it makes, on the way from @from to @to: the next ixd finds its way to one of the two. */
static unsigned killed_everywhere(uint32_t from, uint32_t to)
{
	for (uint32_t step = 1;; step++) {
		bool was_asked, was_killed;
		struct guest *g = calloc(1, sizeof(*g));
		struct err err = { 0 };

		elastic_begin(1, 4, false);
		scale(from, &hand, NULL);
		was_killed = killed_at(step, to);
		assert_non_null(g);
		assert_int_equal(guest_load(g, "web", &err), 0);
		was_asked = g->cores == to; /* it is on disk: it will be */
		guest_fini(g);
		free(g);
		elastic_ixd();
		for (unsigned i = 0; i < 3; i++)
			elastic_look();
		check(was_asked ? to : from, was_asked ? to : from, false);
		if (was_killed && was_asked)
			assert_non_null(
				strstr(elastic->events[(elastic->event_count - 1) % ELASTIC_EVENTS_MAX], "\"to\""));
		scale(from, &hand, NULL);
		check(from, from, false);
		if (!was_killed)
			return step;
		elastic_end();
	}
}

static void test_killed_growing(void **state)
{
	(void)state;
	assert_in_range(killed_everywhere(1, 3), 8, 40);
}

static void test_killed_shrinking(void **state)
{
	(void)state;
	assert_in_range(killed_everywhere(4, 2), 8, 60);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_teardown(f, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_by_hand_emulated),
		TEST(test_by_hand_kvm),
		TEST(test_refused),
		TEST(test_policy_parks),
		TEST(test_virsh),
		TEST(test_budget),
		TEST(test_budget_of_others_unseen),
		TEST(test_gone_again),
		TEST(test_comes_meanwhile),
		TEST(test_the_same_again),
		TEST(test_budget_of_others),
		TEST(test_guest_refuses),
		TEST(test_libvirt_away),
		TEST(test_libvirt_goes),
		TEST(test_killed_growing),
		TEST(test_killed_shrinking),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
