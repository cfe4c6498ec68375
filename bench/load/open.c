/* SPDX-License-Identifier: MIT */
/* Requests that wait need no list: they are the next ones of the schedule. */
#include "bench/load/open.h"

#include <stdio.h>
#include <stdlib.h>

static void put_free(struct open_loop *o, unsigned slot)
{
	o->free_ring[(o->free_first + o->free_count++) % o->slots] = slot;
}

static unsigned take_free(struct open_loop *o)
{
	unsigned slot = o->free_ring[o->free_first];

	o->free_first = (o->free_first + 1) % o->slots;
	o->free_count--;
	return slot;
}

static bool is_measured(const struct open_loop *o, uint64_t due_ns)
{
	return due_ns >= o->from_ns && due_ns < o->until_ns;
}

bool open_begin(struct open_loop *o, const struct schedule *s, unsigned slots, unsigned depth)
{
	*o = (struct open_loop){ .schedule = *s, .from_ns = UINT64_MAX, .until_ns = UINT64_MAX };
	o->slots = slots;
	o->depth = depth;
	o->free_ring = calloc(slots, sizeof(*o->free_ring));
	o->under_way = calloc(slots, sizeof(*o->under_way));
	if (!o->free_ring || !o->under_way)
		return false;
	for (unsigned i = 0; i < slots; i++)
		put_free(o, i);
	return true;
}

void open_window(struct open_loop *o, uint64_t from_ns, uint64_t until_ns, uint64_t limit, struct histogram *latency)
{
	o->from_ns = from_ns;
	o->until_ns = until_ns;
	o->limit = limit;
	o->latency = latency;
}

bool open_next(struct open_loop *o, uint64_t now_ns, unsigned *slot, uint64_t *due_ns)
{
	uint64_t due = schedule_due(&o->schedule);

	if (!o->free_count || due > now_ns || due >= o->until_ns)
		return false;
	*due_ns = schedule_take(&o->schedule);
	*slot = take_free(o);
	o->all_under_way++;
	if (++o->under_way[*slot] < o->depth)
		put_free(o, *slot);
	if (is_measured(o, due)) {
		o->counts.due++;
		o->counts.late += now_ns - due >= OPEN_LATE_NS;
		if (o->counts.due == o->limit && schedule_due(&o->schedule) < o->until_ns)
			o->until_ns = schedule_due(&o->schedule);
	}
	return true;
}

uint64_t open_wake(const struct open_loop *o, uint64_t now_ns)
{
	uint64_t due = schedule_due(&o->schedule);

	if (o->free_count && due < o->until_ns)
		return due;
	return now_ns < o->until_ns ? o->until_ns : UINT64_MAX;
}

static void end_request(struct open_loop *o, unsigned slot)
{
	o->all_under_way--;
	if (o->under_way[slot]-- == o->depth)
		put_free(o, slot);
}

void open_reply(struct open_loop *o, unsigned slot, uint64_t due_ns, uint64_t now_ns)
{
	end_request(o, slot);
	if (!is_measured(o, due_ns))
		return;
	o->counts.answered++;
	o->counts.in_time += now_ns < o->until_ns;
	histogram_add(o->latency, now_ns - due_ns);
}

void open_give_up(struct open_loop *o, unsigned slot, uint64_t due_ns, uint64_t now_ns)
{
	end_request(o, slot);
	if (!is_measured(o, due_ns))
		return;
	o->counts.unanswered++;
	histogram_add(o->latency, now_ns - due_ns);
}

bool open_is_over(const struct open_loop *o, uint64_t now_ns)
{
	return now_ns >= o->until_ns && schedule_due(&o->schedule) >= o->until_ns && !o->all_under_way;
}

void open_end(struct open_loop *o, uint64_t now_ns)
{
	while (schedule_due(&o->schedule) < o->until_ns && schedule_due(&o->schedule) <= now_ns) {
		uint64_t due = schedule_take(&o->schedule);

		if (!is_measured(o, due))
			continue;
		o->counts.due++;
		o->counts.unsent++;
		histogram_add(o->latency, now_ns - due);
	}
	free(o->free_ring);
	free(o->under_way);
}

void open_add(struct open_counts *sum, const struct open_counts *c)
{
	sum->due += c->due;
	sum->answered += c->answered;
	sum->in_time += c->in_time;
	sum->late += c->late;
	sum->unanswered += c->unanswered;
	sum->unsent += c->unsent;
}

void open_print(const struct open_counts *c, double seconds)
{
	printf("\"window_s\":%.6f,\"offered_per_s\":%.1f,\"achieved_per_s\":%.1f,\"due\":%llu,\"sent_late\":%llu,"
	       "\"unsent\":%llu,"
	       "\"unanswered\":%llu,",
	       seconds, (double)c->due / seconds, (double)c->in_time / seconds, (unsigned long long)c->due,
	       (unsigned long long)c->late, (unsigned long long)c->unsent, (unsigned long long)c->unanswered);
}
