/* SPDX-License-Identifier: MIT */
/*
 * What the files of libix share: a core's state, a connection, a range of bytes. All of it belongs to
 * one core; only listeners and UDP sockets are seen by all, and they do not change once they are set.
 */
#pragma once
#include "lib/ix/ix.h"
#include "lib/ix/slab.h"
#include "lib/libc/libc.h"
#include <stdbool.h>

/* ---- a range of bytes, waiting to be read, to be taken by ring 0, or to be acknowledged ---- */
enum span_kind {
	SPAN_LENT = 0, /* receive memory */
	SPAN_COPY = 1, /* in a chunk of ours */
	SPAN_APP = 2,  /* the application's */
};

/* Memory for copies, filled from the front by one connection, shared by spans. */
struct ix_chunk {
	uint32_t refs;
	uint32_t fill;
#define IX_CHUNK_BYTES 4088u
	uint8_t bytes[IX_CHUNK_BYTES];
};

struct ix_span {
	struct ix_span *next;
	const uint8_t *at; /* what is left of it */
	uint32_t bytes;
	uint32_t kind;
	uint64_t end; /* stream position behind it: SPAN_LENT of what was received, else of what was queued */
	union {
		struct ix_chunk *chunk; /* SPAN_COPY */
		struct {
			void (*done)(void *arg); /* SPAN_APP, may be NULL */
			void *arg;
		};
	};
};

struct ix_list {
	struct ix_span *head, *tail;
};

static inline void ix_list_push(struct ix_list *l, struct ix_span *s)
{
	s->next = NULL;
	if (l->head)
		l->tail->next = s; /* NOLINT(clang-analyzer-core.NullDereference): there is a tail */
	else
		l->head = s;
	l->tail = s;
}

static inline struct ix_span *ix_list_pop(struct ix_list *l)
{
	struct ix_span *s = l->head;

	l->head = s->next;
	return s;
}

/* All of @from, which is not empty, to the end of @l. */
static inline void ix_list_append(struct ix_list *l, struct ix_list *from)
{
	if (l->head)
		l->tail->next = from->head; /* NOLINT(clang-analyzer-core.NullDereference): there is a tail */
	else
		l->head = from->head;
	l->tail = from->tail;
	from->head = NULL;
}

/* ---- a connection ---- */
enum conn_flag {
	CONN_READY = 1 << 0,    /* on the core's list of connections to visit */
	CONN_NEW = 1 << 1,      /* on_open is due */
	CONN_ACCEPT = 1 << 2,   /* IX_OP_ACCEPT is due */
	CONN_OPEN = 1 << 3,     /* calls may be issued */
	CONN_DATA = 1 << 4,     /* on_read is due */
	CONN_EOF = 1 << 5,      /* the peer has finished */
	CONN_EOF_TOLD = 1 << 6, /* and on_eof was called */
	CONN_PAUSED = 1 << 7,
	CONN_REFUSED = 1 << 8,   /* output was refused: on_write is due at the low mark */
	CONN_OFFERED = 1 << 9,   /* an IX_OP_SENDV of it is in the array, its result not known */
	CONN_BLOCKED = 1 << 10,  /* ring 0 takes no more until IX_EV_SENT */
	CONN_SHUTDOWN = 1 << 11, /* wanted */
	CONN_CLOSE = 1 << 12,    /* wanted */
	CONN_ABORT = 1 << 13,    /* wanted */
	CONN_FIN_SAID = 1 << 14, /* IX_OP_SHUTDOWN was issued */
	CONN_END_SAID = 1 << 15, /* IX_OP_CLOSE or IX_OP_ABORT was issued */
	CONN_DEAD = 1 << 16,     /* the handle is gone */
	CONN_TOLD = 1 << 17,     /* on_open was called, or ix_connect() returned it: on_close is owed */
	CONN_HOLDS = 1 << 19,    /* it has memory that is released when acknowledged */
	CONN_SPENT = 1 << 20,    /* what was consumed is not given back yet */
	CONN_MORE = 1 << 21,     /* with CONN_OFFERED: `out` has more than was offered */
	CONN_STARVED = 1 << 18,  /* on the core's list of those to look at again without an event */
	CONN_LEAVING = 1 << 22,  /* goes to core `to` with the next visit */
	CONN_ARRIVED = 1 << 23,  /* has come from another core: on_move is due */
};

