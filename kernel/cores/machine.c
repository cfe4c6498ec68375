/* SPDX-License-Identifier: MIT */
/*
 * What is there, what is wanted, and what follows: looked at as a whole each time that something has changed, so a wish that comes while
 * another one is carried out needs no rule of its own. Of the vCPUs that are there and can be used, the lowest run; core 0 always does.
 */
#include "kernel/base/err.h"
#include "kernel/base/log.h"
#include "kernel/cores/cores.h"
#include "kernel/cores/deal.h"
#include "kernel/cores/hotplug.h"
#include "kernel/cores/state.h"
#include "kernel/cpu/cpu.h"
#include "kernel/cpu/start.h"

#define SOON_TICKS 1u
#define START_TICKS (100u / TIME_TICK_US)
#define BUSY_TICKS (1000u / TIME_TICK_US)
#define RETRY_US 10000u

struct cores_machine cores_machine;
struct cores_link cores_links[CORES_MAX];

uint64_t machine_us(void)
{
	cores_machine.changes++;
	return cpu_tsc_to_us(cpu_tsc());
}

void machine_publish(void)
{
	const struct cores_machine *m = &cores_machine;

	flow_alone(m->running == 1);
	smp_set_cores(m->running, m->serving, m->open);
}

static void arm(uint64_t ticks)
{
	uint64_t at = time_now() + ticks;

	if (!time_is_armed(&cores_machine.timer) || cores_machine.timer.tick > at)
		time_arm(&cores_machine.timer, at);
}

void machine_soon(void)
{
	arm(SOON_TICKS);
}

void machine_refuse(uint32_t core, enum ix_page_refusal why)
{
	static const char *const text[IX_PAGE_REFUSED_NR] = {
		[IX_PAGE_REFUSED_MINIMUM] = "stays: fewer than cores.min would be left",
		[IX_PAGE_REFUSED_BOOT] = "stays: the boot core cannot go",
		[IX_PAGE_REFUSED_BUSY] = "stays: the application does not let go of it",
		[IX_PAGE_REFUSED_MANY] = "is not used: there is no room for it (cores.max)",
		[IX_PAGE_REFUSED_SILENT] = "is not used: it does not start",
		[IX_PAGE_REFUSED_MEMORY] = "is as it was: there is no memory for the change",
	};
	struct ix_page_resize *r = &cores_machine.resize;

	cores_machine.changes++;
	r->refused++;
	r->refused_core = MIN(core, IX_PAGE_CORES_MAX - 1); /* a machine may have more than the page has room for */
	r->refused_why = why;
	log_line("cores: core %u %s", core, text[why]);
}

/* ---- flow groups ---- */
static void on_moved(const struct order_answer *a)
{
	struct cores_machine *m = &cores_machine;

	m->moving--;
	if (a->status) {
		m->is_without_memory = a->status == KERR_NO_MEMORY;
		m->retry_at = cpu_tsc() + cpu_us_to_tsc(RETRY_US);
	} else {
		m->must_steer = true;
		m->is_without_memory = false;
		m->resize.groups++;
		m->resize.connections += a->connections;
		m->resize.forced += a->forced;
	}
	machine_soon();
}

static void note_given(void)
{
	struct cores_machine *m = &cores_machine;

	for (uint64_t left = m->open; left; left &= left - 1) {
		struct ix_page_steps *s = &m->resize.core[__builtin_ctzll(left)];

		if (s->started_us > s->given_us)
			s->given_us = machine_us();
	}
}

/* Return: whether each core that is open has its share. */
static bool deal_groups(void)
{
	static struct deal_move moves[FLOW_GROUPS_MAX];
	struct cores_machine *m = &cores_machine;
	uint8_t owner[FLOW_GROUPS_MAX];
	unsigned count;

	/* Of several that the device has to follow, it follows all at once. */
	if (m->must_steer)
		m->must_steer = flow_steer() != 0;
	if (cpu_tsc() < m->retry_at)
		return false;
	for (unsigned g = 0; g < flow_groups(); g++)
		owner[g] = (uint8_t)order_owner(g);
	count = deal(owner, flow_groups(), m->open, moves);
	for (unsigned i = 0; i < count; i++) {
		struct order o = { .op = ORDER_MOVE, .group = moves[i].group, .to = moves[i].to, .done = on_moved };

		m->moving += !order_submit(&o);
	}
	if (count || m->moving || m->must_steer || !order_is_idle())
		return false;
	m->is_without_memory = false;
	note_given();
	return true;
}

/* ---- cores ---- */
static uint64_t target(void)
{
	const struct cores_machine *m = &cores_machine;
	uint64_t usable = m->present & ~m->unusable & ~m->asked_back, set = 1;
	uint32_t count = 1;

	for (uint64_t left = usable & ~1ull; left && count < m->wanted; left &= left - 1, count++)
		set |= left & -left;
	return set | (m->kept & usable);
}

static void eject(uint32_t core)
{
	struct cores_machine *m = &cores_machine;

	m->core[core].state = IX_PAGE_CORE_ABSENT;
	m->present &= ~(1ull << core);
	m->unusable &= ~(1ull << core);
	m->asked_back &= ~(1ull << core);
	m->resize.ejected++;
	m->resize.core[core].ejected_us = machine_us();
	hotplug_eject(core);
	log_line("cores: vCPU %u is given back", core);
}

