/* SPDX-License-Identifier: MIT */
/*
 * What a core knows of its connections. struct conn stands right behind lwIP's pcb in the same block, so
 * finding the pcb is finding the connection; struct net_core lies in the window, one a core, next to
 * lwIP's own data. Private to kernel/net.
 */
#pragma once
#include "kernel/base/assert.h"
#include "kernel/base/owner.h"
#include "kernel/net/ip6_setup.h"
#include "kernel/net/lwip.h"
#include "kernel/net/net.h"
#include "kernel/net/rate.h"
#include "kernel/net/rx_buf.h"
#include "kernel/time/time.h"

#define NET_BINDINGS_MAX 64u
#define CONN_HELD_MAX (64u + TCP_WND / BUF_BYTES) /* receive buffers a connection may hold */
#define CONN_HELD_FREE 4u                         /* so many may hold short payloads, the rest is packed */
#define DEFAULT_TTL 64u

enum conn_flag {
	CONN_KNOCK = 0x1,           /* pending event: knock */
	CONN_CONNECTED = 0x2,       /* pending event: connected */
	CONN_EOF = 0x4,             /* pending event: peer's FIN */
	CONN_DEAD = 0x8,            /* pending event: the last one */
	CONN_ACCEPTED = 0x10,       /* ring 3 has given a cookie: events may go out */
	CONN_CLOSING = 0x20,        /* ring 3 has closed, rejected or aborted it */
	CONN_SHUT = 0x40,           /* no more to send */
	CONN_GONE = 0x80,           /* lwIP has freed its part */
	CONN_HALF_OPEN = 0x100,     /* passive, not yet acknowledged */
	CONN_RECOVER = 0x200,       /* in fast recovery up to conn.recover */
	CONN_GRACE = 0x400,         /* waits for the device to give back the frames of one parity */
	CONN_HASHED = 0x800,        /* in the demultiplexer */
	CONN_UNREACHABLE = 0x20000, /* somebody says that the peer cannot be reached; said again if it times out */
	CONN_WAITING = 0x10000,     /* established, not accepted by ring 3 */
	CONN_SELDOM = 0x40000,      /* its timer is taken off the wheel when it has nothing to wait for */
	CONN_COUNTED = 0x8000,      /* has one of the partition's places */
	CONN_PROBE = 0x100000,      /* rto_at is when the tail is probed */
	CONN_PROBED = 0x200000,     /* it has been */
	CONN_ECN = 0x800000,        /* conn.ecn is there */
	CONN_RESCUED = 0x400000,    /* in this recovery the last segment was sent again */
	CONN_ON_DIRTY = 0x1000,     /* in the queue of that name */
	CONN_ON_OUT = 0x2000,
	CONN_ON_DELACK = 0x4000,
	CONN_ON_ANY = 0x7000,
	CONN_MOVING = 0x1000000,   /* on its way to another core: nothing happens to it (moving.c) */
	CONN_TELL = 0x2000000,     /* pending event: moving */
	CONN_RELEASED = 0x4000000, /* ring 3 has answered it */
	CONN_MOVED = 0x8000000,    /* pending event: moved */
	CONN_STRAYED = 0x10000000, /* it is to be looked at where its next segment arrives */
	CONN_UNPREDICTED = CONN_RECOVER | CONN_MOVING | CONN_STRAYED, /* nothing for tcp_fast.c */
	CONN_PINNED = 0x20000000, /* stays where it was begun, wherever its segments arrive */
	CONN_AWAY = 0x40000000,   /* counted in away.c, by its hash */
};

/* What somebody says of the path, until a retransmission timeout confirms it. */
struct mss_claim {
	uint32_t seq;
	uint16_t mss; /* 0: nobody says so */
};

