/* SPDX-License-Identifier: MIT */
/* Connection requests when there are too many of them. Private to kernel/net. */
#pragma once
#include "kernel/net/binding.h"
#include "kernel/net/input.h"

/** syn_init() - the key, once. */
void syn_init(void);

/**
 * syn_request() - a SYN to listener @b that belongs to no connection
 * Return: true if lwIP shall keep it as half-open; false: it is, or it was answered by a cookie, or dropped.
 */
bool syn_request(const struct frame *f, const uint8_t *tcp, const struct binding *b);

/**
 * tcp_begin() - the same where it may be half-open, if it is an ordinary one
 * Return: true if that is done; false: it is for lwIP, nothing has happened.
 */
bool tcp_begin(const struct frame *f, const uint8_t *tcp, const struct binding *b);

/** syn_option_bytes() - of a segment, as far as they lie in the frame's first buffer; others count as absent. */
unsigned syn_option_bytes(const struct frame *f, const uint8_t *tcp);

/** syn_is_recent() - whether any core has answered by a cookie that could still come back. */
bool syn_is_recent(void);

/** syn_is_cookie() - whether a segment of no connection acknowledges one of our cookies. */
bool syn_is_cookie(const struct frame *f, const uint8_t *tcp);

/**
 * syn_replay() - makes the connection that a cookie stands for, as half-open; the segment itself is next
 * Return: NULL if there is no room for it: the segment is to be dropped.
 */
struct tcp_pcb *syn_replay(const struct frame *f, const uint8_t *tcp, const struct binding *b);
