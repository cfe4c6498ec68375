/* SPDX-License-Identifier: MIT */
/* The text for Prometheus: its grammar line by line, names and values. That promtool takes it is system.ixd_http's. */
#include "hostctl/ixd/http.h"
#include "test/unit/hostctl/seen.h"
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static char *text;

static int teardown(void **state)
{
	(void)state;
	free(text);
	text = NULL;
	seen_end();
	return 0;
}

static void write_text(void)
{
	size_t bytes;

	free(text);
	text = metrics_text(&bytes);
	assert_int_equal(bytes, strlen(text));
}

/* Whether this line is among them. */
static bool has(const char *line)
{
	size_t bytes = strlen(line);

	for (const char *at = strstr(text, line); at != NULL; at = strstr(at + 1, line))
		if ((at == text || at[-1] == '\n') && at[bytes] == '\n')
			return true;
	return false;
}

/* Samples, comments and nothing else; each family once, with its samples together. */
static void check_grammar(void)
{
	static const char sample[] = "^[a-z][a-z0-9_]*(\\{[a-z]+=\"([^\"\\\\]|\\\\[\\\\\"n])*\"(,[a-z]+=\"([^\"\\\\]|"
				     "\\\\[\\\\\"n])*\")*\\})? [0-9]+(\\.[0-9]+)?$";
	static const char comment[] = "^# (HELP [a-z0-9_]+ [^ ].*|TYPE [a-z0-9_]+ (counter|gauge))$";
	regex_t is_sample, is_comment;
	static char line[1024];
	char family[128] = "", mark[160];

	assert_int_equal(regcomp(&is_sample, sample, REG_EXTENDED | REG_NOSUB), 0);
	assert_int_equal(regcomp(&is_comment, comment, REG_EXTENDED | REG_NOSUB), 0);
	for (const char *at = text; *at != '\0'; at += strlen(line) + 1) {
		size_t bytes = strcspn(at, "\n");

		assert_true(bytes < sizeof(line) && at[bytes] == '\n');
		memcpy(line, at, bytes);
		line[bytes] = '\0';
		if (line[0] == '#') {
			assert_int_equal(regexec(&is_comment, line, 0, NULL, 0), 0);
			sscanf(line, "# %*s %127s", family);
			snprintf(mark, sizeof(mark), "# TYPE %s ", family);
			assert_non_null(strstr(text, mark));
			assert_null(strstr(strstr(text, mark) + 1, mark));
			continue;
		}
		if (regexec(&is_sample, line, 0, NULL, 0) != 0)
			fail_msg("not a sample: %s", line);
		assert_int_equal(strcspn(line, "{ "), strlen(family));
		assert_memory_equal(line, family, strlen(family));
	}
	regfree(&is_sample);
	regfree(&is_comment);
	assert_null(strstr(text, "NaN"));
}

static void test_no_guests(void **state)
{
	(void)state;
	write_text();
	check_grammar();
	assert_true(has("ixd_guests 0"));
	assert_true(has("ixd_build_info{version=\"" IXCTL_VERSION "\"} 1"));
	assert_true(has("# TYPE ix_core_queue_delay_seconds gauge"));
}

