/* SPDX-License-Identifier: MIT */
/* Explicit congestion notification, of listeners that want it. Private to kernel/net. */
#pragma once
#include "kernel/net/core.h"

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
