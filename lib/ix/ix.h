/* SPDX-License-Identifier: MIT */
/*
 * In: handlers of an application. Out: batched calls to ring 0; handlers called with what came back.
 * Who calls: applications, and nothing else is needed by them. Start reading at loop.c (one round of one
 * core), then conn.c, out.c. One loop a core: a connection, timer or datagram is handled on the core where
 * it arrived, its functions are called on that core only, and no handler needs a lock for it. A connection may go to
 * another core between two of its handlers (move.c); timers and datagrams stay.
 */
#pragma once
#include "kernel/abi/call.h"
#include "kernel/abi/event.h"
#include "kernel/abi/status.h"
#include <stddef.h>

struct ix_conn; /* a TCP connection; valid until on_close has returned */
struct ix_udp;  /* a UDP socket */

/* What happens to a connection. Any may be NULL. After ix_close() and ix_abort() only on_close is called. */
struct ix_handlers {
	void (*on_open)(struct ix_conn *c);  /* accepted, or connected */
	void (*on_read)(struct ix_conn *c);  /* data arrived since the last call; once a round, however much came */
	void (*on_write)(struct ix_conn *c); /* after output was refused: ix_queued() has fallen to the low mark */
	void (*on_eof)(struct ix_conn *c);   /* the peer has finished, everything was read. NULL: ix_close() */
	void (*on_close)(struct ix_conn *c, enum ix_dead why); /* the last call; frees what hangs on the user pointer */
	/*
	 * Ring 0 moves it to another core, with all that waits and is queued. For those who keep with a connection what
	 * belongs to a core: timers, lists.
	 */
	void (*on_leave)(struct ix_conn *c, uint32_t to); /* the last call on this core, which lets go of it here */
	void (*on_move)(struct ix_conn *c);               /* the first one on the other */
};

/* ---- the program ---- */
struct ix_service {
	int (*start)(
		void *arg); /* on each core before its loop; not 0: the program ends with that status. May be NULL */
	void (*stop)(void *arg); /* the host asks for the end. NULL: the program ends with status 0 */
	/*
	 * On a core that is about to leave (@is_leaving): its connections have gone to others, on_leave() was called for each;
	 * its timers wait until it is back, so what is urgent is to be handed to another core now. And when it is back, which
	 * may be after days, or because it did not leave after all. May be NULL.
	 */
	void (*on_core)(void *arg, int is_leaving);
	void *arg;
	uint32_t conns_max;  /* connections a core, more are refused. 0: all that the image may have */
	uint32_t copies_max; /* KiB a core for ix_write(). 0: an eighth of the heap, shared by the cores */
};

/** ix_run() - start a loop on every core, the calling one included. Does not return; exit() ends the program. */
_Noreturn void ix_run(const struct ix_service *service);

/** ix_core() - number of this core; ix_cores() - how many there are; ix_now_ns() - a clock that never goes back. */
uint32_t ix_core(void);
uint32_t ix_cores(void);
uint64_t ix_now_ns(void);

/* ---- opening and closing ---- */
/**
 * ix_listen() - accept connections to @port, on all cores
 * @user: first value of ix_user() of each. Context: before ix_run(), or on any core.
 * Return: 0, or negative: IX_IN_USE, IX_NO_MEMORY (16 listeners at most).
 */
int ix_listen(uint16_t port, const struct ix_handlers *on, void *user);

/** ix_connect() - outcome by on_open or on_close. Return: NULL if this core has no room for another connection. */
struct ix_conn *ix_connect(const struct ix_endpoint *remote, const struct ix_handlers *on, void *user);

/** ix_shutdown() - FIN after all that is queued; receiving goes on. */
void ix_shutdown(struct ix_conn *c);
/** ix_close() - all that is queued goes out, then FIN; what the peer still sends is thrown away. */
void ix_close(struct ix_conn *c);
/** ix_abort() - RST, now. */
void ix_abort(struct ix_conn *c);
/** ix_set_option() - enum ix_option (kernel/abi/call.h); a value out of range is ignored by ring 0. */
void ix_set_option(struct ix_conn *c, enum ix_option option, uint64_t value);

void *ix_user(const struct ix_conn *c);
void ix_set_user(struct ix_conn *c, void *user);
const struct ix_endpoint *ix_remote(const struct ix_conn *c);