static void test_values(void **state)
{
	struct known *k = seen_guest("web", 2);
	uint64_t *v = k->cores[1].value;

	(void)state;
	k->cores[0].state = k->cores[1].state = IX_PAGE_CORE_RUNS;
	k->guest.cores = 2;
	k->guest.restarts = 3;
	k->guest.up_us = 61500000;
	v[IX_VALUE_DELAY_SLOW] = 12345;
	v[IX_VALUE_DELAY_FAST] = 1;
	v[IX_VALUE_IDLE_SLOW] = 250000;
	v[IX_VALUE_BATCH_SLOW] = 640;
	v[IX_VALUE_BUSY_NS] = 3000000007;
	v[IX_VALUE_DROPPED_BACKLOG] = 9;
	v[IX_VALUE_CONNECTIONS] = 77;
	v[IX_VALUE_MEMORY_USED] = 4096;
	k->port.spoofed = 11;
	k->port.forbidden = 12;
	k->port.flooded = 13;
	k->port.limited = 14;
	k->port.is_there = true;
	k->port.rate_mbit = 25;
	k->port.rx_bytes = 1500;
	write_text();
	check_grammar();
	assert_true(has("ix_core_queue_delay_seconds{guest=\"web\",core=\"1\"} 0.000012345"));
	assert_true(has("ix_core_queue_delay_fast_seconds{guest=\"web\",core=\"1\"} 0.000000001"));
	assert_true(has("ix_core_idle_ratio{guest=\"web\",core=\"1\"} 0.250000"));
	assert_true(has("ix_core_batch_frames{guest=\"web\",core=\"1\"} 2.50000000"));
	assert_true(has("ix_core_busy_seconds_total{guest=\"web\",core=\"1\"} 3.000000007"));
	assert_true(has("ix_frames_dropped_total{guest=\"web\",core=\"1\",reason=\"backlog\"} 9"));
	assert_true(has("ix_connections{guest=\"web\",core=\"1\",state=\"established\"} 77"));
	assert_true(has("ix_guest_memory_used_bytes{guest=\"web\"} 4096"));
	assert_true(has("ix_guest_up{guest=\"web\"} 1"));
	assert_true(has("ix_guest_health{guest=\"web\",health=\"ready\"} 1"));
	assert_true(has("ix_guest_health{guest=\"web\",health=\"stuck\"} 0"));
	assert_true(has("ix_guest_restarts_total{guest=\"web\"} 3"));
	assert_true(has("ix_guest_cores{guest=\"web\"} 2"));
	assert_true(has("ix_guest_uptime_seconds{guest=\"web\"} 61.500000"));
	assert_true(has("ix_port_spoofed_frames_total{guest=\"web\"} 11"));
	assert_true(has("ix_port_forbidden_frames_total{guest=\"web\"} 12"));
	assert_true(has("ix_port_flooded_frames_total{guest=\"web\"} 13"));
	assert_true(has("ix_port_limited_frames_total{guest=\"web\"} 14"));
	assert_true(has("ix_port_rate_bytes_per_second{guest=\"web\"} 3125000"));
	assert_true(has("ix_port_bytes_total{guest=\"web\",direction=\"from_guest\"} 1500"));
	assert_true(has("ix_port_up{guest=\"web\"} 1"));
}

/* Cores that come and go: what was asked for, what is so, and how long it took. */
static void test_scaled(void **state)
{
	struct known *k = seen_guest("web", 4);

	(void)state;
	k->guest.cores_present = 3;
	k->guest.cores_wanted = 2;
	k->scale.target = 2;
	k->scale.is_auto = true;
	k->scale.plugs_left = 61;
	k->scale.refused = 4;
	k->scale.total[1][SCALE_BY_POLICY] = 5;
	k->scale.total[0][SCALE_BY_VIRSH] = 6;
	k->scale.has_step = 1u << SCALE_PLUG;
	k->scale.step_us[SCALE_PLUG] = 412345;
	write_text();
	check_grammar();
	assert_true(has("ix_guest_cores_present{guest=\"web\"} 3"));
	assert_true(has("ix_guest_cores_wanted{guest=\"web\"} 2"));
	assert_true(has("ix_guest_cores_target{guest=\"web\"} 2"));
	assert_true(has("ix_guest_scaled_by_policy{guest=\"web\"} 1"));
	assert_true(has("ix_guest_plugs_left{guest=\"web\"} 61"));
	assert_true(has("ix_scale_refused_total{guest=\"web\"} 4"));
	assert_true(has("ix_scale_total{guest=\"web\",direction=\"up\",by=\"policy\"} 5"));
	assert_true(has("ix_scale_total{guest=\"web\",direction=\"down\",by=\"virsh\"} 6"));
	assert_true(has("ix_scale_seconds{guest=\"web\",step=\"plug\"} 0.412345"));
	assert_null(strstr(text, "step=\"drain\""));
}

