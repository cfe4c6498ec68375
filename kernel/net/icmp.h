/* SPDX-License-Identifier: MIT */
/* ICMP errors that quote a TCP segment of ours. Private to kernel/net. */
#pragma once
#include "kernel/net/core.h"
#include "kernel/net/tuple.h"

enum quote_kind {
	QUOTE_SOFT,    /* may pass: noted */
	QUOTE_HARD,    /* nobody will ever answer there: ends an attempt to connect, otherwise noted */
	QUOTE_TOO_BIG, /* the segment does not fit through */
};

/* What an error says, of either family; nothing in it is believed yet. */
struct quote {
	struct demux_tuple tuple; /* the segment's, as its answer would have it: remote is the peer */
	uint32_t seq;             /* its first sequence number */
	enum quote_kind kind;
	uint16_t mss;     /* QUOTE_TOO_BIG: what would fit, of TCP data and options */
	uint16_t mss_min; /* and no path has less than this */
};

/** icmp_is_tcp_error() - whether a received IPv4 packet (@b, Ethernet first, header checked) is for icmp_error_input(). */
bool icmp_is_tcp_error(const struct buf *b);

/** icmp_error_input() - on the boot core first, then on each core until one has the connection; takes @b. */
void icmp_error_input(struct buf *b);

/**
 * quote_apply() - @b, which says @q, to the connection if it is this core's, else on to the next core; takes @b
 * The sequence number must lie within the flight [RFC 5927 4]. ipv6's errors come here, too.
 */
void quote_apply(const struct quote *q, struct buf *b);
