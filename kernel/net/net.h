/* SPDX-License-Identifier: MIT */
/*
 * In: frames of flows that this core owns (net_input), checked calls of ring 3 (net_listen ... below),
 * time (wheel). Out: frames by flow_tx(), event conditions by event_push(). Who calls: loop.c, sys.
 * Start reading at input.c, then demux.c, tcp_in.c.
 */
#pragma once
#include "kernel/abi/call.h"
#include "kernel/abi/event.h"
#include "kernel/base/percore.h"
#include "kernel/buf/buf.h"
#include "kernel/flow/flow.h"

struct conf;

/* ---- life ---- */
/** net_init() - once, on the boot core, before other cores: tables sized by @conf. 0 or KERR_NO_MEMORY. */
int net_init(const struct conf *conf);
/** net_block_bytes() - of mem_slab_init()'s memory that @connections idle connections take. */
size_t net_block_bytes(uint32_t connections);
/** net_core_init() - the calling core's lwIP instance, demultiplexer, interface. 0 or KERR_NO_MEMORY. */
int net_core_init(void);
/** net_address() - our IPv4 address, network order; 0 while DHCP has not answered. */
be32_t net_address(void);

/* What the outside is told of us. */
struct net_who {
	be32_t address; /* 0: none yet */
	uint32_t prefix;
	struct ip6 address6; /* the first that is not link-local; ::: none */
	uint32_t prefix6;
	bool is_ready; /* has an address, and all ports of the manifest are served */
};
/** net_who() - boot core. */
void net_who(struct net_who *out);
/** net_drain() - from now on connection requests are dropped, or no longer; what is open goes on. Boot core. */
void net_drain(bool is_on);
bool net_is_draining(void);

/* ---- one turn of the loop, in this order ---- */
/** net_tx_reclaim() - free what the device has sent; may mark connections `sent`. */
void net_tx_reclaim(void);
/**
 * net_input() - @count frames of this core through TCP/IP; takes ownership; outcomes mark connections. @is_all: nothing else
 * had arrived. Timers (time_run()) come behind it: what they wait for may be among these.
 */
void net_input(struct buf **frames, unsigned count, bool is_all);
/** net_output() - end of a batch: one tcp_output per touched connection, delayed ACKs, neighbours' queues. */
void net_output(void);
/** net_events() - write pending events of marked connections until the array is full; the rest stays marked. */
void net_events(void);
/** net_has_events() - whether anything is marked. */
bool net_has_events(void);

/* ---- calls of ring 3, on the calling core; values already fetched and range-checked ---- */
/* One range to send: kernel-readable memory behind a ring-3 range. */
struct net_range {
	const uint8_t *data; /* direct map */
	uint32_t bytes;
	struct buf *lent; /* receive buffer it lies in, NULL: partition data */
};

/* Each returns enum ix_status (IX_OK or negative). Handles are checked here. */
int net_listen(const struct ix_endpoint *local, uint64_t cookie, ix_handle_t *handle);
int net_unlisten(ix_handle_t handle);
int net_connect(const struct ix_connect *wish, unsigned flags, ix_handle_t *handle); /* @flags: IX_CONNECT_PINNED */
int net_accept(ix_handle_t handle, uint64_t cookie);
int net_reject(ix_handle_t handle);
/**
 * net_sendv() - @flags: IX_SENDV_MORE, IX_SENDV_DONE; @taken: bytes accepted, a prefix of the ranges
 * IX_BAD_ADDRESS: a lent buffer not of this connection. net_send() - the same of one range.
 */
int net_send(ix_handle_t handle, const struct net_range *range, unsigned flags, uint64_t *taken);
int net_sendv(ix_handle_t handle, const struct net_range *ranges, unsigned count, unsigned flags, uint64_t *taken);
/**
 * net_send_back() - send the oldest @bytes of lent data back over the connection and have them given back
 * @flags: IX_SENDV_MORE. @taken: bytes accepted, a prefix. IX_BAD_LENGTH: 0, or more than is lent.
 */
int net_send_back(ix_handle_t handle, uint64_t bytes, unsigned flags, uint64_t *taken);
int net_recv_done(ix_handle_t handle, uint64_t bytes);
int net_shutdown(ix_handle_t handle);
int net_close(ix_handle_t handle);
int net_abort(ix_handle_t handle);
int net_set(ix_handle_t handle, uint64_t option, uint64_t value);
int net_release(ix_handle_t handle);
/** net_take_moved() - how many calls were answered IX_MOVED since it was last asked. */
uint32_t net_take_moved(void);
int net_udp_bind(const struct ix_endpoint *local, uint64_t cookie, ix_handle_t *handle);
int net_udp_unbind(ix_handle_t handle);
int net_udp_send(ix_handle_t handle, const struct ix_endpoint *remote, const struct net_range *data, uint64_t *sent);
int net_udp_recv_done(ix_handle_t handle, uint64_t datagrams);

