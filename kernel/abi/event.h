/* SPDX-License-Identifier: MIT */
/*
 * Event conditions: ring 0 writes them into its core's event array before it returns from IX_RUN_IO.
 * The array is valid until the next IX_RUN_IO. Pending conditions are kept with the connection, so
 * nothing overflows: what does not fit comes with the next array, and several of a kind become one.
 */
#pragma once
#include <stdint.h>
#include "kernel/abi/call.h"

#define IX_EVENTS_MAX 1023

enum ix_event_kind {
	IX_EV_KNOCK = 1,     /* cookie: the listener's; handle: new; addr: index into peers[]. Accept or reject it */
	IX_EV_CONNECTED = 2, /* outgoing connection established */
	IX_EV_RECV = 3,      /* addr, len: data, read-only, in place; lent until IX_OP_RECV_DONE */
	IX_EV_SENT = 4,      /* len: bytes of queued data whose memory is the application's again;
				 * addr: bytes that IX_OP_SENDV would take now */
	IX_EV_EOF = 5,       /* the peer's FIN; all data came before; the handle lives */
	IX_EV_DEAD = 6,      /* detail: enum ix_dead; the handle is gone, no event follows */
	IX_EV_MOVING = 7,    /* detail: core that the connection goes to; the last event here. Calls that name it return
				 * IX_MOVED; IX_OP_RELEASE lets it go, which ring 0 does itself after 10 ms */
	IX_EV_MOVED = 8,     /* the first event on the new core: same handle, same cookie. What was lent stays lent,
				 * what was not yet announced follows, and from now on calls belong here */
	IX_EV_UDP_RECV = 9,  /* addr, len: one datagram; detail: index into peers[] */
	IX_EV_UDP_SENT = 10, /* reserved: UDP payloads are copied, nothing is lent */
	IX_EV_TIMER = 11,    /* handle: the timer's, now gone */
	IX_EV_SIGNAL = 12,   /* detail 1: stop requested; finish and exit */
	IX_EV_CORE = 13, /* detail 1: this core is about to leave; the last event for now, its connections have moved
				 * already. Its timers wait. Detail 0: it is back, or did not leave after all; the first event then */
	IX_EV_NR
};

enum ix_dead {
	IX_DEAD_CLOSED = 1,      /* orderly, all data acknowledged */
	IX_DEAD_RESET = 2,       /* the peer sent RST */
	IX_DEAD_TIMEOUT = 3,     /* no acknowledgement for too long */
	IX_DEAD_REFUSED = 4,     /* RST answered our SYN */
	IX_DEAD_UNREACHABLE = 5, /* no route, or ARP without answer */
	IX_DEAD_ABORTED = 6,     /* by IX_OP_ABORT or IX_OP_REJECT */
	IX_DEAD_NO_MEMORY = 7,   /* ring 0 could not go on with it */
	IX_DEAD_NR
};

struct ix_event {
	uint16_t kind;   /* enum ix_event_kind */
	uint16_t detail; /* by kind, else 0 */
	uint32_t len;    /* bytes, by kind, else 0 */
	uint64_t cookie; /* as given by accept, connect, listen, udp_bind, timer_arm */
	ix_handle_t handle;
	uint64_t addr; /* by kind, else 0 */
};
_Static_assert(sizeof(struct ix_event) == 32, "two events a cache line");

/* Both ends of a knock or a datagram. */
struct ix_peer {
	struct ix_endpoint remote;
	struct ix_endpoint local;
};
_Static_assert(sizeof(struct ix_peer) == 48, "ABI");

#define IX_PEERS_MAX 256 /* knocks and datagrams in one array; more wait for the next */

/* The event array of a core: user read-only, at IX_EVENT_ARRAY_VA on every core. */
struct ix_event_array {
	uint32_t count;      /* events[0..count) are valid */
	uint32_t peer_count; /* peers[0..peer_count) are valid */
	uint64_t reserved[3];
	struct ix_event events[IX_EVENTS_MAX];
	struct ix_peer peers[IX_PEERS_MAX];
};
_Static_assert(sizeof(struct ix_event_array) == 32768 + 12288, "eleven pages");
