/* SPDX-License-Identifier: MIT */
/* What a core has and has done, as lines for people and for tests: memory held, what waits, what was refused. */
#include "kernel/net/tell.h"

#include "kernel/base/log.h"
#include "kernel/conf/conf.h"
#include "kernel/cpu/cpu.h"
#include "kernel/mem/mem.h"
#include "kernel/net/core.h"

#define TICKS_OF_S(s) ((uint64_t)(s)*1000000 / TIME_TICK_US)

static PERCORE struct time_node node;

static void on_time(struct time_node *n)
{
	const struct net_stats *s = &net_self.stats;
	uint32_t waiting = 0;

	for (unsigned i = 0; i < NET_BINDINGS_MAX; i++)
		waiting += net_self.load[i].waiting;
	log_line("stats core %u: %lu connections, %u half-open, %u waiting; buffers %u of %u, %u out of order; "
		 "slab %lu KiB; %lu segments in, %lu out, %lu again; cookies %lu, %lu good; "
		 "dropped %lu backlog, %lu buffers, %lu memory, %lu bad; evicted %lu",
		 core_id(), s->connections, net_self.half_open_count, waiting, buf_available(), buf_total(),
		 net_self.ooseq_count, mem_slab_used() / 1024, s->segments_in, s->segments_out, s->retransmits,
		 s->cookies_sent, s->cookies_good, s->backlog_dropped, s->dropped_no_buffer, s->dropped_no_memory,
		 s->bad_frames + s->bad_csum, s->evicted);
	log_line("stats core %u: moved away %lu, %lu of them by themselves, %lu not released; "
		 "segments passed on %lu, lost on the way %lu",
		 core_id(), s->conns_moved, s->conns_followed, s->releases_forced, s->misplaced,
		 s->misplaced_dropped + s->moving_dropped);
	log_line("stats core %u: %lu timeouts; marked %lu, %lu windows smaller by marks; dropped %lu old, %lu by ack",
		 core_id(), s->timeouts, s->ecn_marks, s->ecn_reductions, s->dropped_old, s->dropped_ack);
	time_arm(n, net_self.now_tick + TICKS_OF_S(net_shared.conf->stats_s));
}

void tell_core_init(void)
{
	time_node_init(&node, on_time);
	if (net_shared.conf->stats_s)
		time_arm(&node, net_self.now_tick + TICKS_OF_S(net_shared.conf->stats_s));
}
