/* SPDX-License-Identifier: MIT */
/* What a guest may say of itself: the limits of each value, and that counters only grow. */
#include "hostctl/page/state.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define TSC_KHZ_MAX 100000000u /* 100 GHz */
#define CONNECTIONS_MAX (1u << 28)
#define PAIRS_MAX 256u
#define PAGE_MASK 0xfffull
#define USER_END 0x800000000000ull /* first address that is not ring 3's [SDM 1 3.3.7.1] */
#define PPM 1000000u

const struct page_value page_values[IX_VALUE_NR] = {
#define COUNTER true
#define GAUGE false
#define X(NAME, name, kind, unit, text) { #name, unit, text, kind },
	IX_PAGE_VALUES(X)
#undef X
#undef COUNTER
#undef GAUGE
};

const char *page_core_state(uint32_t state)
{
	static const char *const words[IX_PAGE_CORE_STATE_NR] = {
		[IX_PAGE_CORE_ABSENT] = "absent",   [IX_PAGE_CORE_RUNS] = "runs",      [IX_PAGE_CORE_PARKED] = "parked",
		[IX_PAGE_CORE_STARTING] = "starts", [IX_PAGE_CORE_LEAVING] = "leaves",
	};

	return state < IX_PAGE_CORE_STATE_NR ? words[state] : "unknown";
}

enum page_trust page_bad(struct page *page, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(page->why, sizeof(page->why), fmt, args);
	va_end(args);
	page->bad_count++;
	return PAGE_BAD;
}

/* Numbers with an upper limit, by name. */
struct limit {
	const char *name;
	uint64_t value, max;
};

static enum page_trust check_limits(struct page *page, const struct limit *limits, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (limits[i].value > limits[i].max)
			return page_bad(page, "%s is %" PRIu64 ", more than %" PRIu64, limits[i].name, limits[i].value,
					limits[i].max);
	return PAGE_GOOD;
}

static enum page_trust check_growth(struct page *page, const char *name, uint64_t before, uint64_t now)
{
	if (now < before)
		return page_bad(page, "%s went back from %" PRIu64 " to %" PRIu64, name, before, now);
	return PAGE_GOOD;
}

enum page_trust check_guest(struct page *page, const struct ix_page_guest *g)
{
	const struct limit limits[] = {
		{ "state", g->state, IX_PAGE_STATE_NR - 1 },
		{ "cores_max", g->cores_max, IX_PAGE_CORES_MAX },
		{ "cores_min", g->cores_min, g->cores_max },
		{ "cores", g->cores, g->cores_present },
		{ "cores_present", g->cores_present, IX_PAGE_CORES_MAX },
		{ "cores_wanted", g->cores_wanted, g->cores_max },
		{ "groups", g->groups, IX_PAGE_GROUPS_MAX },
		{ "queue_pairs", g->queue_pairs, PAIRS_MAX },
		{ "tsc_khz", g->tsc_khz, TSC_KHZ_MAX },
		{ "exit_how", g->exit_how, UINT8_MAX },
		{ "prefix", g->prefix, 32 },
		{ "prefix6", g->prefix6, 128 },
		{ "connections_max", g->connections_max, CONNECTIONS_MAX },
	};
	enum page_trust trust = check_limits(page, limits, sizeof(limits) / sizeof(limits[0]));

	if (trust == PAGE_GOOD)
		trust = check_growth(page, "beat", page->beat, g->beat);
	if (trust == PAGE_GOOD)
		trust = check_growth(page, "up_us", page->up_us, g->up_us);
	if (trust == PAGE_GOOD)
		trust = check_growth(page, "restarts", page->restarts, g->restarts);
	if (trust != PAGE_GOOD)
		return trust;
	page->beat = g->beat;
	page->up_us = g->up_us;
	page->restarts = g->restarts;
	return PAGE_GOOD;
}

enum page_trust check_core(struct page *page, unsigned core, const struct ix_page_core *c)
{
	const struct limit limits[] = {
		{ "core state", c->state, IX_PAGE_CORE_STATE_NR - 1 },
		{ "connections", c->value[IX_VALUE_CONNECTIONS], CONNECTIONS_MAX },
		{ "idle_fast", c->value[IX_VALUE_IDLE_FAST], PPM },
		{ "idle_slow", c->value[IX_VALUE_IDLE_SLOW], PPM },
	};
	enum page_trust trust = check_limits(page, limits, sizeof(limits) / sizeof(limits[0]));

