/* SPDX-License-Identifier: MIT */
/* What steer.c and send.c share: who owns what, and the state of each core. */
#pragma once
#include "kernel/base/ring.h"
#include "kernel/flow/flow.h"

#define TOEPLITZ_BYTES_MAX 36u /* two IPv6 addresses and ports: they use up a 40-byte key */
#define FLOW_SLOTS 128u        /* frames that a core without a queue can have under way */

/* How a received frame's core is found. */
enum flow_mode {
	FLOW_ONE,   /* one core: all frames are its own */
	FLOW_QUEUE, /* the core that polls the queue it came from; the group is that queue or the device hashed */
	FLOW_HASH,  /* the owner of its group, by our own hash */
};

/* A frame to send, on its way to the core that owns the queue and back. */
struct flow_slot {
	struct nic_tx tx;
	struct flow_slot *next; /* free ones */
	uint32_t core;          /* whose it is; fixed at start */
};

/* What other cores write of a core. A line of its own. */
struct flow_inbox {
	uint64_t frames;               /* atomic: bit c: core c pushed frames */
	uint64_t sends;                /* atomic: bit c: core c pushed frames to send */
	struct flow_message *messages; /* atomic: newest first */
	uint32_t sleeping; /* atomic: set by the core itself; who sets a bit takes it away and wakes the core */
} ALIGNED(64);

/* What only the core itself touches. */
struct flow_core {
	uint64_t frames_from; /* taken from inbox.frames, rings not seen empty since */
	uint64_t sends_from;
	uint64_t frames_to; /* pushed to since the last notice */
	uint64_t queues;    /* bit q: it polls queue q */
	uint64_t senders;   /* bit c: it sends for core c, which has no queue */
	bool sends_pushed;  /* to the queue's owner, since the last notice */
	bool is_own_first;  /* whose turn it is: own queues or what was handed over */
	bool has_left;      /* it sends for nobody any more */
	bool is_starved;    /* without a queue: no slot was free and none has come back since */
	bool is_alone;      /* boot core: no other core runs, so every group is its own */
	uint8_t queue_at;   /* where the next look at its queues begins, */
	uint8_t handed_at;  /* at what was handed over, */
	uint8_t sender_at;  /* and at those it sends for */
	uint16_t slots_out;
	struct flow_slot *slots_free;
	struct flow_slot *stalled; /* taken from a ring, but the queue was full */
	struct flow_stats stats;
} ALIGNED(64);

/* Set by flow_init(), then only read, but for the owners. */
struct flow_state {
	enum flow_mode mode;
	uint32_t cores; /* the limit */
	uint32_t
		pairs; /* queue pairs; core c polls c, c + cores, ..., if it runs, else the boot core does; it sends on c % pairs */
	uint8_t owner[FLOW_GROUPS_MAX]; /* atomic: core of each group; by that core, which gives it away */
	struct nic_steering steering;   /* boot core */
	struct flow_core *core;         /* [cores] */
	struct flow_inbox *inbox;       /* [cores] */
	struct ring *frames;            /* [to * cores + from] */
	struct ring *sends;             /* [from], cores without a queue only */
	struct ring *done;              /* [from]: their slots on the way back from the queue's core */
	struct ring *done_boot; /* [from]: and from the boot core, while it stands in for that; NULL: it never does */
	uint8_t keeper[NIC_QUEUES_MAX]; /* [pair], atomic: who sends for cores without a queue; by the boot core */
	struct flow_slot *slots, *slots_end;
};
extern struct flow_state flow_state;

/** hash_init() - set the key of hash_tuple(). */
void hash_init(const uint8_t key[40]);
/** hash_tuple() - flow_toeplitz() over addresses and ports as they lie in the packet. @ports: source port in the low half. */
uint32_t hash_tuple(be32_t source, be32_t destination, uint32_t ports);
/** hash_tuple6() - the same for IPv6: source, then destination. */
uint32_t hash_tuple6(const uint32_t addresses[8], uint32_t ports);

/** group_core_of() - with FLOW_HASH: the core that @first belongs to; fills in group and hash. */
uint32_t group_core_of(struct buf *first);

/** senders_through() - cores that send through queue pair @pair because they have none: bitmap. */
uint64_t senders_through(uint32_t pair);

/** send_for_others() - put frames of cores without a queue on this core's. */
void send_for_others(struct flow_core *c);

/** flow_interrupt() - @queue ends the calling core's sleep from now on. */
void flow_interrupt(uint16_t queue);

/** steer_notify() - tell cores what was pushed for them; wakes those that sleep. */
void steer_notify(struct flow_core *c);

static inline struct flow_core *flow_core(void)
{
	return &flow_state.core[core_id()];
}
static inline uint32_t owner_of(unsigned group)
{
	return __atomic_load_n(&flow_state.owner[group], __ATOMIC_ACQUIRE);
}
/* Whether there is a point in an atomic exchange. */
static inline uint64_t peek(const uint64_t *bits)
{
	return __atomic_load_n(bits, __ATOMIC_RELAXED);
}
/* The first of @bits from @at on, around. Who had to stop begins behind where it was, or one that is never empty were the only one. */
static inline uint32_t bit_from(uint64_t bits, uint32_t at)
{
	uint64_t above = bits >> at << at;

	return (uint32_t)__builtin_ctzll(above ? above : bits);
}
static inline uint8_t bit_behind(uint32_t bit)
{
	return (uint8_t)((bit + 1) % 64);
}
static inline bool has_queue(uint32_t core)
{
	return core < flow_state.pairs;
}
