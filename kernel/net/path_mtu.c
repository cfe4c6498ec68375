/* SPDX-License-Identifier: MIT */
/*
 * Smaller segments for a path that does not take the ones we send. Where nothing has been acknowledged yet
 * a claim is followed at once; later it waits for a retransmission timeout, because what keeps being
 * acknowledged does get through, whatever somebody says. Segments that are queued are cut, and none of this
 * counts as congestion. [RFC 1191 6, RFC 5927 7.2, RFC 8201 5.4]
 */
#include "kernel/net/path_mtu.h"

#include "kernel/net/tcp_ecn.h"
#include "kernel/net/tcp_queue.h"
#include "kernel/net/tcp_recover.h"

static struct mss_claim *claim_of(struct conn *c)
{
	return c->flags & CONN_ECN ? &c->ecn->claim : &c->claim;
}

/* What cannot be cut, because memory is short, goes out as it is, and a further error will say so. */
static void cut_unsent(struct tcp_pcb *pcb)
{
	uint32_t most = tcp_train_unit(pcb);

	for (struct tcp_seg *seg = pcb->unsent; seg; seg = seg->next)
		if (seg->len > most && !tcp_train_cut(pcb, seg, most))
			net_self.stats.dropped_no_memory++;
}

/* Return: false if the device still holds a segment, or memory is short: not now. */
static bool lower(struct conn *c, uint16_t mss)
{
	struct tcp_pcb *pcb = pcb_of(c);
	uint8_t retries = pcb->nrtx;

	recover_gather(pcb);
	if (pcb->unacked && tcp_rexmit_rto_prepare(pcb) != ERR_OK)
		return false;
	pcb->mss = mss;
	net_self.stats.mss_lowered++;
	cut_unsent(pcb);
	net_self.tx_conn = c;
	tcp_rexmit_rto_commit(pcb);
	net_self.tx_conn = NULL;
	pcb->nrtx = retries;
	pcb->rtime = 0;
	return true;
}

void path_mtu_claim(struct conn *c, uint32_t seq, unsigned mss)
{
	const struct tcp_pcb *pcb = pcb_of(c);

	if (mss >= pcb->mss || pcb->state < ESTABLISHED)
		return;
	if (c->acked == 0 && lower(c, (uint16_t)mss)) {
		conn_after(c);
		return;
	}
	*claim_of(c) = (struct mss_claim){ .seq = seq, .mss = (uint16_t)mss };
}

bool path_mtu_on_timeout(struct conn *c)
{
	const struct tcp_pcb *pcb = pcb_of(c);
	struct mss_claim *claim = claim_of(c);

	if (!claim->mss)
		return false;
	if (claim->mss >= pcb->mss || (int32_t)(claim->seq - pcb->lastack) < 0) {
		claim->mss = 0;
		return false;
	}
	if (!lower(c, claim->mss))
		return false;
	claim->mss = 0;
	return true;
}
