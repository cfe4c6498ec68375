/* SPDX-License-Identifier: MIT */
/*
 * Connections that carry known bytes both ways, and what must be true of them: a peer that speaks TCP on
 * the wire, and a ring 3 on every core that checks each event. Any byte, event or connection that is lost,
 * doubled, out of order or on the wrong core fails the test at once.
 */
#pragma once
#include "test/unit/net/cores.h"

#define STREAMS 24u
#define STREAMS_PORT 7u

enum peer_state { PEER_NONE, PEER_SYN_SENT, PEER_OPEN, PEER_FINISHED };
enum app_state { APP_NONE, APP_OPEN, APP_MOVING, APP_CLOSED };

struct stream {
	/* on the wire */
	struct peer peer;
	enum peer_state state;
	uint32_t iss;
	uint32_t una, nxt, high; /* bytes acknowledged, sent, ever sent */
	uint32_t got;            /* bytes received */
	uint32_t window;         /* that we are offered */
	uint32_t finish_at;      /* bytes after which it sends FIN */
	bool has_fin, owes_ack;  /* the guest's was seen */
	uint64_t heard_us;       /* when something new was acknowledged, or nothing was to be */
	/* in ring 3 */
	enum app_state app;
	ix_handle_t handle;
	uint32_t core, to;
	uint32_t queued, sent;    /* bytes offered and taken, bytes whose memory came back */
	uint32_t received, lent;  /* bytes announced, bytes not given back */
	unsigned is_told, is_eof; /* moving; the peer's end */
	unsigned release_in;      /* turns until it is released */
	uint64_t told_us;
};

struct streams {
	struct stream all[STREAMS];
	unsigned loss;   /* one frame in so many from the peers is lost; 0: none */
	unsigned slow;   /* one in so many does not release in time; 0: none */
	bool is_closing; /* no new connections; those that are left end */
	bool may_reset;  /* the partition ends */
	unsigned opened, closed, moved, events;
};
extern struct streams streams;

/** streams_begin() - listen. streams_peers() - the peers read what was sent to them, and send. */
void streams_begin(void);
void streams_peers(void);
/** streams_ring3() - after cores_turn(@core): its events, then calls. */
void streams_ring3(uint32_t core);
/** streams_forget() - the partition has ended: no connection is left. */
void streams_forget(void);
