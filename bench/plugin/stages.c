/* SPDX-License-Identifier: MIT */
/* When a stage ends, and where what a turn cost goes once it is known to have found nothing. */
#include "bench/plugin/stages.h"

#include <string.h>

static void begin_turn(struct stages *s)
{
	memset(s->turn, 0, sizeof(s->turn));
	s->is_busy = false;
}

/* A second marker of the kind in one turn finds nothing more to move. */
static void move_turn(struct stages *s)
{
	for (unsigned i = 0; i < STAGES; i++) {
		s->sum[i] -= s->turn[i];
		s->sum[STAGE_NOTHING] += s->turn[i];
		s->turn[i] = 0;
	}
}

bool stages_mark(struct stages *s, unsigned stage, uint64_t instructions)
{
	if (stage == STAGE_BUSY) {
		s->is_busy = true;
		return false;
	}
	s->sum[s->now] += instructions - s->begin;
	s->turn[s->now] += instructions - s->begin;
	s->begin = instructions;
	s->now = stage;
	if (stage == STAGE_FIRST)
		begin_turn(s);
	if (stage != STAGE_NOTHING || s->is_busy)
		return false;
	move_turn(s);
	return true;
}

uint64_t stages_read(const struct stages *s, unsigned stage, uint64_t instructions)
{
	return s->sum[stage] + (s->now == stage ? instructions - s->begin : 0);
}
