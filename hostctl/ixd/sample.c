/* SPDX-License-Identifier: MIT */
/* Ten times a second: a look at each guest's page, and what its state means. Nothing here waits for anybody. */
#include "hostctl/ixd/history.h"
#include "hostctl/ixd/ixd.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PERIOD_MS 100u
#define NOTES_MAX 30u

/* Cores that were never there cost one look. */
void sample_cores(struct known *k)
{
	static struct ix_page_core scratch; /* under the lock */

	if (k->page == NULL || !k->has_guest || k->trust != PAGE_GOOD)
		return;
	for (unsigned i = 0; i < k->guest.cores_max; i++) {
		enum page_trust trust = page_core(k->page, i, &scratch);

		if (trust == PAGE_GOOD)
			k->cores[i] = scratch;
		else if (trust == PAGE_BAD)
			k->trust = PAGE_BAD;
	}
}

static enum health health_of(const struct known *k)
{
	static const enum health of_state[IX_PAGE_STATE_NR] = {
		[IX_PAGE_BOOTING] = HEALTH_STARTING,  [IX_PAGE_READY] = HEALTH_READY,
		[IX_PAGE_DRAINING] = HEALTH_DRAINING, [IX_PAGE_STOPPING] = HEALTH_STOPPING,
		[IX_PAGE_FAULTED] = HEALTH_FAULTED,   [IX_PAGE_ENDED] = HEALTH_STOPPING,
	};

	if (!k->is_seen || (k->is_busy && k->domain.state != DOMAIN_RUNNING))
		return k->health;
	if (k->domain.state != DOMAIN_RUNNING && k->domain.state != DOMAIN_PAUSED)
		return k->is_wanted ? HEALTH_CRASHED : HEALTH_STOPPED;
	if (!k->has_guest)
		return k->page != NULL && k->trust == PAGE_SILENT && now_ms() - k->beat_ms < 60000 ? HEALTH_STARTING
												   : HEALTH_UNMANAGED;
	if (k->trust == PAGE_BAD)
		return HEALTH_UNMANAGED;
	if (now_ms() - k->beat_ms > IXD_STUCK_MS && k->domain.state == DOMAIN_RUNNING)
		return k->trust == PAGE_GOOD ? HEALTH_STUCK : HEALTH_UNMANAGED;
	return of_state[k->guest.state];
}

/* Why a guest that runs cannot be believed; where it has no page, adopt() has said so [check.c]. */
static void note_why(struct known *k)
{
	if (k->health != HEALTH_UNMANAGED)
		k->why[0] = '\0';
	else if (k->trust == PAGE_BAD && k->page != NULL)
		snprintf(k->why, sizeof(k->why), "%s", page_why(k->page));
	else if (k->page != NULL)
		snprintf(k->why, sizeof(k->why), "its page %s",
			 k->trust == PAGE_TORN ? "is never whole" : "holds nothing of this start");
}

/*
 * Whether one more event of what the guest says of itself is due: NOTES_MAX at once, then one a second, else a guest that says
 * another thing each time would push those of all others out of the journal.
 */
static bool may_note(struct known *k)
{
	int64_t now = now_ms(), since = now - k->said.notes_ms;

	if (since >= 1000) {
		k->said.notes = since / 1000 < k->said.notes ? k->said.notes - (unsigned)(since / 1000) : 0;
		k->said.notes_ms = now;
	}
	if (k->said.notes >= NOTES_MAX)
		return false;
	k->said.notes++;
	return true;
}

/* What is new since the last event, for those who read events; what there was no event of is in the next one, or past. */
static void note_changes(struct known *k)
{
	if (k->health != k->said.health && may_note(k)) {
		event_note(k->name, health_name(k->health),
			   k->health == HEALTH_UNMANAGED ? json_pack("{s:s}", "why", k->why) : NULL);
		k->said.health = k->health;
	}
	if (k->has_guest && k->guest.restarts > k->said.restarts && may_note(k)) {
		event_note(k->name, "restart", json_pack("{s:I}", "restarts", (json_int_t)k->guest.restarts));
		k->said.restarts = k->guest.restarts;
	}
}

void sample_guest(struct known *k)
{
	struct ix_page_guest g;

	if (k->page != NULL) {
		k->trust = page_guest(k->page, &g);
		if (k->trust == PAGE_GOOD) {
			if (!k->has_guest || g.beat != k->guest.beat)
				k->beat_ms = now_ms();
			if (!k->has_guest)
				k->said.restarts = g.restarts;
			k->guest = g;
			k->has_guest = true;
			sample_cores(k);
		}
	}
	if (k->has_guest && k->page != NULL)
		crash_look(k);
	k->health = health_of(k);
	note_why(k);
	note_changes(k);
	history_take(k, now_ms() / 1000); /* takes one look a second, and passes over the others */
}

static void *run(void *arg)
{
	(void)arg;
	for (;;) {
		pthread_mutex_lock(&ixd.lock);
		for (unsigned i = 0; i < ixd.guest_count; i++)
			sample_guest(ixd.guests[i]);
		pthread_mutex_unlock(&ixd.lock);
		__atomic_store_n(&ixd.sampled_ms, now_ms(), __ATOMIC_RELAXED);
		nanosleep(&(struct timespec){ 0, PERIOD_MS * 1000000l }, NULL);
	}
	return NULL;
}

void sample_start(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, run, NULL) != 0)
		abort();
	pthread_detach(thread);
}