struct conn {
	/* timers.c */
	struct time_node timer;
	uint64_t deadline;   /* what is wanted, in ticks; the node may be armed earlier */
	uint64_t rto_at;     /* retransmission or probe due, in ticks */
	uint32_t stalled_ms; /* since when nothing was acknowledged, or the connection was begun */
	uint32_t heard_ms;   /* last segment from the peer */
	uint16_t rto_floor_ms;
	uint8_t reason; /* enum ix_dead, 0: not known yet */
	uint8_t epoch;  /* parity of frames given to the device */
	/* events.c */
	uint32_t flags;     /* enum conn_flag */
	ix_handle_t handle; /* 0: ring 3 does not know it (yet, or no more) */
	uint64_t cookie;
	struct conn *dirty_next, *out_next;
	union {
		struct conn *delack_next;
		struct net_move *move; /* while CONN_MOVING */
	};
	/* tcp_in.c */
	uint32_t hash;       /* while CONN_HASHED */
	uint16_t delack_ms;  /* since when CONN_ON_DELACK, modulo 2^16 */
	uint8_t quick_acks;  /* conn.c: acknowledgements that are not delayed yet */
	uint8_t listener;    /* while CONN_HALF_OPEN or CONN_WAITING: index of its binding */
	uint8_t group;       /* flow group, FLOW_GROUP_NONE: not known yet */
	uint8_t strays;      /* segments in a row that arrived on core ... */
	uint8_t stray_core;  /* ... instead of here */
	uint8_t empty_64ms;  /* when it last answered an empty segment from elsewhere, modulo 2^8 */
	uint16_t rx_held;    /* buffers in the queue */
	uint16_t ooseq_held; /* pbufs in lwIP's out-of-order queue */
	struct buf *rx_head, *rx_tail;
	struct buf *rx_tell; /* first one with bytes not announced */
	union {
		struct mss_claim claim; /* path_mtu.c */
		struct tcp_ecn *ecn;    /* tcp_ecn.c: with CONN_ECN, and then the claim is in there */
	};
	struct list link;   /* in net_core.half_open, then in .ooseq while ooseq_held; moving: in net_move.conns */
	uint32_t rx_untold; /* bytes not announced */
	uint32_t rx_lent;   /* bytes announced and not given back */
	uint32_t recved;    /* bytes given back that the window does not know of yet */
	uint32_t recover;   /* sequence number that ends fast recovery */
	uint32_t ts_offset; /* our clock as this peer sees it, less now_ms */
	/* tcp_out.c: positions in the stream, modulo 2^32 */
	uint32_t queued, acked, released, reported;
	uint32_t grace_mark; /* released becomes this when CONN_GRACE ends */
	uint16_t busy[2];    /* frames over memory of ring 3 that the device has, by parity */
	/* output.c */
	uint32_t l2_version; /* of the neighbour table that l2 was read from, 0: not read */
	uint8_t l2[14];
	/* tcp_check.c */
	uint16_t challenge_ms; /* when it last answered what it did not believe, modulo 2^16 */
	struct owner_stamp owner;
};

#define PCB_BYTES LWIP_MEM_ALIGN_SIZE(sizeof(struct tcp_pcb))

static inline struct conn *conn_of(struct tcp_pcb *pcb)
{
	return (struct conn *)(void *)((char *)pcb + PCB_BYTES);
}
static inline struct tcp_pcb *pcb_of(struct conn *c)
{
	return (struct tcp_pcb *)(void *)((char *)c - PCB_BYTES);
}

/* A queue of connections linked by one of their *_next fields. */
struct conn_queue {
	struct conn *head, *tail;
};

/* Connections of a listener that ring 3 does not have yet. */
struct listener_load {
	uint32_t half_open, waiting;
};

