/* SPDX-License-Identifier: MIT */
/*
 * In: what this core does, turn by turn (loop.c); commands of the control plane. Out: kernel/abi/page.h, kept up to date;
 * stop, drain and moves done. Who calls: loop.c, partition.c, main.c. Start reading at page.c. A guest without the devices
 * runs on, unmanaged: then all of this is one test a turn.
 */
#pragma once
#include "kernel/abi/page.h"
#include "kernel/base/percore.h"

struct acpi_info;
struct conf;

/* What a core has counted since it began, in TSC ticks and turns. */
struct ctl_core {
	struct ix_page_core *block; /* in the page; NULL: unmanaged */
	tsc_t turn_at;              /* when the last turn took its frames */
	tsc_t publish_at;           /* when the page is written next */
	bool was_busy;              /* the last turn found work */
	uint64_t turns, batches, frames, events, calls;
	tsc_t busy, poll, halt; /* time */
	uint64_t busy_turns;
	uint64_t left;   /* frames that lay in the queues behind those that a turn took */
	uint64_t waited; /* ticks times frames: how long they may have waited, at most */
	tsc_t first_at;  /* when it took its first frame since it came; 0: not yet */
};
extern PERCORE struct ctl_core ctl_core;

/** ctl_find_panic() - once PCI is there: the device by which a panic is told. */
void ctl_find_panic(void);
/** ctl_init() - boot core, once PCI is there: find the page, have bell and power button end HLT. */
void ctl_init(const struct conf *conf, const struct acpi_info *acpi);
/** ctl_core_init() - the calling core's block. */
void ctl_core_init(void);
/** ctl_core_again() - the calling core turns again after it was away from @from on: averages and first frame are of its new life. */
void ctl_core_again(tsc_t from);

/** ctl_publish() - write this core's block and, on the boot core, all else; obey a command that has come. */
void ctl_publish(tsc_t now);

/** ctl_turn() - this turn took @frames at @now, and left @left: they came since the last turn looked, or waited longer. */
static inline void ctl_turn(tsc_t now, unsigned frames, unsigned left)
{
	struct ctl_core *c = &ctl_core;
	tsc_t since = now - c->turn_at;

	if (!c->block)
		return;
	c->turns++;
	c->turn_at = now;
	if (c->was_busy) {
		c->busy += since;
		c->busy_turns++;
	} else {
		c->poll += since;
	}
	c->was_busy = frames;
	if (frames) {
		c->batches++;
		c->frames += frames;
		c->left += left;
		c->waited += since *
			     (frames + left); /* over time, all that lay there a turn long is all that anyone waited */
		if (unlikely(!c->first_at))
			c->first_at = now;
	}
	if (unlikely(now >= c->publish_at))
		ctl_publish(now);
}

/** ctl_busy() - the turn found work other than frames: @calls executed, @events written. */
static inline void ctl_busy(unsigned calls, unsigned events)
{
	ctl_core.was_busy = true;
	ctl_core.calls += calls;
	ctl_core.events += events;
}

/** ctl_before_halt() - the core wants to sleep. Return: whether there is something to do before. */
bool ctl_before_halt(tsc_t now);
/** ctl_after_halt() - it slept from @from on. */
void ctl_after_halt(tsc_t from);
/** ctl_before_park() - the core will not turn for a while: what it says of itself is to be the last, now. */
void ctl_before_park(tsc_t now);
/** ctl_look() - boot core, now and then: a core that never sleeps is not woken by bell or power button. */
void ctl_look(void);

/** ctl_note_restart() - boot core: the partition runs again. */
void ctl_note_restart(void);

/** ctl_is_holding() - boot core: a crash is shown to the host and the partition's memory must stay as it is for now. */
bool ctl_is_holding(void);