/* ---- handles: one table for all that ring 3 can name ---- */
enum net_kind { NET_FREE, NET_CONNECTION, NET_LISTENER, NET_UDP, NET_TIMER, NET_KIND_NR };

/**
 * net_handle_new() - a handle of the calling core for an object that the caller keeps (sys: application timers)
 * Return: never 0 but when the table is full.
 */
ix_handle_t net_handle_new(enum net_kind kind, void *object);
/** net_handle_find() - its object; NULL if stale, forged, of another kind or of another core. */
void *net_handle_find(ix_handle_t handle, enum net_kind kind);
/** net_handle_free() - from here on the handle is stale. Only what net_handle_find() would find. */
void net_handle_free(ix_handle_t handle);

/* ---- moving between cores ---- */
/* Steps of a move, as flow_message.kind. */
enum net_move_kind { NET_MOVE_BEGIN, NET_MOVE_PREPARE, NET_MOVE_READY, NET_MOVE_PASS, NET_MOVE_DONE };

struct net_move_result {
	uint8_t group, to;
	int status; /* 0; nothing moved: KERR_NO_MEMORY (the other core has no room), KERR_STATE (not its owner) */
	uint32_t connections; /* that moved */
	uint32_t forced;      /* of them, not released by ring 3 in time */
};

/**
 * net_move_begin() - have the owner of @group move it and its connections to core @to
 * At most one move of a group at a time. The result comes to the calling core by net_move_message().
 * Return: 0 or KERR_NO_MEMORY.
 */
int net_move_begin(uint8_t group, uint32_t to);
/** net_move_message() - work off one of flow_messages(). Return: true if a move that this core began is over: @result. */
bool net_move_message(struct flow_message *message, struct net_move_result *result);
/**
 * net_leave() - all connections that the calling core still has when its groups are gone begin to go to core @to
 * Return: false: no memory. net_has_left(): whether nothing is left on this core, or on its way to or from it.
 */
bool net_leave(uint32_t to);
bool net_has_left(void);
/** net_park() - the calling core will not turn for a while: what it keeps in advance is for others. */
void net_park(void);
/** net_move_poll() - once a turn: go on with what leaves the calling core. */
void net_move_poll(void);

/* ---- partition death and restart ---- */
/**
 * net_partition_end() - this core: reset every connection, drop listeners and sockets, free lent buffers
 * While the partition is down SYNs are dropped, not refused, for at most 3 s; ARP and ping go on.
 */
void net_partition_end(void);
/** net_partition_pending_tx() - frames whose memory the device still has (0: pages may be reused). */
unsigned net_partition_pending_tx(void);
/** net_partition_start() - the partition runs again; SYNs to closed ports are refused when the 3 s are over. */
void net_partition_start(void);

struct net_stats {
	uint64_t frames_in, bad_frames, bad_csum, dropped_no_memory, dropped_no_buffer, slow_path;
	uint64_t segments_in, segments_out, retransmits, resets_sent, accepted, connections;
	uint64_t ecn_marks, ecn_reductions; /* segments that came marked; windows that shrank because of ours */
	uint64_t timeouts;                  /* retransmission timers and probes of closed windows that were due */
	uint64_t dropped_old;               /* by their timestamp [RFC 7323 5.3] */
	uint64_t dropped_ack;               /* by their acknowledgement [RFC 5961 5.2], or a SYN within a connection */
	uint64_t udp_in, udp_out, udp_dropped;
	uint64_t conns_moved, conns_followed,
		releases_forced;               /* of which one by one; connections ring 3 did not release */
	uint64_t moving_dropped;               /* segments that could not wait for a connection on its way */
	uint64_t misplaced, misplaced_dropped; /* segments of other cores' connections: passed on, beyond the limit */
	uint64_t icmp_errors, icmp_ignored, mss_lowered; /* errors that speak of a segment under way, and others */
	uint64_t evicted;                                /* connections reset for the memory they held */
	uint64_t cookies_sent, cookies_good, backlog_dropped, challenges;
};
void net_stats(struct net_stats *out);