	if (trust == PAGE_GOOD)
		trust = check_growth(page, "at_us", page->core[core].at_us, c->at_us);
	for (unsigned i = 0; i < IX_VALUE_NR && trust == PAGE_GOOD; i++)
		if (page_values[i].is_counter)
			trust = check_growth(page, page_values[i].name, page->core[core].value[i], c->value[i]);
	if (trust != PAGE_GOOD)
		return trust;
	page->core[core].at_us = c->at_us;
	memcpy(page->core[core].value, c->value, sizeof(c->value));
	return PAGE_GOOD;
}

enum page_trust check_groups(struct page *page, const struct ix_page_groups *g)
{
	if (g->count > IX_PAGE_GROUPS_MAX)
		return page_bad(page, "groups are %u, more than %u", g->count, IX_PAGE_GROUPS_MAX);
	for (unsigned i = 0; i < g->count; i++)
		if (g->owner[i] >= IX_PAGE_CORES_MAX)
			return page_bad(page, "group %u is said to be of core %u", i, g->owner[i]);
	return PAGE_GOOD;
}

enum page_trust check_resize(struct page *page, const struct ix_page_resize *r)
{
	const struct ix_page_resize *before = &page->resize;
	const struct limit limits[] = {
		{ "refused_core", r->refused_core, IX_PAGE_CORES_MAX - 1 },
		{ "refused_why", r->refused_why, IX_PAGE_REFUSED_NR - 1 },
	};
	const struct growth {
		const char *name;
		uint64_t before, now;
	} growths[] = {
		{ "came", before->came, r->came },
		{ "went", before->went, r->went },
		{ "plugged", before->plugged, r->plugged },
		{ "ejected", before->ejected, r->ejected },
		{ "spurious", before->spurious, r->spurious },
		{ "refused", before->refused, r->refused },
		{ "groups moved", before->groups, r->groups },
		{ "connections moved", before->connections, r->connections },
		{ "connections forced", before->forced, r->forced },
	};
	enum page_trust trust = check_limits(page, limits, sizeof(limits) / sizeof(limits[0]));

	for (unsigned i = 0; i < sizeof(growths) / sizeof(growths[0]) && trust == PAGE_GOOD; i++)
		trust = check_growth(page, growths[i].name, growths[i].before, growths[i].now);
	if (trust == PAGE_GOOD)
		page->resize = *r;
	return trust;
}

/* Whole pages below USER_END and below @memory_bytes, which do not touch each other in the guest's memory. */
static enum page_trust check_ranges(struct page *page, uint64_t memory_bytes, const struct ix_page_crash *c)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < c->range_count; i++) {
		const struct ix_page_range *r = &c->range[i];

		if (r->bytes == 0 || ((r->va | r->pa | r->bytes) & PAGE_MASK) || r->flags > 7)
			return page_bad(page, "crash: range %u is not made of pages", i);
		if (r->bytes > memory_bytes || r->pa > memory_bytes - r->bytes || r->va > USER_END - r->bytes)
			return page_bad(page, "crash: range %u lies outside the guest", i);
		sum += r->bytes; /* each is at most memory_bytes: no overflow of IX_PAGE_CRASH_RANGES of them */
		for (unsigned k = 0; k < i; k++)
			if (r->va < c->range[k].va + c->range[k].bytes && c->range[k].va < r->va + r->bytes)
				return page_bad(page, "crash: ranges %u and %u overlap", k, i);
	}
	if (sum > memory_bytes)
		return page_bad(page, "crash: the ranges are larger than the guest");
	return PAGE_GOOD;
}

enum page_trust check_crash(struct page *page, uint64_t memory_bytes, const struct ix_page_crash *c)
{
	const struct limit limits[] = {
		{ "crash core", c->core, IX_PAGE_CORES_MAX - 1 },
		{ "crash how", c->how, UINT8_MAX },
		{ "crash vector", c->vector, UINT8_MAX },
		{ "crash is_held", c->is_held, 1 },
		{ "crash range_count", c->range_count, IX_PAGE_CRASH_RANGES },
		{ "crash text_bytes", c->text_bytes, IX_PAGE_CRASH_TEXT },
	};
	enum page_trust trust;

	if (c->count == 0)
		return PAGE_SILENT;
	trust = check_limits(page, limits, sizeof(limits) / sizeof(limits[0]));
	if (trust == PAGE_GOOD)
		trust = check_growth(page, "crash count", page->crash_count, c->count);
	if (trust == PAGE_GOOD)
		trust = check_ranges(page, memory_bytes, c);
	if (trust == PAGE_GOOD)
		page->crash_count = c->count;
	return trust;
}
