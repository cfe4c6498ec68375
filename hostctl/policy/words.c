/* SPDX-License-Identifier: MIT */
/* A choice in words. */
#include "hostctl/policy/policy.h"
#include <stdio.h>

#define NS_PER_US 1000.0
#define PERCENT (POLICY_PPM / 100.0)

const char *policy_signal_name(enum policy_signal signal)
{
	static const char *const names[POLICY_SIGNAL_NR] = {
		[POLICY_NONE] = "",         [POLICY_DEPTH] = "queue",   [POLICY_DELAY] = "delay",
		[POLICY_BUSY] = "busy",     [POLICY_IDLE] = "idle",     [POLICY_TAKEN] = "taken",
		[POLICY_PARKED] = "parked", [POLICY_BOUNDS] = "bounds",
	};

	return names[signal];
}

const char *policy_held_name(enum policy_held held)
{
	static const char *const names[POLICY_HELD_NR] = {
		[POLICY_FREE] = "",
		[POLICY_HELD_CEILING] = "maximum",
		[POLICY_HELD_HOST] = "host",
		[POLICY_HELD_FAILED] = "failed",
	};

	return names[held];
}

const char *policy_unit(enum policy_signal signal)
{
	static const char *const units[POLICY_SIGNAL_NR] = {
		[POLICY_NONE] = "",    [POLICY_DEPTH] = "frames/256", [POLICY_DELAY] = "ns",  [POLICY_BUSY] = "ppm",
		[POLICY_IDLE] = "ppm", [POLICY_TAKEN] = "cores",      [POLICY_PARKED] = "ms", [POLICY_BOUNDS] = "cores",
	};

	return units[signal];
}

/* Signal, value and threshold. */
static void why(const struct policy_choice *c, char *out, size_t bytes)
{
	double value = (double)c->value, threshold = (double)c->threshold;

	switch (c->signal) {
	case POLICY_DEPTH:
		snprintf(out, bytes, "queue of %.1f frames, more than %.0f", value / POLICY_FRACTION,
			 threshold / POLICY_FRACTION);
		break;
	case POLICY_DELAY:
		snprintf(out, bytes, "frames waited %.0f us, more than %.0f", value / NS_PER_US, threshold / NS_PER_US);
		break;
	case POLICY_BUSY:
		snprintf(out, bytes, "busiest core at work %.0f %% of the time, more than %.0f", value / PERCENT,
			 threshold / PERCENT);
		break;
	case POLICY_IDLE:
		snprintf(out, bytes, "work for %.2f cores at most, %.2f are planned for", value / POLICY_PPM,
			 threshold / POLICY_PPM);
		break;
	case POLICY_TAKEN:
		snprintf(out, bytes, "%.0f taken for guests of at least its priority, its share is %.0f", value,
			 threshold);
		break;
	case POLICY_PARKED:
		snprintf(out, bytes, "parked longer than %.0f ms", threshold);
		break;
	case POLICY_BOUNDS:
		snprintf(out, bytes, "outside of its bounds, nearest is %.0f", threshold);
		break;
	case POLICY_NONE:
	case POLICY_SIGNAL_NR:
		snprintf(out, bytes, "nothing to do");
		break;
	}
}

void policy_words(const struct policy_choice *c, uint32_t from, char *out, size_t bytes)
{
	static const char *const held[POLICY_HELD_NR] = {
		[POLICY_FREE] = "",
		[POLICY_HELD_CEILING] = "; it has as many as it may have",
		[POLICY_HELD_HOST] = "; the host has none left",
		[POLICY_HELD_FAILED] = "; the last change failed, later again",
	};
	char text[120];

	why(c, text, sizeof(text));
	if (c->cores != from)
		snprintf(out, bytes, "%u -> %u cores: %s, for %u ms", from, c->cores, text, c->held_ms);
	else
		snprintf(out, bytes, "%u cores: %s, for %u ms%s", from, text, c->held_ms, held[c->held]);
}
