/* SPDX-License-Identifier: MIT */
/*
 * Batched system calls: ring 3 writes descriptors into its core's call array and then enters ring 0
 * with IX_RUN_IO or IX_CALL (entry.h). Ring 0 reads every word of a descriptor once, executes the
 * descriptors in order and writes status and result back into the same slot. A bad descriptor fails
 * alone. What an application may rely on is written here; nothing else is promised.
 */
#pragma once
#include <stdint.h>

#define IX_CALLS_MAX 1023 /* descriptors in a call array; a full array is flushed with IX_CALL */
#define IX_IOV_MAX 64     /* ranges in one scatter list */

/* Who may be named by an application: 32 bits of generation over 32 bits of index. 0 is never valid. */
typedef uint64_t ix_handle_t;
#define IX_HANDLE_TIMER 0x80000000u /* bit of the index: set in timers' handles, clear in all others */

#define IX_TIMER_NS_MAX (1ull << 55) /* longest delay of IX_OP_TIMER_ARM, about 417 days */

enum ix_op {
	IX_OP_NONE = 0,           /* skipped, status IX_OK */
	IX_OP_LISTEN = 1,         /* arg: ix_endpoint (local) address; len: cookie of its knocks. result: handle */
	IX_OP_UNLISTEN = 2,       /* handle of a listener */
	IX_OP_CONNECT = 3,        /* arg: address of ix_connect. result: handle; outcome comes as an event */
	IX_OP_ACCEPT = 4,         /* handle of a knock; arg: cookie of all its later events */
	IX_OP_REJECT = 5,         /* handle of a knock: answered by RST */
	IX_OP_SENDV = 6,          /* handle; arg, len: see below. result: bytes taken, a prefix */
	IX_OP_RECV_DONE = 7,      /* handle; len: bytes of received data given back, oldest first */
	IX_OP_SHUTDOWN = 8,       /* handle: FIN after what is queued; receiving goes on */
	IX_OP_CLOSE = 9,          /* handle: orderly; IX_EV_DEAD{closed} follows when all is acknowledged */
	IX_OP_ABORT = 10,         /* handle: RST now; IX_EV_DEAD{aborted} follows */
	IX_OP_SET = 11,           /* handle; arg: enum ix_option; len: value */
	IX_OP_RELEASE = 12,       /* handle, after IX_EV_MOVING: this core will not name it again, the other one may */
	IX_OP_UDP_BIND = 13,      /* arg: address of ix_endpoint; len: cookie. result: handle */
	IX_OP_UDP_UNBIND = 14,    /* handle of a UDP socket */
	IX_OP_UDP_SENDV = 15,     /* handle; arg: address of ix_udp_send. result: bytes sent */
	IX_OP_UDP_RECV_DONE = 16, /* handle; len: datagrams given back, oldest first */
	IX_OP_TIMER_ARM = 17,     /* handle 0 or of a timer; arg: delay in ns; len: cookie. result: handle */
	IX_OP_TIMER_CANCEL = 18,  /* handle of a timer; no event of it follows */
	IX_OP_SEND_BACK =
		19, /* handle; len: bytes of the oldest received data, sent back from the memory they came in and
				   * given back, as by a SENDV of all their ranges with IX_SENDV_DONE. result: bytes taken, a prefix */
	IX_OP_NR
};

/* Flag of IX_OP_CONNECT. Without it the connection moves to the core where the first answer arrives, if that is another. */
#define IX_CONNECT_PINNED 0x1 /* it stays on this core, wherever its segments arrive */

/* Flags of IX_OP_SENDV; of IX_OP_SEND_BACK only the second. */
#define IX_SENDV_LIST 0x1 /* arg: address of ix_iov[len], len 1..IX_IOV_MAX; else arg, len: one range */
#define IX_SENDV_MORE 0x2 /* more follows in this batch: do not set PSH */
#define IX_SENDV_DONE 0x4 /* what is taken is also given back, as by IX_OP_RECV_DONE: for an echo of the oldest data */

/*
 * IX_OP_SENDV takes ranges in partition data or in receive buffers lent to this connection. The
 * memory belongs to ring 0 until IX_EV_SENT has counted it; changing it earlier harms only this
 * stream. What was not taken (result < length) must be offered again after the next IX_EV_SENT.
 */
struct ix_call {
	uint16_t op;        /* enum ix_op, written by ring 3 */
	uint16_t flags;     /* of the opcode, else 0, written by ring 3 */
	int32_t status;     /* IX_PENDING by ring 3, then enum ix_status by ring 0 */
	ix_handle_t handle; /* written by ring 3; by ring 0 where the result is a handle */
	uint64_t arg;       /* written by ring 3 */
	uint64_t len;       /* written by ring 3; result in bytes by ring 0 where stated above */
};
_Static_assert(sizeof(struct ix_call) == 32, "two descriptors a cache line");

/* The call array of a core: user RW, at IX_CALL_ARRAY_VA on every core. */
struct ix_call_array {
	uint32_t count;    /* descriptors to execute, 0..IX_CALLS_MAX, by ring 3; set to 0 by ring 0 */
	uint32_t executed; /* by ring 0: how many of them it executed (fewer only if the partition ends) */
	uint32_t moved;    /* by ring 0: how many of them it answered IX_MOVED */
	uint32_t reserved[5];
	struct ix_call calls[IX_CALLS_MAX];
};
_Static_assert(sizeof(struct ix_call_array) == 32768, "eight pages");

struct ix_iov {
	uint64_t addr; /* ring-3 virtual address */
	uint64_t len;  /* bytes, 1..2^32-1 */
};

/* An address and port. IPv4 addresses are kept as IPv4-mapped IPv6 (::ffff:a.b.c.d), network order. */
struct ix_endpoint {
	uint8_t addr[16];     /* all zero: any local address */
	uint16_t port;        /* host order; 0 in connect's local end: chosen by ring 0 */
	uint16_t reserved[3]; /* 0 */
};
_Static_assert(sizeof(struct ix_endpoint) == 24, "ABI");

struct ix_connect {
	struct ix_endpoint local;
	struct ix_endpoint remote;
	uint64_t cookie; /* of all events of this connection */
};
_Static_assert(sizeof(struct ix_connect) == 56, "ABI");

struct ix_udp_send {
	struct ix_endpoint remote;
	struct ix_iov data; /* 0..65507 bytes; copied before the call returns */
};
_Static_assert(sizeof(struct ix_udp_send) == 40, "ABI");

enum ix_option {
	IX_SET_NODELAY = 1,   /* 0: Nagle on, 1: off (default 1: batching replaces it) */
	IX_SET_KEEPALIVE = 2, /* idle ms before the first probe, 0: off (default) */
	IX_SET_RTO_FLOOR = 3, /* ms, 5..1000 (default 200) */
};
