/* SPDX-License-Identifier: MIT */
/*
 * In: what the control plane wants done (order_submit, on the boot core). Out: moves of flow groups, and
 * an answer to each order. Who calls: loop.c once a turn, a source of orders. Start reading at order.c.
 */
#pragma once
#include "kernel/base/types.h"

enum order_op {
	ORDER_MOVE = 1,  /* flow group @group to core @to */
	ORDER_CORES = 2, /* @to cores run from now on (kernel/cores); connections: moved by that */
};

struct order_answer;

struct order {
	uint32_t op; /* enum order_op */
	uint32_t group, to;
	/* Is told of the end instead of the source, on the boot core, and calls flow_steer() behind the last of several moves. */
	void (*done)(const struct order_answer *answer);
};

struct order_answer {
	struct order order;
	int status; /* 0, or negative: KERR_NO_MEMORY (core @to has no room; nothing was moved), KERR_IN_USE (cores.h) */
	uint32_t connections; /* that moved */
	uint32_t forced;      /* of them, not released by ring 3 in time */
	uint32_t cores;       /* ORDER_CORES: that run now */
};

/**
 * order_core_init() - the calling core takes messages; on the boot core the source of orders of this build is started
 * order_poll() - once a turn: obey. All cores.
 */
void order_core_init(void);
void order_poll(void);

/** order_on_answer() - the source: call @fn with each answer, on the boot core. */
void order_on_answer(void (*fn)(const struct order_answer *answer));

/**
 * order_submit() - append an order; those of one group are carried out one after the other. Boot core.
 * Return: 0: an answer will follow; KERR_INVALID: no such op, group or core; KERR_IN_USE: the queue is full.
 */
int order_submit(const struct order *o);
/** order_is_idle() - boot core: no group is on its way, or waits for one. */
bool order_is_idle(void);
/** order_gives_to() - boot core: whether a group is on its way to @core. order_owner() - whose @group is when all orders are done. */
bool order_gives_to(uint32_t core);
uint32_t order_owner(uint32_t group);

/* ---- for kernel/cores, which stands above ---- */
#define ORDER_MESSAGES 0x100u /* kinds of messages from here on are its */
struct flow_message;
/**
 * order_set_cores() - @submit takes ORDER_CORES, as order_submit(); @message takes messages of kinds from ORDER_MESSAGES on, on every core
 * order_answer() - the answer to an order that @submit has taken.
 */
void order_set_cores(int (*submit)(const struct order *o), void (*message)(struct flow_message *m));
void order_answer(const struct order_answer *a);
