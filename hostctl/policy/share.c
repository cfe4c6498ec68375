/* SPDX-License-Identifier: MIT */
/* Cores of a host among guests: floors first, then the highest priority first, and those of the same evenly. */
#include "hostctl/policy/inside.h"

/* What @s would have of its class at @level. */
static uint32_t at_level(const struct share *s, uint32_t level)
{
	return level <= s->least ? s->least : level < s->want ? level : s->want > s->least ? s->want : s->least;
}

uint32_t share_next(const struct share *s, unsigned count, uint32_t below)
{
	uint32_t next = 0;

	for (unsigned i = 0; i < count; i++)
		if (s[i].priority < below && s[i].priority > next)
			next = s[i].priority;
	return next;
}

/* Cores beyond the floors that the class of @priority takes at @level. */
static uint64_t taken_at(const struct share *s, unsigned count, uint32_t priority, uint32_t level)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < count; i++)
		if (s[i].priority == priority)
			sum += at_level(&s[i], level) - s[i].least;
	return sum;
}

/* The last few, one each: first who has them already. Return: how many are left. */
static uint64_t hand_out(struct share *s, unsigned count, uint32_t priority, uint64_t left)
{
	uint32_t level = UINT32_MAX;

	/* That of the class: who has a higher floor has more than the others anyway. */
	for (unsigned i = 0; i < count; i++)
		if (s[i].priority == priority && s[i].gets < s[i].want && s[i].gets < level)
			level = s[i].gets;
	for (unsigned is_second = 0; is_second < 2; is_second++)
		for (unsigned i = 0; i < count && left > 0; i++)
			if (s[i].priority == priority && s[i].gets == level && s[i].gets < s[i].want &&
			    (s[i].has > level) == !is_second) {
				s[i].gets++;
				left--;
			}
	return left;
}

void share_out(struct share *s, unsigned count, uint32_t cores)
{
	uint64_t floors = 0, left;
	uint32_t priority = UINT32_MAX;

	for (unsigned i = 0; i < count; i++) {
		s[i].gets = s[i].least;
		floors += s[i].least;
	}
	left = cores > floors ? cores - floors : 0;
	while ((priority = share_next(s, count, priority)) != 0) {
		/* Mostly there is enough. */
		uint32_t level = taken_at(s, count, priority, POLICY_CORES_MAX) <= left ? POLICY_CORES_MAX : 0;

		while (level < POLICY_CORES_MAX && taken_at(s, count, priority, level + 1) <= left)
			level++;
		left -= taken_at(s, count, priority, level);
		for (unsigned i = 0; i < count; i++)
			if (s[i].priority == priority)
				s[i].gets = at_level(&s[i], level);
		if (level < POLICY_CORES_MAX)
			left = hand_out(s, count, priority, left);
	}
}
