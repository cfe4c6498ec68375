/* SPDX-License-Identifier: MIT */
/*
 * Messages between cores: a list in the receiver's inbox, pushed to by anyone with one atomic operation,
 * taken whole by the receiver. Nothing can be full, so nothing that is handed over can be lost. Sleep
 * is as in steer.c: {push; take sleeping; IPI} against {set sleeping; fence; look at the list}.
 */
#include "kernel/cpu/cpu.h"
#include "kernel/flow/group.h"

void flow_post(uint32_t core, struct flow_message *m)
{
	struct flow_inbox *in = &flow_state.inbox[core];

	m->next = __atomic_load_n(&in->messages, __ATOMIC_RELAXED);
	while (!__atomic_compare_exchange_n(&in->messages, &m->next, m, true, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
		;
	if (core != core_id() && __atomic_load_n(&in->sleeping, __ATOMIC_SEQ_CST) &&
	    __atomic_exchange_n(&in->sleeping, 0, __ATOMIC_SEQ_CST)) {
		cpu_wake(core);
		flow_core()->stats.wakes++;
	}
}

struct flow_message *flow_messages(void)
{
	struct flow_inbox *in = &flow_state.inbox[core_id()];
	struct flow_message *m, *oldest = NULL;

	if (likely(!__atomic_load_n(&in->messages, __ATOMIC_RELAXED)))
		return NULL;
	m = __atomic_exchange_n(&in->messages, NULL, __ATOMIC_ACQ_REL);
	while (m) {
		struct flow_message *next = m->next;

		m->next = oldest;
		oldest = m;
		m = next;
	}
	return oldest;
}
