/* SPDX-License-Identifier: MIT */
/*
 * One flow group, or one connection, on its way from core to core, and the frames that wait for it. The
 * structure itself travels as a message; who has it may touch what it carries. Private to kernel/net.
 */
#pragma once
#include "kernel/flow/flow.h"
#include "kernel/net/demux.h"
#include "kernel/net/input.h"

#define PARK_MAX 2048u /* frames that wait for one move */

/* Frames that wait, oldest first. */
struct park {
	struct buf *first, *last;
	uint32_t count;
};

/* Something that this core will get. */
struct arrival {
	struct list link; /* in net_core.arrivals */
	uint8_t group;    /* FLOW_GROUP_NONE: one connection, by its tuple */
	struct demux_tuple tuple;
	struct park early;
};

/* All that is left on a core when its groups have gone: of groups of others, pinned, of no known group. */
#define MOVE_REST FLOW_GROUPS_MAX
_Static_assert(MOVE_REST != FLOW_GROUP_NONE, "neither a group nor one connection");

enum move_state {
	MOVE_ASKED,   /* whether there is room for it */
	MOVE_GRANTED, /* its connections are to be held now */
	MOVE_HELD,    /* ring 3 has to release them, the device to give their frames back */
};

struct net_move {
	struct flow_message message; /* kind: enum net_move_kind */
	uint8_t group;               /* FLOW_GROUP_NONE: one connection; MOVE_REST */
	uint8_t by, from, to;        /* cores: who wants it done, has it, gets it */
	uint8_t queue;               /* where groups are queues: that of the one connection's segments */
	uint8_t state;               /* enum move_state */
	bool is_put_off;             /* ring 3 reads events, but not all fitted into its last array */
	int status;                  /* 0 or KERR_* */
	struct list link;            /* in net_core.moves of @from */
	struct list conns;           /* by conn.link */
	struct list *quiet;          /* in conns: up to here the device has nothing of them */
	uint32_t count;              /* connections */
	uint32_t room;               /* connections that were asked for */
	uint32_t untold, unreleased; /* connections: IX_EV_MOVING not written; not released */
	uint32_t forced;             /* connections that ring 3 did not release in time */
	uint64_t hold_end;           /* tick: released without ring 3, or without its being told */
	uint64_t device_end;         /* tick: the device is reset; 0: not waited for yet, UINT64_MAX: it was */
	struct park waiting;
	struct timewait_batch *timewait;
	struct arrival *arrival;  /* on @to; NULL: it refused, and @to is @from */
	struct demux_tuple tuple; /* of the one connection */
};

/* ---- moving.c, stray.c ---- */
void moving_core_init(void);
/** moving_new() - from this core's point of view; NULL: no memory. moving_send() - the next step is @core's. */
struct net_move *moving_new(uint8_t group, uint32_t from, uint32_t to);
void moving_send(struct net_move *m, uint32_t core, enum net_move_kind kind);
/** moving_of_group() - the move that holds connections of @group here, NULL if none does. */
struct net_move *moving_of_group(unsigned group);
/** moving_takes() - a segment of no connection: whether it waits for one, or is another core's; it is taken then. */
bool moving_takes(const struct frame *f);
/** moving_holds() - a segment of @c, which moves or whose segments go astray: whether it waits; it is taken then. */
bool moving_holds(const struct frame *f, struct conn *c);
/** moving_to() - where @c goes. moving_told() - ring 3 knows. moving_put_off() - its array is full, the rest is told later. */
uint32_t moving_to(const struct conn *c);
void moving_told(struct conn *c);
void moving_put_off(void);
/** moving_end() - the partition ends: what is held is this core's again. */
void moving_end(void);

/* ---- pack.c: what belongs to a core, apart from what has one address on all ---- */
/** pack_hold() - nothing happens to @c from now on; it is in @m. pack_hold_queues() - after some of these. */
void pack_hold(struct net_move *m, struct conn *c);
void pack_hold_queues(void);
/** pack_thaw() - all of @m live on here. */
void pack_thaw(struct net_move *m);
/** pack_is_quiet() - whether the device has no frame over memory of @c. */
bool pack_is_quiet(struct conn *c);
/** pack() - all of @m are no core's. unpack() - all of @m are the calling core's. */
void pack(struct net_move *m);
void unpack(struct net_move *m);

/* ---- walk.c: segments that go from core to core, or wait ---- */
/** walk_takes() - a segment of no connection here: whether other cores shall be asked first; it is taken then. */
bool walk_takes(const struct frame *f);
/** walk_unsettle() - something leaves a core. walk_settle() - it has arrived. */
void walk_unsettle(void);
void walk_settle(void);
/** park_put() - @b waits in @p; freed and counted if too many do. park_take() - oldest, NULL if none. */
void park_put(struct park *p, struct buf *b);
struct buf *park_take(struct park *p);
