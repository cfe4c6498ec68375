/* SPDX-License-Identifier: MIT */
/*
 * In: frames from the NIC, on whatever core polls them. Out: each frame on the core that owns its flow
 * group; frames to send, on whatever queue that core may use; messages between cores. Who calls: loop.c
 * (flow_rx), net (flow_tx, flow_hand). Start reading at steer.c; group.c says who owns what.
 */
#pragma once
#include "kernel/base/percore.h"
#include "kernel/nic/nic.h"

#define FLOW_GROUPS_MAX 128u
#define FLOW_GROUP_NONE 0xffu /* not known yet */

/** flow_init() - for @cores, the limit; deal groups evenly over those that run and give each queue a polling core; draws the hash key. */
int flow_init(uint32_t cores);

/** flow_core_init() - the calling core's rings. */
void flow_core_init(void);

/**
 * flow_rx() - at most @max frames that the calling core owns: handed over by other cores first, then
 * from the queue it polls, whose foreign frames it hands over (one wake-up a target and burst at most)
 * Return: frames in @out; owner: caller.
 */
unsigned flow_rx(struct buf **out, unsigned max);

/** flow_rx_waiting() - frames that wait for the calling core, in its queues and handed over; after a flow_rx() that was full. */
unsigned flow_rx_waiting(void);

/**
 * flow_hand() - give a frame to another core (slow path, BUF_RESOLVE); the wake-up goes out with flow_tx_flush()
 * Return: false if its ring is full; @first then stays the caller's (count it, free it).
 */
bool flow_hand(uint32_t core, struct buf *first);

/** flow_tx() - queue a frame on this core's transmit queue, or for the core that owns the queue. False: full. */
bool flow_tx(const struct nic_tx *tx);
/** flow_tx_short() - the same with what nic_tx_short() takes. */
bool flow_tx_short(void *token, uint8_t *frame, uint32_t bytes, uint16_t csum_offset);
/** flow_tx_room() - descriptors free on this core's own transmit queue, as nic_tx_room(); 0 if it has none of its own. */
uint32_t flow_tx_room(void);
/** flow_tx_flush() - end of a batch: doorbells and wake-ups. */
void flow_tx_flush(void);
/** flow_tx_reclaim() - tokens of this core's finished frames. Return: how many, at most @max. */
unsigned flow_tx_reclaim(void **tokens, unsigned max);
/** flow_tx_pending() - this core's frames whose memory the device still has; nothing wakes a core when they are done. */
unsigned flow_tx_pending(void);

/**
 * flow_sleep_begin() - announce sleep, arm the interrupt, look again
 * Return: true if there is something to do: do not sleep. flow_sleep_end() - awake; in both cases.
 */
bool flow_sleep_begin(void);
void flow_sleep_end(void);

/** flow_group_of_tuple() - group of an outgoing connection's return packets; addresses and ports in network order. */
uint8_t flow_group_of_tuple(be32_t remote, be32_t local, be16_t remote_port, be16_t local_port);
uint8_t flow_group_of_tuple6(const struct ip6 *remote, const struct ip6 *local, be16_t remote_port, be16_t local_port);
/** flow_owner() - core that owns @group. */
uint32_t flow_owner(uint8_t group);

/* ---- a group changes owner ---- */
/** flow_groups() - how many there are: 0..return-1 can be moved. */
unsigned flow_groups(void);
/** flow_is_queue() - whether a group is a receive queue, so that only a frame can tell its group. */
bool flow_is_queue(void);
/**
 * flow_give() - by the owner of @group: it is core @to's from now on
 * Where the group is a queue nobody polls it until flow_enter(); else frames go to @to at once, those on
 * their way to the calling core excepted. flow_enter() - on @to, when it has all that belongs to the group.
 */
void flow_give(uint8_t group, uint32_t to);
void flow_enter(uint8_t group);
/** flow_steer() - boot core: have the device follow, where it can. Return: 0 or as nic_steer(). */
int flow_steer(void);

/* ---- a core goes and comes; the boot core stands in for it meanwhile ---- */
/**
 * flow_leave() - the calling core, which owns no group any more, sends for nobody but itself from now on
 * Return: whether the device has given back all that it sent; then it polls nothing any more either. Else: ask again.
 */
bool flow_leave(void);
/** flow_is_quiet() - whether nothing has been handed to the calling core that it has not taken. */
bool flow_is_quiet(void);
/** flow_inherit() - boot core: instead of @core, which has left. flow_return() - no longer: @core calls flow_come() next. */
void flow_inherit(uint32_t core);
void flow_return(uint32_t core);
void flow_come(void);
/** flow_alone() - boot core: whether no other core runs, so that all frames are its own. */
void flow_alone(bool is_alone);

/* ---- messages between cores ---- */
/* Embedded in what it is about, which belongs to the core that has it. */
struct flow_message {
	struct flow_message *next;
	uint32_t kind; /* for who takes it; flow does not look at it */
};

/** flow_post() - give @m to @core, which may be the calling one; never refused, wakes it if it sleeps. */
void flow_post(uint32_t core, struct flow_message *m);
/** flow_messages() - all that the calling core has been given since, oldest first, linked; NULL: nothing. */
struct flow_message *flow_messages(void);

/** flow_toeplitz() - Toeplitz hash of @bytes input bytes under a 40-byte key [virtio-1.2 5.1.6.4.3.3]. */
uint32_t flow_toeplitz(const uint8_t key[40], const uint8_t *in, unsigned bytes);

struct flow_stats {
	uint64_t handed_over, hand_drops, wakes, tx_remote, tx_drops;
};
/** flow_stats() - of all cores together; flow_core_stats(): of the calling one. */
void flow_stats(struct flow_stats *out);
void flow_core_stats(struct flow_stats *out);
