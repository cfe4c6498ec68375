/* SPDX-License-Identifier: MIT */
/* What the policy says to what a real guest measured (traces/). Nothing is carried out: the first change in each stretch counts. */
#include "hostctl/policy/policy.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define CORES 4u

/* The first change of a stretch. */
struct first {
	int64_t ms; /* -1: there was none */
	struct policy_choice choice;
	unsigned looks, cores;
};

/* A line's cores into @core; times of before in @at. Return: how many, 0: the line is none. */
static unsigned parse(char *line, int64_t *ms, struct policy_core *core, unsigned long long *at)
{
	unsigned n = 0;
	char *rest = NULL, *part = strtok_r(line, "|", &rest);

	if (part == NULL || line[0] < '0' || line[0] > '9')
		return 0;
	*ms = strtoll(part, NULL, 10);
	while (n < CORES && (part = strtok_r(NULL, "|", &rest)) != NULL) {
		unsigned long long us, v[5];

		assert_int_equal(sscanf(part, "%llu %llu %llu %llu %llu %llu", &us, &v[0], &v[1], &v[2], &v[3], &v[4]),
				 6);
		core[n] = (struct policy_core){ v[0], v[1], v[2], v[3], v[4], 0, us != at[n] };
		at[n++] = us;
	}
	return n;
}

static void replay(const char *stretch, uint32_t max, struct first *out)
{
	static char line[1024];
	unsigned long long at[CORES] = { 0 };
	static struct policy_core core[CORES];
	static struct policy_state state;
	static struct policy_limits limits;
	bool is_it = false;
	FILE *f = fopen(TRACE, "re");

	assert_non_null(f);
	memset(&state, 0, sizeof(state));
	policy_defaults(&limits, true);
	*out = (struct first){ .ms = -1 };
	while (out->ms < 0 && fgets(line, sizeof(line), f) != NULL) {
		struct policy_guest g = { .min = 1,
					  .max = max,
					  .priority = 50,
					  .is_auto = true,
					  .is_settled = true,
					  .core = core,
					  .state = &state };
		int64_t ms;

		if (line[0] == '=')
			is_it = strncmp(line + 2, stretch, strlen(stretch)) == 0;
		if (!is_it || line[0] == '=' || (g.cores = parse(line, &ms, core, at)) == 0)
			continue;
		g.present = out->cores = g.cores;
		policy_decide(&limits, 16, ms + 1000, &g, 1);
		out->looks++;
		if (g.choice.cores == g.cores)
			continue;
		out->ms = ms;
		out->choice = g.choice;
	}
	fclose(f);
	assert_true(out->looks > 2);
}

static void test_light(void **state)
{
	struct first f;

	(void)state;
	replay("light 1", 4, &f);
	assert_int_equal(f.cores, 1);
	assert_int_equal(f.ms, -1);
	assert_true(f.looks >= 45);
	replay("light 4", 8, &f);
	assert_int_equal(f.cores, 4);
	assert_in_range(f.ms, 4000, 4300);
	assert_int_equal(f.choice.cores, 2);
	assert_int_equal(f.choice.signal, POLICY_IDLE);
}

static void test_heavy(void **state)
{
	struct first f;

	(void)state;
	replay("heavy 1", 4, &f);
	assert_int_equal(f.cores, 1);
	assert_in_range(f.ms, 200, 600);
	assert_true(f.choice.cores >= 2);
	assert_int_equal(f.choice.signal, POLICY_DEPTH);
	/* On four cores the clients are what is slow: no core more. */
	replay("heavy 4", 8, &f);
	assert_true(f.ms == -1 || f.choice.cores < 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_light), cmocka_unit_test(test_heavy) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
