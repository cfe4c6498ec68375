/* SPDX-License-Identifier: MIT */
/*
 * A ring 0 in ordinary memory, for tests of libix on the host: it executes the call array as
 * kernel/abi/call.h says, strictly, and hands out the events that the test has put in. Memory that was
 * given back is overwritten, so that data used too late shows.
 */
#pragma once
#include "kernel/abi/call.h"
#include "kernel/abi/event.h"
#include "lib/libc/libc.h"
#include <stdbool.h>
#include <stddef.h>

#define FAKE_CONNS_MAX 2048
#define FAKE_OUT_MAX (1u << 20)
#define FAKE_LENT_MAX 256

struct fake_conn {
	ix_handle_t handle;
	uint64_t cookie;
	bool is_accepted, is_fin, is_closed, is_aborted, is_rejected, is_dead;
	bool is_moving;   /* calls are answered IX_MOVED, but for ... */
	bool is_released; /* ... IX_OP_RELEASE, which this tells of */
	size_t room;      /* bytes the next IX_OP_SENDV takes; grows by what is acknowledged */
	uint8_t *out;     /* all bytes taken so far */
	size_t out_bytes, acked;
	struct ix_iov lent[FAKE_LENT_MAX]; /* oldest first; addr moves as bytes are given back */
	unsigned lent_first, lent_count;
	uint64_t done_bytes; /* given back so far */
	uint64_t lent_bytes; /* lent so far */
};

struct fake_ring0 {
	unsigned ops[IX_OP_NR];   /* calls executed, by opcode */
	unsigned bad;             /* calls answered with a negative status that the test did not ask for */
	unsigned run_ios, calls;  /* entries */
	uint32_t core;            /* that libc_core() names */
	int fail_op, fail_status; /* the next call of this opcode is answered with this status */
	ix_handle_t listen_handle, timer_handle;
	uint64_t listen_cookie, udp_cookie, timer_cookie;
	uint64_t timer_delay_ns;
	bool is_timer_armed;
	unsigned datagrams_out, datagrams_done;
	uint8_t datagram[65536]; /* the last one sent */
	size_t datagram_bytes;
	struct ix_endpoint datagram_to;
	char console[4096];
	size_t console_bytes;
	int exit_status;
	struct fake_conn conns[FAKE_CONNS_MAX];
	unsigned conn_count;
};
extern struct fake_ring0 fake;

/** fake_reset() - as after boot. */
void fake_reset(void);

/** fake_knock() - somebody connects to the last listener. */
struct fake_conn *fake_knock(void);
/** fake_data() - @bytes of @data arrive, in buffers of @piece bytes. fake_ack() - @bytes of what it sent are acknowledged. */
void fake_data(struct fake_conn *c, const void *data, size_t bytes, size_t piece);
void fake_ack(struct fake_conn *c, size_t bytes);
void fake_connected(struct fake_conn *c);
void fake_eof(struct fake_conn *c);
void fake_dead(struct fake_conn *c, enum ix_dead why);
/** fake_hold() - its calls are answered IX_MOVED. fake_moving() - it is told, too, to go to core @to. fake_moved() - it is there. */
void fake_hold(struct fake_conn *c);
void fake_moving(struct fake_conn *c, uint32_t to);
void fake_moved(struct fake_conn *c);
/** fake_datagram() - one arrives at the socket bound last. fake_timer() - the timer armed last expires. */
void fake_datagram(const void *data, size_t bytes);
void fake_timer(void);
void fake_signal(void);
/** fake_last() - the connection made last, by knock or IX_OP_CONNECT. */
struct fake_conn *fake_last(void);
