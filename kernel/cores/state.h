/* SPDX-License-Identifier: MIT */
/* What the files of this room share: the boot core's record of all cores, and what lies between it and each. Private to kernel/cores. */
#pragma once
#include "kernel/abi/page.h"
#include "kernel/base/percore.h"
#include "kernel/flow/flow.h"
#include "kernel/order/order.h"
#include "kernel/time/time.h"

/* Kinds of messages. To a core, and its answer with the same message. */
enum cores_message {
	CORES_VISIT = ORDER_MESSAGES, /* to each core, and back: it has turned since */
	CORES_DRAIN,                  /* give away all that is left; back when that is done: */
	CORES_DRAINED,
	CORES_PARK, /* nobody sends you anything any more: park; back when it has: */
	CORES_PARKED,
	CORES_OFF, /* do not leave after all; back: */
	CORES_BACK,
	CORES_COME,  /* to it: what others did for it is its again */
	CORES_HELLO, /* from it: it turns for the first time, or again */
};

enum cores_phase {
	PHASE_RUNS = 0,
	PHASE_ASKED =
		1, /* to leave, by the boot core; from there it becomes PARKED by its core or RUNS by the boot core */
	PHASE_PARKED = 2, /* by its core: it is asleep, or no processor at all */
	PHASE_COMING = 3, /* by the boot core, of a core that starts: wait */
	PHASE_FAILED = 4, /* by its core: it could not begin */
};

/* Between the boot core and another one. A message is with who was sent it until it comes back. */
struct cores_link {
	struct flow_message visit, ask, off, hello;
	uint32_t phase; /* enum cores_phase, atomic */
	uint32_t seen;  /* of the visits, the last that the core knows of; atomic */
	bool is_late;   /* by the boot core before it starts its processor: it was not there from the start */
} ALIGNED(64);
extern struct cores_link cores_links[CORES_MAX];

enum leave_stage {
	LEAVE_AWAY,   /* its groups go, and everybody hears that nothing more is for it */
	LEAVE_DRAIN,  /* CORES_DRAIN is with it */
	LEAVE_SILENT, /* everybody hears that nothing is to be found there any more */
	LEAVE_PARK,   /* CORES_PARK is with it */
	LEAVE_OFF,    /* CORES_OFF is */
};

struct core_record {
	uint8_t state;   /* enum ix_page_core_state */
	uint8_t stage;   /* LEAVING: enum leave_stage; STARTING: whether it has been let go */
	bool is_visited; /* CORES_VISIT is with it */
	uint32_t visit;  /* LEAVING: all must have seen this one */
	tsc_t begun, again, deadline;
};

/* Boot core. Bitmaps are of cores. */
struct cores_machine {
	uint32_t limit, min, max, wanted;
	uint64_t present;    /* vCPUs */
	uint64_t unusable;   /* of these, those that did not start */
	uint64_t asked_back; /* of these, those that the host wants back */
	uint64_t kept; /* not let go by ring 3: they run although they should not, until something else is wanted */
	uint64_t running, serving, open; /* as the processor's part says */
	uint32_t starting;               /* core; 0: none */
	struct core_record core[CORES_MAX];
	struct time_node timer;
	uint32_t moving; /* groups, by our order */
	bool must_steer, is_without_memory;
	tsc_t retry_at; /* after a move that failed */
	struct order wish;
	bool has_wish, was_refused;
	uint64_t wish_connections, wish_forced; /* resize's, when it began */
	struct ix_page_resize resize;           /* but for sequence */
	uint64_t changes;                       /* of it and of states */
};
extern struct cores_machine cores_machine;

/* ---- machine.c ---- */
/** machine_soon() - look at all of it in a moment. machine_begin() - boot core, once it has timers and messages. */
void machine_soon(void);
void machine_begin(void);
/** machine_publish() - the sets are what all see from now on. machine_refuse() - @core is not used, or stays; counted and told. */
void machine_publish(void);
void machine_refuse(uint32_t core, enum ix_page_refusal why);
/** machine_us() - now, as the control page counts, for a step of resize that is new. */
uint64_t machine_us(void);

/* ---- cores.c ---- */
/** cores_probe_of() - what @core saw as it began: its clock. Return: whether its window is its own. */
bool cores_probe_of(uint32_t core, tsc_t *tsc);

/* ---- visit.c: boot core ---- */
/** visit_begin() - what the boot core has changed so far is to be known to all. Return: for visit_is_over(). */
uint32_t visit_begin(void);
bool visit_is_over(uint32_t visit);
/** visit_skip() - @core has not turned yet, so it knows. visit_message() - a core has turned; on all cores. */
void visit_skip(uint32_t core);
void visit_message(struct cores_link *link);

/* ---- come.c: boot core ---- */
/** come_begin() - start vCPU @core, without waiting. come_again() - one that is parked. come_poll() - the one that starts. come_done() - it turns. */
void come_begin(uint32_t core);
void come_again(uint32_t core);
void come_poll(void);
void come_done(uint32_t core);

/* ---- leave.c: boot core ---- */
/** leave_begin() - @core is to park. leave_off() - it is not to, after all. leave_poll() - go on. leave_message() - it has answered. */
void leave_begin(uint32_t core);
void leave_off(uint32_t core);
void leave_poll(uint32_t core);
void leave_message(uint32_t core, enum cores_message kind);

/* ---- park.c: the core that goes ---- */
/** park_message() - the boot core says so. */
void park_message(struct cores_link *link, struct flow_message *m);

static inline struct cores_link *link_of(uint32_t core)
{
	return &cores_links[core];
}
static inline uint32_t phase_of(uint32_t core)
{
	return load_acquire(&link_of(core)->phase);
}
