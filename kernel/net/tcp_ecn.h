/* SPDX-License-Identifier: MIT */
/* Explicit congestion notification, of listeners that want it. Private to kernel/net. */
#pragma once
#include "kernel/net/core.h"

struct tcp_ecn {
	struct mss_claim claim; /* path_mtu.c; conn.claim has made room for the pointer to this */
	bool is_dctcp;
	bool is_echoing;        /* our acknowledgements say that marks came */
	bool is_reduction_owed; /* to be told to the peer by the next data */
	uint16_t alpha;         /* share of marked bytes, smoothed */
	uint32_t reduced_to;    /* sequence number: until it is acknowledged, no further reduction */
	uint32_t window_end;    /* the same: then alpha is brought up to date */
	uint32_t acked, marked; /* bytes since */
};

/** ecn_offered() - the request that lwIP is about to see asks for it. @flags: byte 13 of its header. */
void ecn_offered(unsigned flags);
/** ecn_accept() - @c is made of that request; @wanted: enum ix_ecn of its listener. Without memory it goes without. */
void ecn_accept(struct conn *c, unsigned wanted);
/** ecn_free() - @c is gone. */
void ecn_free(struct conn *c);

/**
 * ecn_input() - a segment of @c (CONN_ECN) with a good checksum, before it is worked off
 * @ip, @tcp: its headers. @bytes: of data.
 */
void ecn_input(struct conn *c, const uint8_t *ip, const uint8_t *tcp, uint32_t bytes);
/** ecn_output() - the last bits of a header of @c (CONN_ECN) that is about to be sent with @bytes of data. */
void ecn_output(struct conn *c, struct tcp_hdr *tcp, uint32_t bytes);