struct net_core {
	struct netif netif;
	struct ip6_setup ip6;
	uint32_t now_ms;              /* as tcp_ticks */
	uint64_t now_tick, seen_tick; /* what had arrived by seen_tick has been looked at (input.c) */
	struct conn *tx_conn;         /* whose segments lwIP is sending */
	struct tcp_pcb *keep;         /* block that lwIP is about to free and struct conn still needs */
	struct conn_queue dirty;      /* with events to write */
	struct conn_queue out;        /* with something to send or to acknowledge */
	struct conn_queue delack;     /* with a delayed acknowledgement, oldest first */
	struct conn_queue quick;      /* the same of those that have just begun */
	struct buf *grace_bufs;       /* lent to connections whose end ring 3 has just been told */
	struct list half_open;
	uint32_t half_open_count;
	struct list ooseq; /* connections with out-of-order data, oldest first */
	uint32_t ooseq_count;
	struct list moves;        /* groups and connections that leave this core (moving.c) */
	struct list arrivals;     /* and those that are expected */
	uint32_t calls_moved;     /* answered IX_MOVED, not yet reported */
	uint8_t arrival_group;    /* of the frame that lwIP works on, where a group is a queue */
	uint64_t udp_dirty;       /* bit: socket with datagrams to announce */
	uint32_t epoch_seen;      /* of net_shared.epoch */
	uint32_t tx_refs;         /* frames over memory of ring 3 that the device has */
	uint32_t tokens[RATE_NR]; /* rate.c */
	uint32_t token_ms;        /* when they were filled up */
	uint32_t replayed_isn;    /* while is_replaying: of the connection that a cookie stands for */
	bool is_replaying;        /* nothing is sent */
	uint32_t down_ms;
	bool is_down;            /* no partition: datagrams are dropped */
	bool has_ended;          /* at down_ms: for a while connection requests are dropped, not refused */
	bool is_summed;          /* what is received, by the device */
	bool is_low;             /* on receive buffers, as this batch began: data waits */
	bool is_sending_blocked; /* the transmit queue was full in this turn */
	uint8_t timer_shadow;    /* lwIP's private tcp_timer_ctr: both move only in timers.c */
	uint8_t ext_id;          /* of lwIP's extension argument */
	struct time_node tick;   /* delayed acknowledgements, blocked output, device's debts */
	struct tcp_pcb *listeners[NET_BINDINGS_MAX];
	struct listener_load load[NET_BINDINGS_MAX];
	struct net_stats stats;
};

extern PERCORE struct net_core net_self;

/* What all cores share; written rarely, by the boot core or under the lock, and announced by epoch. */
struct net_shared {
	uint32_t epoch;       /* grows with each change of the rest or of the bindings; read once a turn by all */
	be32_t address, mask; /* ours, 0: none yet */
	be32_t gateway;       /* 0: none */
	struct ip6_setup ip6;
	uint32_t ip6_sequence; /* odd while the boot core writes ip6 */
	uint16_t rto_floor_ms;
	uint16_t mtu;
	bool has_timestamps, is_draining; /* connections may agree on them; requests for connections are dropped */
	uint32_t half_open;               /* most, of each core */
	const struct conf *conf;
};
extern struct net_shared net_shared;

#define QUEUE_PUSH(queue, c, field, flag)                   \
	do {                                                \
		if (!((c)->flags & (flag))) {               \
			(c)->flags |= (flag);               \
			(c)->field = NULL;                  \
			if ((queue)->tail)                  \
				(queue)->tail->field = (c); \
			else                                \
				(queue)->head = (c);        \
			(queue)->tail = (c);                \
		}                                           \
	} while (0)

/** net_sync() - follow net_shared if it has changed. */
void net_sync(void);