struct ix_conn {
	struct ix_core *core;
	const struct ix_handlers *on;
	void *user;
	ix_handle_t handle;
	uint32_t flags;            /* enum conn_flag */
	uint32_t why;              /* enum ix_dead, with CONN_DEAD */
	uint32_t to;               /* core, with CONN_LEAVING */
	struct ix_repeat *repeats; /* calls for the core it goes to */
	struct ix_conn *next_ready, *next_starved;
	/* Received: [done_pos, read_pos) is read but still lent, [read_pos, recv_pos) waits in `in`. */
	struct ix_list in;
	uint64_t recv_pos, read_pos, done_pos;
	uint64_t lent_out; /* bytes of SPAN_LENT in `out` ... */
	uint64_t lent_pos; /* ... and the position of the first: nothing from here on may be given back */
	/* Queued: [sent_pos, ..) in `wait` is taken by ring 0, the rest up to queued_pos waits in `out`. */
	struct ix_list out, wait;
	uint64_t queued_pos, taken_pos, sent_pos;
	uint64_t offered;       /* bytes of the IX_OP_SENDV in the array, with CONN_OFFERED */
	struct ix_chunk *chunk; /* the one being filled, or NULL */
	uint32_t low, high;
	struct ix_endpoint remote;
};

_Static_assert(sizeof(struct ix_conn) <= 240, "what kernel/README.md says of many connections");

/* ---- cookies: a pointer, its kind in the low bits ---- */
enum cookie_kind { COOKIE_CONN = 0, COOKIE_LISTENER = 1, COOKIE_UDP = 2, COOKIE_TIMER = 3, COOKIE_MASK = 7 };

#define IX_LISTENERS_MAX 16
#define IX_UDPS_MAX 16

struct ix_listener {
	ix_handle_t handle;
	const struct ix_handlers *on;
	void *user;
} __attribute__((aligned(8)));

struct ix_udp {
	ix_handle_t handle;
	void (*on_datagram)(struct ix_udp *u, const struct ix_datagram *d);
	void *user;
	uint32_t index;
} __attribute__((aligned(8)));

/* ---- calls whose result matters ---- */
enum watch_kind { WATCH_ECHO, WATCH_SENDV, WATCH_ACCEPT, WATCH_CONNECT, WATCH_TIMER, WATCH_COPY };

struct ix_watch {
	void *object; /* by kind: connection, timer, struct ix_call to copy to; NULL: nobody cares any more */
	uint32_t slot;
	uint32_t kind;
};

#define ARENA_BYTES (256u << 10) /* what the descriptors of one batch point at: iovs, endpoints, datagrams */

struct ix_core {
	struct ix_call_array *calls;
	const struct ix_event_array *events;
	uint32_t call_count; /* descriptors in the array */
	uint32_t watch_count;
	uint32_t arena_fill;
	bool must_settle; /* something waits for results of this batch: enter ring 0 once more before waiting */
	struct ix_conn *ready, *ready_tail;
	struct ix_conn *starved;
	struct ix_repeat *repeats; /* calls answered IX_MOVED whose connection has not been told to leave yet */
	struct ix_timer *fired;
	struct ix_timer starved_timer;
	struct ix_slab conns, spans, chunks;
	const struct ix_service *service;
	uint32_t udp_done[IX_UDPS_MAX]; /* datagrams to give back, by socket */
	uint32_t datagram_count;
	uint16_t datagrams[IX_PEERS_MAX]; /* their events */
	struct ix_watch watches[IX_CALLS_MAX];
	uint8_t arena[ARENA_BYTES] __attribute__((aligned(16)));
};

/** ix_this_core() - the calling core's state, made at its first use. */
struct ix_core *ix_this_core(void);

/* ---- loop.c ---- */
/** ix_core_init() - pools as @service says. ix_round() - one entry into ring 0 and all that follows from it. */
void ix_core_init(struct ix_core *core, const struct ix_service *service);
void ix_round(struct ix_core *core);

/* ---- batch.c ---- */
/** ix_batch_run() - enter ring 0 with the array (IX_RUN_IO or IX_CALL) and pass the results to those who watch. */
void ix_batch_run(struct ix_core *core, enum ix_entry entry);

