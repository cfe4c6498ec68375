/* SPDX-License-Identifier: MIT */
/* Loss: what the peer has, what is missing, what is sent again. Private to kernel/net. */
#pragma once
#include "kernel/net/core.h"

/*
 * The scoreboard lies in the segments: lwIP leaves three bits of tcp_seg.flags alone. They are set only between
 * the first selective acknowledgement and the end of a recovery.
 */
#define SEG_SACKED 0x80u     /* the peer has it */
#define SEG_LOST 0x40u       /* is held to be lost */
#define SEG_SENT_AGAIN 0x20u /* since it was held to be lost */
#define SEG_MARKS (SEG_SACKED | SEG_LOST | SEG_SENT_AGAIN)
_Static_assert(!(SEG_MARKS & (TF_SEG_OPTS_MSS | TF_SEG_OPTS_TS | TF_SEG_DATA_CHECKSUMMED | TF_SEG_OPTS_WND_SCALE |
			      TF_SEG_OPTS_SACK_PERM)),
	       "lwIP's bits");

/* What a look over the unacknowledged segments finds. */
struct scoreboard {
	uint32_t pipe;   /* bytes that are on their way [RFC 6675 4, SetPipe()] */
	uint32_t sacked; /* bytes that the peer has beyond its acknowledgement */
	bool has_lost;   /* some are to be sent again */
};

/* tcp_sack.c */
/** sack_take() - mark what the current segment's blocks name. Return: bytes that were not known to be there. */
uint32_t sack_take(struct conn *c, bool is_ack_new);
/** sack_is_any_good() - whether the current segment's blocks name anything beyond its acknowledgement. */
bool sack_is_any_good(const struct conn *c);
/** sack_hold_lost() - all that is missing before the last that is there. */
void sack_hold_lost(struct conn *c);
/** sack_judge() - hold for lost what has been overtaken [RFC 6675 4, RFC 8985 6.2], and sum up. */
struct scoreboard sack_judge(struct conn *c);
/** sack_forget() - the peer may have thrown away what it had [RFC 2018 8]. */
void sack_forget(struct conn *c);
static inline uint32_t seg_seq(const struct tcp_seg *seg)
{
	return be32(seg->tcphdr->seqno);
}
static inline uint32_t seg_end(const struct tcp_seg *seg)
{
	return seg_seq(seg) + TCP_TCPLEN(seg);
}

/* tcp_recover.c */
/** recover_before() - lwIP is about to see an acknowledgement. */
void recover_before(struct conn *c);
/** recover_after() - it has; @lastack: pcb->lastack before. */
void recover_after(struct conn *c, uint32_t lastack);
/** recover_more() - send again what could not be sent again then: the device still had it. */
void recover_more(struct conn *c);
/** recover_forget() - before lwIP sees a segment. */
void recover_forget(void);
/** recover_begin() - @c is established; @was_sent_again: its SYN. recover_idle() - it is about to send. */
void recover_begin(struct conn *c, bool was_sent_again);
void recover_idle(struct conn *c);
/**
 * recover_gather() - what waits to be sent again, back among the unacknowledged ones: lwIP is about to put all of these in
 * front of what waits, and sends nothing that lies behind what does not fit the window.
 */
void recover_gather(struct tcp_pcb *pcb);
/** recover_from_timeout() - lwIP's retransmission timer has just fired. @ssthresh: before. */
void recover_from_timeout(struct conn *c, uint32_t ssthresh);
/** recover_is_probed() - whether more is under way than the one segment whose acknowledgement may be delayed. */
static inline bool recover_is_probed(const struct tcp_pcb *pcb)
{
	return pcb->unacked->next || pcb->unacked->len > pcb->mss;
}
/** recover_probe_ms() - a probe of the tail is due in so many ms, 0: none is [RFC 8985 7.2]. */
uint32_t recover_probe_ms(struct conn *c);
/** recover_probe() - send it. */
void recover_probe(struct conn *c);
