/* SPDX-License-Identifier: MIT */
/* The names under which a client is told what was metered. */
#include "bench/native/meter.h"

#include <stddef.h>

#include "bench/plugin/report.h"

struct meter meter;

static const struct {
	const char *name;
	const uint64_t *value;
} values[] = {
	{ "native:busy_tsc", &meter.busy_tsc },           { "native:idle_tsc", &meter.idle_tsc },
	{ "native:disturbed_tsc", &meter.disturbed_tsc }, { "native:busy_turns", &meter.busy_turns },
	{ "native:idle_turns", &meter.idle_turns },       { "native:disturbed_turns", &meter.disturbed_turns },
	{ "native:busy_frames", &meter.busy_frames },     { "native:disturbed_frames", &meter.disturbed_frames },
	{ "native:crossings", &meter.crossings },
};

static const char *name_of(unsigned index)
{
	return values[index].name;
}

static uint64_t value_of(unsigned index)
{
	return READ_ONCE(*values[index].value);
}

static void add_clock(FILE *json)
{
	(void)fprintf(json, ",\"tsc_hz\":%llu", (unsigned long long)cpu_tsc_hz);
}

int meter_start(const char *path)
{
	static const struct report_source source = {
		.value_count = ARRAY_COUNT(values), .name = name_of, .read = value_of, .more = add_clock
	};

	meter.disturbed = cpu_us_to_tsc(METER_DISTURBED_US);
	meter.begin = cpu_tsc();
	return path ? report_start(path, &source) : 0;
}