static void test_policy(void **state)
{
	struct known *k = seen_guest("web", 4);

	(void)state;
	write_text();
	check_grammar();
	assert_null(strstr(text, "ix_policy_last_value{")); /* it has decided nothing so far */
	assert_null(strstr(text, "ix_policy_cores_wish{"));
	k->scale.is_auto = true;
	k->elastic.now = (struct policy_choice){ .cores = 2, .want = 3, .held = POLICY_HELD_HOST };
	k->elastic.last = (struct policy_choice){
		.signal = POLICY_DEPTH, .value = 10496, .threshold = 8192, .held_ms = 100
	};
	k->elastic.total[POLICY_DEPTH] = 7;
	write_text();
	check_grammar();
	assert_true(has("ix_policy_cores_wish{guest=\"web\"} 3"));
	assert_true(has("ix_policy_changes_total{guest=\"web\",signal=\"queue\"} 7"));
	assert_true(has("ix_policy_changes_total{guest=\"web\",signal=\"idle\"} 0"));
	assert_true(has("ix_policy_last_value{guest=\"web\",signal=\"queue\",unit=\"frames/256\"} 10496"));
	assert_true(has("ix_policy_last_threshold{guest=\"web\",signal=\"queue\",unit=\"frames/256\"} 8192"));
	assert_true(has("ix_policy_last_held_seconds{guest=\"web\",signal=\"queue\",unit=\"frames/256\"} 0.100"));
	assert_true(has("ix_policy_held{guest=\"web\",by=\"host\"} 1"));
	assert_true(has("ix_policy_held{guest=\"web\",by=\"maximum\"} 0"));
}

/* Each value of the page is there, whatever it is called. */
static void test_all_values(void **state)
{
	unsigned families = 0, samples = 0;
	struct known *k = seen_guest("web", 1);

	(void)state;
	k->cores[0].state = IX_PAGE_CORE_RUNS;
	write_text();
	for (const char *at = strstr(text, "# TYPE ix_"); at != NULL; at = strstr(at + 1, "# TYPE ix_"))
		families += strncmp(at, "# TYPE ix_core_", 15) == 0;
	for (const char *at = strstr(text, "core=\"0\""); at != NULL; at = strstr(at + 1, "core=\"0\""))
		samples++;
	assert_int_equal(samples, IX_VALUE_NR - 1);  /* memory is the guest's */
	assert_int_equal(families, IX_VALUE_NR - 8); /* six reasons, connections */
}

/* A guest that is off has a port and a state, and nothing else. */
static void test_guest_is_off(void **state)
{
	struct known *k = seen_guest("web", 1);

	(void)state;
	k->cores[0].state = IX_PAGE_CORE_RUNS; /* of before */
	k->has_guest = false;
	k->health = HEALTH_CRASHED;
	k->domain.state = DOMAIN_OFF;
	write_text();
	check_grammar();
	assert_true(has("ix_guest_up{guest=\"web\"} 0"));
	assert_true(has("ix_guest_health{guest=\"web\",health=\"crashed\"} 1"));
	assert_null(strstr(text, "ix_core_turns_total{"));
	assert_null(strstr(text, "ix_guest_cores{"));
}

/* A page whose numbers are all ones, and a name that should not be possible, end in valid text all the same. */
static void test_hostile_values(void **state)
{
	struct known *k = seen_guest("a\\b\"c\nd", IX_PAGE_CORES_MAX);

	(void)state;
	for (unsigned i = 0; i < IX_PAGE_CORES_MAX; i++) {
		memset(&k->cores[i], 0xff, sizeof(k->cores[i]));
		k->cores[i].state = IX_PAGE_CORE_PARKED;
	}
	memset(&k->guest, 0xff, sizeof(k->guest));
	write_text();
	check_grammar();
	assert_true(has("ix_guest_up{guest=\"a\\\\b\\\"c\\nd\"} 1"));
	assert_non_null(strstr(text, "core=\"63\"} 18446744073.709551615\n"));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_teardown(f, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_no_guests),  TEST(test_values),       TEST(test_scaled),         TEST(test_policy),
		TEST(test_all_values), TEST(test_guest_is_off), TEST(test_hostile_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
