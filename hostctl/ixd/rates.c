/* SPDX-License-Identifier: MIT */
/* Rates from counters. */
#include "hostctl/ixd/rates.h"
#include "hostctl/page/page.h"
#include <stdbool.h>

#define FRACTION 256.0 /* of IX_VALUE_BATCH_SLOW */
#define NS_PER_US 1000.0
#define US_PER_S 1e6

static const enum ix_value drops[] = { IX_VALUE_DROPPED_BUFFER, IX_VALUE_DROPPED_MEMORY, IX_VALUE_DROPPED_BACKLOG,
				       IX_VALUE_DROPPED_BAD,    IX_VALUE_DROPPED_UDP,    IX_VALUE_DROPPED_WALK };
#define DROP_COUNT (sizeof(drops) / sizeof(drops[0]))

/* Counters and what their rates are called. */
static const struct {
	const char *name;
	enum ix_value value;
} rates[] = {
	{ "frames_in_s", IX_VALUE_FRAMES_IN },
	{ "segments_in_s", IX_VALUE_SEGMENTS_IN },
	{ "segments_out_s", IX_VALUE_SEGMENTS_OUT },
	{ "datagrams_in_s", IX_VALUE_UDP_IN },
	{ "datagrams_out_s", IX_VALUE_UDP_OUT },
	{ "accepted_s", IX_VALUE_ACCEPTED },
	{ "retransmits_s", IX_VALUE_RETRANSMITS },
	{ "events_s", IX_VALUE_EVENTS },
	{ "calls_s", IX_VALUE_CALLS },
};
#define RATE_COUNT (sizeof(rates) / sizeof(rates[0]))

/* Both are of one start, and something was written in between. */
static bool is_comparable(const struct ix_page_core *before, const struct ix_page_core *after)
{
	if (before->state == IX_PAGE_CORE_ABSENT || after->at_us <= before->at_us)
		return false;
	for (unsigned i = 0; i <= IX_VALUE_MOVED; i++)
		if (after->value[i] < before->value[i])
			return false;
	return true;
}

static double grown(const struct ix_page_core *before, const struct ix_page_core *after, enum ix_value value)
{
	return (double)(after->value[value] - before->value[value]);
}

static void add_rates(json_t *row, const struct ix_page_core *before, const struct ix_page_core *after)
{
	double seconds = (double)(after->at_us - before->at_us) / US_PER_S, dropped = 0;
	double busy = grown(before, after, IX_VALUE_BUSY_NS);
	double all = busy + grown(before, after, IX_VALUE_POLL_NS) + grown(before, after, IX_VALUE_HALT_NS);

	for (unsigned i = 0; i < DROP_COUNT; i++)
		dropped += grown(before, after, drops[i]);
	json_object_set_new(row, "load", all > 0 ? json_real(busy / all) : json_null());
	for (unsigned i = 0; i < RATE_COUNT; i++)
		json_object_set_new(row, rates[i].name, json_real(grown(before, after, rates[i].value) / seconds));
	json_object_set_new(row, "dropped_s", json_real(dropped / seconds));
}

json_t *rates_row(unsigned core, const struct ix_page_core *before, const struct ix_page_core *after)
{
	uint64_t dropped = 0;
	json_t *row;

	for (unsigned i = 0; i < DROP_COUNT; i++)
		dropped += after->value[drops[i]];
	row = json_pack("{s:i, s:s, s:f, s:f, s:I, s:I, s:I}", "core", (int)core, "state",
			page_core_state(after->state), "delay_us",
			(double)after->value[IX_VALUE_DELAY_SLOW] / NS_PER_US, "batch",
			(double)after->value[IX_VALUE_BATCH_SLOW] / FRACTION, "connections",
			(json_int_t)(after->value[IX_VALUE_CONNECTIONS] & INT64_MAX), "buffers_free",
			(json_int_t)(after->value[IX_VALUE_BUFFERS_FREE] & INT64_MAX), "dropped",
			(json_int_t)(dropped & INT64_MAX));
	if (is_comparable(before, after)) {
		add_rates(row, before, after);
		return row;
	}
	json_object_set_new(row, "load", json_null());
	for (unsigned i = 0; i < RATE_COUNT; i++)
		json_object_set_new(row, rates[i].name, json_null());
	json_object_set_new(row, "dropped_s", json_null());
	return row;
}
