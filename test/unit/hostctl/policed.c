/* SPDX-License-Identifier: MIT */
/* What tests of the policy have in common. */
#include "test/unit/hostctl/policed.h"
#include <string.h>

struct policy_limits limits;
struct policy_guest guests[GUESTS];
struct policy_state states[GUESTS];
struct policy_core cores[GUESTS][POLICY_CORES_MAX];
int64_t now;
uint32_t host_cores;
unsigned count;

int policed_setup(void **state)
{
	(void)state;
	policy_defaults(&limits, false);
	limits.shrink_hold_ms = 4000; /* what tests count on */
	limits.unplug_ms = 10000;
	memset(guests, 0, sizeof(guests));
	memset(states, 0, sizeof(states));
	memset(cores, 0, sizeof(cores));
	now = 1000;
	host_cores = 16;
	count = 0;
	return 0;
}

struct policy_guest *add(uint32_t has, uint32_t min, uint32_t max, uint32_t priority)
{
	struct policy_guest *g = &guests[count];

	*g = (struct policy_guest){ .cores = has,
				    .present = has,
				    .min = min,
				    .max = max,
				    .priority = priority,
				    .is_auto = true,
				    .is_settled = true,
				    .core = cores[count],
				    .state = &states[count] };
	count++;
	return g;
}

void say(struct policy_guest *g, unsigned frames, unsigned busy_percent)
{
	for (unsigned i = 0; i < POLICY_CORES_MAX; i++)
		cores[g - guests][i] = (struct policy_core){ .depth_fast = FRAMES(frames),
							     .depth_slow = FRAMES(frames),
							     .idle_fast = 10000 * (100 - busy_percent),
							     .idle_slow = 10000 * (100 - busy_percent),
							     .is_fresh = true };
}

bool look(void)
{
	bool has_changed = false;

	now += PERIOD;
	policy_decide(&limits, host_cores, now, guests, count);
	for (unsigned i = 0; i < count; i++) {
		has_changed |= guests[i].choice.cores != guests[i].cores;
		guests[i].cores = guests[i].choice.cores;
		guests[i].present = guests[i].choice.present;
	}
	return has_changed;
}

int64_t until_change(int64_t ms)
{
	int64_t from = now;

	while (now - from < ms)
		if (look())
			return now - from;
	return -1;
}