/* conn.c */
/** conn_init() - the part behind a pcb that lwIP has just made; before lwIP sends anything for it. */
void conn_init(struct tcp_pcb *pcb);
/** conn_begin_passive() - the same of one that was asked for by a SYN to @b. */
struct binding;
void conn_begin_passive(struct tcp_pcb *pcb, const struct binding *b);
/** conn_find() - the calling core's connection of @handle; NULL: there is none, or it moves (handle_missing() says which). */
struct conn *conn_find(ix_handle_t handle);
/** conn_leave() - take @c off this core's lists and counters, queues excepted; conn_join() - put it on the calling core's. */
void conn_leave(struct conn *c);
void conn_join(struct conn *c);
/** conn_mark() - it has events to write; conn_touch() - it has something to send. */
void conn_mark(struct conn *c);
void conn_touch(struct conn *c);
/** conn_take() - oldest of a queue with @flag cleared, NULL if empty. */
struct conn *conn_take_dirty(void);
struct conn *conn_take_out(void);
struct conn *conn_take_delack(struct conn_queue *queue);
/** conn_wait_delack() - an acknowledgement is delayed from now on. */
void conn_wait_delack(struct conn *c);
/** conn_abort() - RST, @reason (enum ix_dead) unless one is known; @c may be gone afterwards. */
void conn_abort(struct conn *c, unsigned reason);
/** conn_free_if_done() - give the block back when neither lwIP, ring 3, a queue nor the device needs it. */
void conn_free_if_done(struct conn *c);
/** conn_drop_rx() - forget received data; @grace: only at the next turn, ring 3 may still be reading. */
void conn_drop_rx(struct conn *c, bool grace);
/** conn_after() - look at what lwIP made of @c: timers, delayed acknowledgement, out-of-order budget. */
void conn_after(struct conn *c);
/** conn_after_plain() - the same after header prediction, which leaves less to look at. */
void conn_after_plain(struct conn *c);
/** conn_check_over() - tell ring 3 of a connection that it has closed once all is acknowledged. */
void conn_check_over(struct conn *c);
/** conn_established() - it has a handle now; @event: CONN_KNOCK or CONN_CONNECTED. */
void conn_established(struct conn *c, unsigned event);
/** conn_end() - nothing more to come: IX_EV_DEAD is the last event. conn_told_dead() - ring 3 has got it. */
void conn_end(struct conn *c);
void conn_told_dead(struct conn *c);
extern const struct tcp_ext_arg_callbacks conn_ext_callbacks;

/* limit.c */
/** limit_init() - @connections places in all. limit_core_init() - the calling core has none yet. */
void limit_init(uint32_t connections, uint32_t cores);
void limit_core_init(void);
/** limit_has_room() - whether limit_take() would succeed now. limit_take() - a place for @c. limit_give() - if it has one. */
bool limit_has_room(void);
bool limit_take(struct conn *c);
void limit_give(struct conn *c);

/* timers.c */
void timers_init(struct conn *c);
/**
 * timers_post() - lwIP has touched @c. timers_restart(), timers_stop() - the same where only the retransmission timer began
 * anew, or nothing is left to wait for. timers_resume() - on another core, with what was due.
 */
void timers_post(struct conn *c);
void timers_restart(struct conn *c);
void timers_stop(struct conn *c);
void timers_resume(struct conn *c);

/* tcp_rx.c */
/** tcp_rx_done() - ring 3 gives back @bytes of what it was told. IX_OK or IX_BAD_LENGTH. */
int tcp_rx_done(struct conn *c, uint64_t bytes);
/**
 * tcp_rx_take() - queue @bytes of data in @b for ring 3, or copy them behind what is there
 * Return: true if @b is in the queue now; false: it is the caller's again.
 */
bool tcp_rx_take(struct conn *c, struct buf *b, const uint8_t *data, unsigned bytes);

/* tcp_fast.c, tcp_fast_out.c */
/** tcp_fast_recved() - as tcp_recved(), of any number of bytes; an acknowledgement that is due waits for tcp_output(). */
void tcp_fast_recved(struct conn *c, uint32_t bytes);
/** tcp_fast_write() - queue a short copy as a segment of its own; false: lwIP must, nothing has happened. */
bool tcp_fast_write(struct conn *c, const uint8_t *data, uint32_t bytes, bool has_more);
/** tcp_fast_close() - as tcp_close() where the peer has finished, the FIN only queued; false: lwIP must, nothing has happened. */
bool tcp_fast_close(struct conn *c);
/**
 * tcp_fast_mark() - queue a SYN or a FIN, which @flags say, as a segment of its own with room for @options bytes; nothing is unsent
 * Return: false: no memory.
 */
bool tcp_fast_mark(struct tcp_pcb *pcb, uint32_t options, uint32_t flags);
/** tcp_fast_output() - send what is queued if it is one plain segment; false: lwIP must, nothing has happened. */
bool tcp_fast_output(struct conn *c);

/* tcp_out.c */
/** tcp_out_release() - the device gave back a frame, or the peer acknowledged: advance conn.released. */
void tcp_out_release(struct conn *c);
/** tcp_out_room() - bytes that net_sendv() would take now. */
uint32_t tcp_out_room(struct conn *c);