/** ix_batch_arena() - memory until the array is executed. The call that points at it must be the next one issued. */
void *ix_batch_arena(struct ix_core *core, size_t bytes);

/** ix_batch_now() - issue one call at once. Return: its status; @handle: the one it made. */
int ix_batch_now(struct ix_core *core, unsigned op, uint64_t arg, uint64_t len, ix_handle_t *handle);

/** ix_batch_call() - append a call; a full array is executed first. Return: the descriptor. */
static inline struct ix_call *ix_batch_call(struct ix_core *core, unsigned op, ix_handle_t handle, uint64_t arg,
					    uint64_t len)
{
	struct ix_call *call;

	if (__builtin_expect(core->call_count == IX_CALLS_MAX, 0))
		ix_batch_run(core, IX_CALL);
	call = &core->calls->calls[core->call_count++];
	call->op = (uint16_t)op;
	call->flags = 0;
	call->status = IX_PENDING;
	call->handle = handle;
	call->arg = arg;
	call->len = len;
	return call;
}

/** ix_batch_watch() - somebody wants the result of the call issued last. */
static inline void ix_batch_watch(struct ix_core *core, enum watch_kind kind, void *object)
{
	struct ix_watch *w = &core->watches[core->watch_count++];

	w->object = object;
	w->slot = core->call_count - 1;
	w->kind = kind;
}

/* ---- conn.c ---- */
void ix_conn_knock(struct ix_core *core, const struct ix_event *ev, const struct ix_peer *peer);
void ix_conn_dead(struct ix_core *core, const struct ix_event *ev);
void ix_conn_accepted(struct ix_conn *c, const struct ix_call *call);
void ix_conn_connected(struct ix_conn *c, const struct ix_call *call);

/** ix_conn_visit() - call the handlers that are due, then ix_conn_issue(): the calls that follow from it. */
void ix_conn_visit(struct ix_conn *c);
void ix_conn_issue(struct ix_conn *c);

/** ix_conn_starve() - look at @c again in a millisecond: it waits for memory, and no event will say when there is some. */
void ix_conn_starve(struct ix_conn *c);
void ix_conn_feed(struct ix_timer *t);

void ix_conn_unstarve(struct ix_conn *c);

/* ---- move.c ---- */
/** ix_move_gather() - calls of the batch were answered IX_MOVED: keep them. ix_move_repeat() - keep one. */
void ix_move_gather(struct ix_core *core);
void ix_move_repeat(struct ix_core *core, const struct ix_call *call);
/** ix_move_leave() - a visit of a connection that goes. ix_move_arrive() - the first one where it has come to. */
void ix_move_leave(struct ix_conn *c);
void ix_move_arrive(struct ix_conn *c);
/** ix_move_moved() - IX_EV_MOVED: the object is in our inbox. */
void ix_move_moved(struct ix_core *core, const struct ix_event *ev);

/* To be visited in this round, with @flags set. */
static inline void ix_conn_touch_with(struct ix_conn *c, uint32_t flags)
{
	struct ix_core *core = c->core;
	uint32_t had = c->flags;

	c->flags = had | flags | CONN_READY;
	if (had & CONN_READY)
		return;
	c->next_ready = NULL;
	if (core->ready)
		core->ready_tail->next_ready = c;
	else
		core->ready = c;
	core->ready_tail = c;
}

static inline void ix_conn_touch(struct ix_conn *c)
{
	ix_conn_touch_with(c, 0);
}

/* Whether more may be queued. */
static inline bool ix_out_is_open(const struct ix_conn *c)
{
	return !(c->flags & (CONN_SHUTDOWN | CONN_CLOSE | CONN_ABORT | CONN_DEAD));
}

/* ---- in.c, out.c ---- */
void ix_in_drop(struct ix_conn *c);
void ix_out_offer(struct ix_conn *c);
void ix_out_result(struct ix_conn *c, const struct ix_call *call, bool is_given_back);
void ix_out_release(struct ix_conn *c);
void ix_out_drop(struct ix_conn *c);

/* ---- timer.c, udp.c, listen.c ---- */
void ix_timer_armed(struct ix_core *core, struct ix_timer *t, const struct ix_call *call);
void ix_timer_expired(struct ix_core *core, struct ix_timer *t);
void ix_timer_run(struct ix_core *core);
void ix_udp_run(struct ix_core *core);
