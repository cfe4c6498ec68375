/* SPDX-License-Identifier: MIT */
/* The page as the files of this folder share it. Private to kernel/ctl. */
#pragma once
#include "kernel/base/bytes.h"
#include "kernel/base/types.h"
#include "kernel/ctl/ctl.h"

/* Set by ctl_init(), then only read; NULL: there is no page. */
extern uint8_t *ctl_page;
/* Boot core: something was asked for that the loop has to see before it sleeps. */
extern PERCORE bool ctl_has_news;

/** page_ask() - boot core: each core is to write what it has now, and one that is about to sleep before that. */
void page_ask(void);

static inline void *page_at(uint32_t at)
{
	return ctl_page + at;
}

/** page_begin(), page_end() - around the writing of an area that begins with its sequence counter; one writer. */
static inline void page_begin(uint32_t *sequence)
{
	WRITE_ONCE(*sequence, *sequence | 1); /* odd already: whoever wrote last did not come to its end */
	fence_full();
}
static inline void page_end(uint32_t *sequence)
{
	fence_full();
	WRITE_ONCE(*sequence, *sequence + 1);
}

/* averages.c */
struct averages {
	struct ctl_core then; /* counts at the last look */
	tsc_t at;
	tsc_t age;                                               /* what they are about, up to the slow window */
	uint64_t batch[2], delay[2], idle[2], loop[2], depth[2]; /* fast, slow; in the units of IX_PAGE_VALUES */
};
/** averages_ns() - ticks of a clock of @tsc_hz in nanoseconds. */
uint64_t averages_ns(tsc_t ticks, uint64_t tsc_hz);
/** averages_add() - take in what @now says of the time since the last look. @tsc_hz: of the clock. */
void averages_add(struct averages *a, const struct ctl_core *now, tsc_t at, uint64_t tsc_hz);

/* guest.c */
/** guest_init(), guest_publish() - the area that is about the guest as a whole, and the groups'. Boot core. */
void guest_init(const struct conf *conf);
void guest_publish(tsc_t now);
/** guest_note_stop() - the application was told to stop. guest_note_restart() - the partition runs again. */
void guest_note_stop(void);
void guest_note_restart(void);

/* command.c */
/** command_poll() - obey what the host has left since the last look. Boot core. */
void command_init(void);
void command_poll(void);

/* bell.c */
/** bell_init() - have the second UART and the power button end HLT. bell_take() - boot core: it rang; what for? */
void bell_init(const struct acpi_info *acpi);
void bell_take(void);

/* crash.c */
void crash_init(void);
/** crash_seen() - @more 0: the host needs the memory no longer; 1: it needs another second. 0, or KERR_INVALID. */
int crash_seen(uint64_t more);