/* Return: whether it is as it shall be. */
static bool look_at(uint32_t core, bool is_wanted)
{
	struct cores_machine *m = &cores_machine;
	bool is_asked_back = m->asked_back >> core & 1;

	switch ((enum ix_page_core_state)m->core[core].state) {
	case IX_PAGE_CORE_ABSENT:
		if (is_wanted && !m->starting)
			come_begin(core);
		else if (!is_wanted && is_asked_back)
			eject(core);
		return !is_wanted;
	case IX_PAGE_CORE_PARKED:
		if (is_wanted)
			come_again(core);
		else if (is_asked_back)
			eject(core);
		return !is_wanted;
	case IX_PAGE_CORE_RUNS:
		if (!is_wanted)
			leave_begin(core);
		return is_wanted;
	case IX_PAGE_CORE_LEAVING:
		if (is_wanted)
			leave_off(core);
		leave_poll(core);
		return false;
	case IX_PAGE_CORE_STARTING:
	case IX_PAGE_CORE_STATE_NR:
		break;
	}
	return false;
}

static void answer_wish(void)
{
	struct cores_machine *m = &cores_machine;
	struct order_answer a = { .order = m->wish,
				  .status = m->was_refused ? KERR_IN_USE : 0,
				  .connections = (uint32_t)(m->resize.connections - m->wish_connections),
				  .forced = (uint32_t)(m->resize.forced - m->wish_forced),
				  .cores = cpu_count(m->running) };

	m->has_wish = false;
	order_answer(&a);
}

static void look(struct time_node *node)
{
	struct cores_machine *m = &cores_machine;
	uint64_t wanted;
	bool is_done = true;

	(void)node;
	come_poll();
	wanted = target(); /* now that it is known who cannot be used */
	for (uint32_t core = 1; core < m->limit; core++)
		is_done = look_at(core, wanted >> core & 1) && is_done;
	is_done = deal_groups() && is_done;
	if (is_done && m->has_wish)
		answer_wish();
	if (!is_done)
		arm(m->starting ? START_TICKS : BUSY_TICKS);
}

/* ---- what is wanted ---- */
static int submit(const struct order *o)
{
	struct cores_machine *m = &cores_machine;

	if (o->to < m->min || o->to > m->max)
		return KERR_INVALID;
	if (m->has_wish) {
		struct order_answer a = { .order = m->wish, .status = KERR_STATE, .cores = cpu_count(m->running) };

		m->has_wish = false;
		order_answer(&a); /* the next one has come */
	}
	m->wanted = o->to;
	m->kept = 0;
	m->wish = *o;
	m->has_wish = true;
	m->was_refused = false;
	m->wish_connections = m->resize.connections;
	m->wish_forced = m->resize.forced;
	machine_soon();
	return 0;
}

/* A vCPU that is plugged is meant to run. */
void cores_inserted(uint32_t core)
{
	struct cores_machine *m = &cores_machine;

	if (core >= m->limit) {
		machine_refuse(core, IX_PAGE_REFUSED_MANY);
		hotplug_refuse(core, IX_PAGE_REFUSED_MANY, true);
		return;
	}
	m->present |= 1ull << core;
	m->unusable &= ~(1ull << core);
	m->asked_back &= ~(1ull << core);
	m->kept = 0;
	m->wanted = m->max;
	m->resize.plugged++;
	m->resize.core[core].inserted_us = machine_us();
	machine_soon();
}

void cores_removal_asked(uint32_t core)
{
	struct cores_machine *m = &cores_machine;
	enum ix_page_refusal why = IX_PAGE_REFUSED_NONE;
	uint64_t usable = m->present & ~m->asked_back & ~m->unusable, bit = core < m->limit ? 1ull << core : 0;

	if (core == 0)
		why = IX_PAGE_REFUSED_BOOT;
	else if (usable & bit && cpu_count(usable & ~bit) < m->min)
		why = IX_PAGE_REFUSED_MINIMUM;
	if (core >= m->limit)
		return;
	if (why) {
		machine_refuse(core, why);
		hotplug_refuse(core, why, false);
		return;
	}
	m->present |= 1ull << core;
	m->asked_back |= 1ull << core;
	m->kept &= ~(1ull << core);
	machine_soon();
}

/* ---- messages ---- */
static struct cores_link *link_of_message(const struct flow_message *m)
{
	return &cores_links[((uintptr_t)m - (uintptr_t)cores_links) / sizeof(struct cores_link)];
}

static void on_message(struct flow_message *message)
{
	struct cores_link *link = link_of_message(message);
	uint32_t core = (uint32_t)(link - cores_links);

	if (message->kind == CORES_VISIT)
		visit_message(link);
	else if (core_id())
		park_message(link, message);
	else if (message->kind == CORES_HELLO)
		come_done(core);
	else
		leave_message(core, (enum cores_message)message->kind);
}

void machine_begin(void)
{
	order_set_cores(submit, on_message);
	time_node_init(&cores_machine.timer, look);
	hotplug_poll(); /* whatever came while the machine started */
	machine_soon();
}
