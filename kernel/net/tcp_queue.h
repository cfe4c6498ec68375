/* SPDX-License-Identifier: MIT */
/* Data on its way into lwIP's queue of unsent segments, and segments longer than a frame. Private to kernel/net. */
#pragma once
#include "kernel/net/core.h"
#include "kernel/net/tcp_ts.h"

#define TCP_COPY_MAX 256u /* a range of so many bytes is cheaper to copy than to reference */

/* ---- tcp_queue.c ---- */
/** tcp_queue_write() - queue as many bytes of the ranges as fit, each range checked for @c. Return: bytes taken. */
uint32_t tcp_queue_write(struct conn *c, const struct net_range *ranges, unsigned count, bool has_more);

/**
 * tcp_queue_back() - queue and give back whole buffers from the head of the connection's received data, as far as @bytes reach
 * Where one is not whole, is short, or does not fit, that is the end; tcp_queue_write() goes on. Return: bytes queued.
 */
uint32_t tcp_queue_back(struct conn *c, uint32_t bytes, bool has_more);

/** tcp_option_bytes() - of each segment with data: a timestamp, if that was agreed on. */
static inline uint32_t tcp_option_bytes(const struct tcp_pcb *pcb)
{
	return (uint32_t)(pcb->flags & TF_TIMESTAMP) * TS_BYTES / TF_TIMESTAMP; /* not a choice: it costs less */
}

/** tcp_queue_has_room() - whether lwIP's limit on pbufs allows another range. */
static inline bool tcp_queue_has_room(const struct tcp_pcb *pcb)
{
	return pcb->snd_queuelen + 4u <= TCP_SND_QUEUELEN;
}

/**
 * segment_new() - a segment as lwIP's tcp_write() makes them, not queued yet
 * @copy: its first @bytes, NULL with 0. @seq: of its first byte. Return: NULL if there is no memory.
 */
struct tcp_seg *segment_new(const struct tcp_pcb *pcb, uint32_t seq, const void *copy, uint32_t bytes);

/** segment_settle() - every pbuf's tot_len says what lies in it and behind it. */
void segment_settle(struct tcp_seg *seg);

/**
 * tcp_queue_ends_stream() - whether what is written next follows the last unsent segment; not so where that is an old one that
 * waits to be sent again. lwIP would add to it all the same, data and FIN.
 */
bool tcp_queue_ends_stream(const struct tcp_pcb *pcb);

/** tcp_queue_end() - call @end, which makes lwIP queue a FIN and does not free @pcb; the FIN finds its place. */
void tcp_queue_end(struct tcp_pcb *pcb, void (*end)(struct tcp_pcb *pcb));

/* ---- tcp_rx.c, tcp_out.c, for tcp_back.c ---- */
/** tcp_rx_take_off() - the oldest @count buffers, whole and with @bytes in all, are somebody else's now; @next: the one behind them. */
void tcp_rx_take_off(struct conn *c, struct buf *next, unsigned count, uint32_t bytes);
/** tcp_out_status() - IX_OK if @c may be sent on. */
int tcp_out_status(const struct conn *c);

/* ---- tcp_train.c: a train is a segment that the device, or cut.c, will cut into several ---- */
/** tcp_train_unit() - most payload of one segment on the wire. tcp_train_limit() - the same in lwIP's queues. */
uint32_t tcp_train_unit(const struct tcp_pcb *pcb);
uint32_t tcp_train_limit(const struct tcp_pcb *pcb);

/**
 * tcp_train_cut() - a queued @seg keeps its first @bytes, fewer than it has, and the rest follows it
 * Return: false: no memory, or the device still has it.
 */
bool tcp_train_cut(struct tcp_pcb *pcb, struct tcp_seg *seg, uint32_t bytes);

/** tcp_train_fit() - before tcp_output(): a train that the windows do not let go whole is cut where they end. */
void tcp_train_fit(struct conn *c);

/**
 * tcp_train_dissolve() - before anything may be sent again: trains become the segments that went over the wire, what
 * is acknowledged of them is released. Those that the device still holds stay; lwIP does not send them again either.
 */
void tcp_train_dissolve(struct conn *c);

/** tcp_train_part_last() - the same where only the last segment may be sent again: it is one as it went over the wire. */
void tcp_train_part_last(struct conn *c);
