/* SPDX-License-Identifier: MIT */
/* What is remembered of a page between two looks. Private to hostctl/page. */
#pragma once
#include "hostctl/page/page.h"

struct page {
	int fd;
	struct ix_page_head head; /* as we wrote it, or found it */
	uint32_t sequence;        /* of the last command */
	bool is_waiting;          /* it is not answered yet */
	unsigned long bad_count;
	char why[160];
	uint64_t beat, up_us; /* last believed, for what must never get smaller */
	uint32_t restarts, crash_count;
	struct ix_page_resize resize;
	struct {
		uint64_t at_us;
		uint64_t value[IX_VALUE_NR]; /* counters */
	} core[IX_PAGE_CORES_MAX];
};

/** page_bad() - remember why. Return: PAGE_BAD. */
enum page_trust page_bad(struct page *page, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** check_guest() and so on - a whole copy against limits and what was believed before; PAGE_GOOD: it is believed now. */
enum page_trust check_guest(struct page *page, const struct ix_page_guest *g);
enum page_trust check_core(struct page *page, unsigned core, const struct ix_page_core *c);
enum page_trust check_groups(struct page *page, const struct ix_page_groups *g);
enum page_trust check_resize(struct page *page, const struct ix_page_resize *r);
enum page_trust check_crash(struct page *page, uint64_t memory_bytes, const struct ix_page_crash *c);
