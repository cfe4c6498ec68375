/* SPDX-License-Identifier: MIT */
/* What a segment must be before lwIP sees it. Private to kernel/net. */
#pragma once
#include "kernel/net/input.h"

/**
 * tcp_check() - whether lwIP shall see segment @f, which begins at @tcp; answers it if not and if that is due
 * @pcb: its connection, NULL: none; set where the segment made one (SYN cookies)
 */
bool tcp_check(const struct frame *f, const uint8_t *tcp, struct tcp_pcb **pcb);

/** tcp_in_replay() - a segment @p, TCP header first, of the tuple of @f, which has no connection, into lwIP; takes @p. */
void tcp_in_replay(const struct frame *f, struct pbuf *p);
