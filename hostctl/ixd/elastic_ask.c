/* SPDX-License-Identifier: MIT */
/* What of a guest's page the policy is told, and whether a guest is in a state to be asked about at all. */
#include "hostctl/ixd/ixd.h"
#include <string.h>

#define PLUGS_KEPT 8u /* with fewer left under emulation no vCPU is given back: it might not be had again */

/* A guest that began anew has no past. */
static void begin_anew(struct known *k)
{
	struct elastic_state *e = &k->elastic;

	if (!k->has_guest || memcmp(e->id, k->guest.id, sizeof(e->id)) == 0)
		return;
	memcpy(e->id, k->guest.id, sizeof(e->id));
	memset(&e->policy, 0, sizeof(e->policy));
	memset(e->at_us, 0, sizeof(e->at_us));
	e->held_ms = e->told_ms = 0;
}

/* Flow groups by core. */
static void take_groups(struct known *k, struct elastic_asked *asked, const uint8_t *place, struct policy_guest *g)
{
	struct ix_page_groups groups;

	if (page_groups(k->page, &groups) != PAGE_GOOD)
		return;
	g->groups = groups.count;
	for (unsigned i = 0; i < groups.count; i++)
		if (place[groups.owner[i]] != 0)
			asked->core[place[groups.owner[i]] - 1].groups++;
}

static void take_core(struct elastic_state *e, const struct ix_page_core *c, unsigned core, struct policy_core *out)
{
	*out = (struct policy_core){
		.depth_fast = c->value[IX_VALUE_DEPTH_FAST],
		.depth_slow = c->value[IX_VALUE_DEPTH_SLOW],
		.delay_fast = c->value[IX_VALUE_DELAY_FAST],
		.idle_fast = c->value[IX_VALUE_IDLE_FAST],
		.idle_slow = c->value[IX_VALUE_IDLE_SLOW],
		.is_fresh = c->at_us != e->at_us[core],
	};
	e->at_us[core] = c->at_us;
}

/* The cores that run, one after the other, whatever their numbers are. */
static void take_cores(struct known *k, struct elastic_asked *asked, struct policy_guest *g)
{
	uint8_t place[IX_PAGE_CORES_MAX] = { 0 }; /* of each core in asked->core, plus 1 */

	for (unsigned i = 0; i < IX_PAGE_CORES_MAX && i < k->guest.cores_max; i++)
		if (k->cores[i].state == IX_PAGE_CORE_RUNS) {
			take_core(&k->elastic, &k->cores[i], i, &asked->core[g->cores]);
			place[i] = (uint8_t)++g->cores;
		}
	take_groups(k, asked, place, g);
}

static uint32_t at_most(uint32_t value, uint32_t limit)
{
	return value < limit ? value : limit;
}

/* As many as it may have: of the record, of its page, and of what QEMU can still be given. */
static uint32_t ceiling(const struct known *k)
{
	const struct scale_state *s = &k->scale;
	uint32_t most = at_most(s->cores_max, k->guest.cores_max);

	if (s->plugs_left != UINT32_MAX && s->vcpus != 0)
		most = at_most(most, s->vcpus + at_most(s->plugs_left, IX_PAGE_CORES_MAX));
	return most < s->cores_min ? s->cores_min : most;
}

/* Nobody is at work on it, and all that is said of it fits together. */
static bool is_settled(const struct known *k, const struct policy_guest *g)
{
	const struct scale_state *s = &k->scale;

	return k->health == HEALTH_READY && !k->is_busy && !s->is_at_work && !s->is_open && g->cores > 0 &&
	       g->cores == k->guest.cores && g->cores <= g->present;
}

bool elastic_ask(struct known *k, struct elastic_asked *asked, struct policy_guest *g)
{
	if (k->domain.state != DOMAIN_RUNNING && k->domain.state != DOMAIN_PAUSED)
		return false;
	begin_anew(k);
	*asked = (struct elastic_asked){ .known = k };
	*g = (struct policy_guest){ .min = k->scale.cores_min != 0 ? k->scale.cores_min : 1,
				    .priority = k->scale.priority != 0 ? k->scale.priority : 1,
				    .core = asked->core,
				    .state = &k->elastic.policy };
	if (k->has_guest && k->page != NULL && k->trust == PAGE_GOOD)
		take_cores(k, asked, g);
	g->present = k->scale.vcpus != 0 ? k->scale.vcpus : k->domain.cpus;
	g->max = k->has_guest ? ceiling(k) : g->min;
	if (g->cores == 0)
		g->cores = at_most(k->domain.cpus, POLICY_CORES_MAX); /* nothing is known but that */
	g->is_auto = k->scale.is_auto && g->max > 0;
	g->is_settled = is_settled(k, g);
	/* Never to be given back: what is there is all that should be. */
	if (k->scale.plugs_left < PLUGS_KEPT && g->is_settled)
		g->present = g->cores;
	return true;
}
