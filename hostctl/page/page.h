/* SPDX-License-Identifier: MIT */
/*
 * In: a file in memory that a guest shares with us, which may hold anything at any time. Out: snapshots that are
 * whole, inside their limits and never go back. Who calls: ixd. Start reading at page.c, then check.c.
 * The layout is kernel/abi/page.h. The file is read, never mapped: whoever holds its other end may cut it short,
 * and that must not be our end.
 */
#pragma once
#include "hostctl/base/err.h"
#include "kernel/abi/page.h"
#include <stdbool.h>

/* One guest's page with what was last believed of it. One thread at a time. */
struct page;

/* What a snapshot is worth. */
enum page_trust {
	PAGE_GOOD = 0,
	PAGE_SILENT, /* the guest has written nothing since this start */
	PAGE_TORN,   /* somebody was writing the whole time we looked: try again later */
	PAGE_BAD,    /* a value that cannot be; page_why() says which */
};

/**
 * page_create() - make the file of guest @name (paths_page) anew with its head filled in, mode 0600, of @uid:@gid
 * While the guest is down: QEMU maps the file when it starts. Return: NULL with @err.
 */
struct page *page_create(const char *name, unsigned uid, unsigned gid, struct err *err);

/** page_open() - the file of a guest that runs; it must be a regular file that only its owner can write. NULL with @err. */
struct page *page_open(const char *name, struct err *err);

/** page_adopt() - the file behind @fd, taken over in every case; page_fresh(): fill it in as page_create() does. */
struct page *page_adopt(int fd, struct err *err);
struct page *page_fresh(int fd, struct err *err);
void page_close(struct page *page);

/** page_guest(), page_core(), page_groups(), page_resize(), page_crash() - a checked snapshot; @out is whole only when PAGE_GOOD. */
enum page_trust page_guest(struct page *page, struct ix_page_guest *out);
enum page_trust page_core(struct page *page, unsigned core, struct ix_page_core *out);
enum page_trust page_groups(struct page *page, struct ix_page_groups *out);
enum page_trust page_resize(struct page *page, struct ix_page_resize *out);
/** page_crash() - its ranges are disjoint pages of ring 3, their sum at most @memory_bytes, each inside them. */
enum page_trust page_crash(struct page *page, uint64_t memory_bytes, struct ix_page_crash *out);
/** page_crash_count() - how many faults the guest says there were: a hint whether page_crash() is worth a look. */
uint32_t page_crash_count(struct page *page);

/** page_why() - which value was not believed last, one line; "" if none was. Valid until the next call. */
const char *page_why(const struct page *page);

/** page_bad_count() - snapshots that were not believed since the page was opened. */
unsigned long page_bad_count(const struct page *page);

/**
 * page_command() - leave a command; to ring the bell is the caller's
 * Return: its sequence, for page_answer(); 0: the one before is not answered yet, or the file cannot be written.
 */
uint32_t page_command(struct page *page, enum ix_page_op op, const uint64_t arg[4]);

/** page_abandon() - nobody waits for the answer of the last command any more; the next may be left. */
void page_abandon(struct page *page);

/** page_answer() - PAGE_GOOD: command @sequence is answered, @out; PAGE_SILENT: not yet. */
enum page_trust page_answer(struct page *page, uint32_t sequence, struct ix_page_answer *out);

/** page_core_state() - a word for enum ix_page_core_state @state. */
const char *page_core_state(uint32_t state);

/* One entry of IX_PAGE_VALUES, for who prints. */
struct page_value {
	const char *name, *unit, *text;
	bool is_counter;
};
extern const struct page_value page_values[IX_VALUE_NR];
