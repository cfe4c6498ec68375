/* SPDX-License-Identifier: MIT */
/*
 * How the boot core knows that nobody goes by an earlier cpu_open(), cpu_serving() or owner of a group any more: each core has turned since, or
 * was in ring 3 and interrupted there, for whatever it does when it comes back it looks up anew, and what it did before it has told of
 * before it went there. An application that keeps one core does not keep others from leaving.
 */
#include "kernel/cores/cores.h"
#include "kernel/cores/state.h"
#include "kernel/cpu/cpu.h"

static uint32_t visits; /* begun; atomic, only grows but for its wrap */

void cores_interrupted(void)
{
	store_release(&link_of(core_id())->seen, load_acquire(&visits));
}

static bool has_seen(uint32_t core, uint32_t visit)
{
	return (int32_t)(load_acquire(&link_of(core)->seen) - visit) >= 0;
}

static void send(uint32_t core)
{
	struct core_record *r = &cores_machine.core[core];

	if (r->is_visited)
		return; /* if it knew too early it is sent again when it comes back */
	r->is_visited = true;
	link_of(core)->visit.kind = CORES_VISIT;
	flow_post(core, &link_of(core)->visit);
}

uint32_t visit_begin(void)
{
	uint32_t visit = visits + 1;

	__atomic_store_n(&visits, visit, __ATOMIC_SEQ_CST);
	for (uint64_t left = cores_machine.running & ~1ull; left; left &= left - 1)
		send((uint32_t)__builtin_ctzll(left));
	return visit;
}

bool visit_is_over(uint32_t visit)
{
	bool is_over = true;

	for (uint64_t left = cores_machine.running & ~1ull; left; left &= left - 1) {
		uint32_t core = (uint32_t)__builtin_ctzll(left);

		if (has_seen(core, visit))
			continue;
		is_over = false;
		cpu_wake(core); /* it may be in ring 3, where no message is looked at */
	}
	return is_over;
}

void visit_skip(uint32_t core)
{
	store_release(&link_of(core)->seen, visits);
}

void visit_message(struct cores_link *link)
{
	uint32_t core = (uint32_t)(link - cores_links);

	if (core_id()) {
		cores_interrupted();
		flow_post(0, &link->visit);
		return;
	}
	cores_machine.core[core].is_visited = false;
	if (!has_seen(core, visits) && cores_machine.running >> core & 1)
		send(core);
	machine_soon();
}