/* ---- input: received data stays where the device put it until it is consumed ---- */
/** ix_unread() - bytes that wait. */
size_t ix_unread(const struct ix_conn *c);
/** ix_peek() - the first range that waits. @bytes: its length, 0 if there is none. Valid until it is consumed. */
const void *ix_peek(const struct ix_conn *c, size_t *bytes);
/** ix_peekv() - up to @max ranges that wait, in order. Return: how many. */
unsigned ix_peekv(const struct ix_conn *c, struct ix_iov *out, unsigned max);
/** ix_consume() - the first @bytes are done with (at most ix_unread()); this is what opens the peer's window. */
void ix_consume(struct ix_conn *c, size_t bytes);
/** ix_read() - copy up to @bytes to @to and consume them. Return: how many. */
size_t ix_read(struct ix_conn *c, void *to, size_t bytes);
/**
 * ix_forward() - the first @bytes that wait are queued to this connection's own output, without a copy
 * They are given back to ring 0 as it takes them for sending: a peer that does not read closes its own window.
 * Return: bytes queued, fewer than asked if that many do not wait; SIZE_MAX asks for all.
 */
size_t ix_forward(struct ix_conn *c, size_t bytes);
/** ix_pause() - no on_read; the window closes when it is full. ix_resume() - on_read again, soon if data waits. */
void ix_pause(struct ix_conn *c);
void ix_resume(struct ix_conn *c);

/* ---- output: nothing is sent before the handlers of this round have returned; then all in one call ---- */
/** ix_write() - queue a copy. Return: bytes taken; fewer than asked at the high mark, then on_write follows. */
size_t ix_write(struct ix_conn *c, const void *data, size_t bytes);
/**
 * ix_send() - queue without a copy
 * @data: static or heap memory of the program (never a stack), unchanged until @done. @bytes: 1..2^32-1
 * @done: called with @arg when the peer has acknowledged all of it or the connection is dead; may be NULL
 * Return: 0; 1: at the high mark, nothing queued, on_write follows; negative: IX_CLOSED, IX_BAD_ADDRESS, IX_NO_MEMORY.
 */
int ix_send(struct ix_conn *c, const void *data, size_t bytes, void (*done)(void *arg), void *arg);
/** ix_queued() - bytes queued by all of the above and not yet acknowledged. */
size_t ix_queued(const struct ix_conn *c);
/** ix_set_marks() - output is refused at @high queued bytes (default 65,536), on_write comes at @low (16,384). */
void ix_set_marks(struct ix_conn *c, uint32_t low, uint32_t high);

/* ---- timers ---- */
struct ix_timer {
	void (*fn)(struct ix_timer *t); /* set by the application; may start it again */
	void *arg;                      /* of the application */
	int err;                        /* in fn: 0; IX_NO_MEMORY: ring 0 has no timer left, this is too early */
	/* libix's own; zero at first */
	uint32_t state;
	uint32_t slot;
	ix_handle_t handle;
	struct ix_timer *next, **link;
};

/** ix_timer_start() - call t->fn in @delay_ns on this core; a timer that runs is set anew. */
void ix_timer_start(struct ix_timer *t, uint64_t delay_ns);
/** ix_timer_stop() - t->fn is not called any more and @t may go. Context: the core that started it. */
void ix_timer_stop(struct ix_timer *t);

/* ---- UDP ---- */
struct ix_datagram {
	const struct ix_endpoint *remote;
	const struct ix_endpoint *local;
	const void *data; /* valid until the handler returns */
	size_t bytes;
};

/** ix_udp_bind() - as ix_listen(), on all cores. @socket: set on success, valid from then on (16 sockets at most). */
int ix_udp_bind(uint16_t port, void (*on_datagram)(struct ix_udp *u, const struct ix_datagram *d), void *user,
		struct ix_udp **socket);
void *ix_udp_user(const struct ix_udp *u);
/** ix_udp_send() - @data may go when this returns. Return: 0, or IX_BAD_LENGTH (at most 65,507). It may still be lost. */
int ix_udp_send(struct ix_udp *u, const struct ix_endpoint *to, const void *data, size_t bytes);
