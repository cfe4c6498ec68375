/* SPDX-License-Identifier: MIT */
/*
 * The scoreboard of selective acknowledgements, kept in marks on lwIP's own segments: no memory, no limit to
 * the number of holes. A segment is lost when three later ones or more than two full ones have arrived, or
 * when something sent noticeably later has: its own timestamp says when it was last sent. [RFC 6675, RFC 8985]
 */
#include "kernel/base/bytes.h"
#include "kernel/net/tcp_options.h"
#include "kernel/net/tcp_recover.h"
#include "kernel/net/tcp_ts.h"

#define DUP_THRESH 3u     /* [RFC 6675 2] */
#define REORDER_MIN_MS 1u /* our clock ticks in ms: what differs by less was sent together */
#define REORDER_PART 4    /* of a round trip that an overtaking may take [RFC 8985 6.2] */

static PERCORE uint32_t newest_ms; /* when the latest of the segments that just arrived was sent */
static PERCORE bool has_newest;

/* When @seg was last sent, on the clock of ts_clock(): lwIP writes it into the header each time. */
static bool sent_ms(const struct tcp_seg *seg, uint32_t *ms)
{
	uint32_t words[2];

	if (!(seg->flags & TF_SEG_OPTS_TS) || (seg->flags & TF_SEG_OPTS_MSS))
		return false;
	memcpy(words, seg->tcphdr + 1, sizeof(words));
	*ms = be32(words[1]);
	return true;
}

/* [RFC 2018 5, RFC 2883 4]: a block below the acknowledgement reports a duplicate; one beyond what was sent, nothing. */
static bool is_block_good(const struct tcp_pcb *pcb, const struct tcp_sack_range *b)
{
	return TCP_SEQ_LT(b->left, b->right) && TCP_SEQ_GT(b->left, pcb->lastack) &&
	       TCP_SEQ_LEQ(b->right, pcb->snd_nxt);
}

bool sack_is_any_good(const struct conn *c)
{
	const struct tcp_options *o = options_of_segment();

	for (unsigned i = 0; i < o->sack_count; i++)
		if (is_block_good(pcb_of((struct conn *)(uintptr_t)c), &o->sacks[i]))
			return true;
	return false;
}

static bool is_named(const struct tcp_seg *seg, const struct tcp_options *o, unsigned good)
{
	for (unsigned i = 0; i < o->sack_count; i++)
		if ((good >> i & 1) && TCP_SEQ_GEQ(seg_seq(seg), o->sacks[i].left) &&
		    TCP_SEQ_LEQ(seg_end(seg), o->sacks[i].right))
			return true;
	return false;
}

static void note_arrival(const struct conn *c, uint32_t ms)
{
	if ((int32_t)(ts_clock(c) - ms) < 0 || (has_newest && (int32_t)(ms - newest_ms) <= 0))
		return;
	newest_ms = ms;
	has_newest = true;
}

/* A segment sent again a moment ago: it was the first one that arrived [RFC 8985 6.2 step 2]. */
static bool is_too_soon(const struct conn *c, const struct tcp_seg *seg, uint32_t ms)
{
	int srtt = pcb_of((struct conn *)(uintptr_t)c)->sa >> 3;

	return (seg->flags & SEG_SENT_AGAIN) && (int32_t)(ts_clock(c) - ms) < srtt / 2;
}

uint32_t sack_take(struct conn *c, bool is_ack_new)
{
	struct tcp_pcb *pcb = pcb_of(c);
	const struct tcp_options *o = options_of_segment();
	uint32_t good = 0, bytes = 0, ms;

	has_newest = false;
	if (is_ack_new && o->has_ts)
		note_arrival(c, o->ts_echo);
	/* It has what comes next and does not acknowledge it: then it has thrown away what it had. */
	if (pcb->unacked && (pcb->unacked->flags & SEG_SACKED) && seg_seq(pcb->unacked) == pcb->lastack)
		sack_forget(c);
	for (unsigned i = 0; i < o->sack_count; i++)
		good |= (unsigned)is_block_good(pcb, &o->sacks[i]) << i;
	if (!good)
		return 0;
	for (struct tcp_seg *seg = pcb->unacked; seg; seg = seg->next) {
		if ((seg->flags & SEG_SACKED) || !is_named(seg, o, good))
			continue;
		if (sent_ms(seg, &ms) && !is_too_soon(c, seg, ms))
			note_arrival(c, ms);
		seg->flags |= SEG_SACKED;
		bytes += TCP_TCPLEN(seg);
	}
	return bytes;
}

void sack_hold_lost(struct conn *c)
{
	struct tcp_seg *last = NULL;

	for (struct tcp_seg *seg = pcb_of(c)->unacked; seg; seg = seg->next)
		if (seg->flags & SEG_SACKED)
			last = seg;
	for (struct tcp_seg *seg = pcb_of(c)->unacked; last && seg != last; seg = seg->next)
		if (!(seg->flags & SEG_SACKED))
			seg->flags |= SEG_LOST;
}

void sack_forget(struct conn *c)
{
	for (struct tcp_seg *seg = pcb_of(c)->unacked; seg; seg = seg->next)
		seg->flags &= (u8_t)~SEG_SACKED;
}

static bool is_overtaken(const struct tcp_pcb *pcb, const struct tcp_seg *seg)
{
	int reorder = MAX((pcb->sa >> 3) / REORDER_PART, (int)REORDER_MIN_MS);
	uint32_t ms;

	return has_newest && sent_ms(seg, &ms) && (int32_t)(newest_ms - ms) > reorder;
}

/* @after, @after_bytes: that have arrived behind it. */
static void judge(const struct tcp_pcb *pcb, struct tcp_seg *seg, unsigned after, uint32_t after_bytes)
{
	if (is_overtaken(pcb, seg)) {
		seg->flags = (u8_t)((seg->flags & ~SEG_SENT_AGAIN) | SEG_LOST); /* also what was sent again */
		return;
	}
	if (after >= DUP_THRESH || after_bytes > (DUP_THRESH - 1) * pcb->mss)
		seg->flags |= SEG_LOST;
}

struct scoreboard sack_judge(struct conn *c)
{
	struct tcp_pcb *pcb = pcb_of(c);
	struct scoreboard s = { 0 };
	unsigned after = 0;
	uint32_t after_bytes;

	for (struct tcp_seg *seg = pcb->unacked; seg; seg = seg->next) {
		if (!(seg->flags & SEG_SACKED))
			continue;
		after++;
		s.sacked += TCP_TCPLEN(seg);
	}
	after_bytes = s.sacked;
	for (struct tcp_seg *seg = pcb->unacked; seg; seg = seg->next) {
		if (seg->flags & SEG_SACKED) {
			after--;
			after_bytes -= TCP_TCPLEN(seg);
			continue;
		}
		judge(pcb, seg, after, after_bytes);
		if (!(seg->flags & SEG_LOST) || (seg->flags & SEG_SENT_AGAIN))
			s.pipe += TCP_TCPLEN(seg);
		else
			s.has_lost = true;
	}
	/* Moved there to be sent again; the device did not take them yet. */
	for (struct tcp_seg *seg = pcb->unsent; seg && TCP_SEQ_LT(seg_seq(seg), pcb->snd_nxt); seg = seg->next)
		s.pipe += TCP_TCPLEN(seg);
	return s;
}
