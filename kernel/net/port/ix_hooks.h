/* SPDX-License-Identifier: MIT */
/* What lwIP calls back in places that its options name. */
#pragma once
#include "lwip/err.h"
#include "lwip/ip_addr.h"

/** port_isn() - initial sequence number of a connection [RFC 6528 3]. Ports in host order. */
u32_t port_isn(const ip_addr_t *local, u16_t local_port, const ip_addr_t *remote, u16_t remote_port);

struct tcp_pcb;
struct tcp_hdr;
struct pbuf;

/**
 * port_tcp_in() - a segment for @pcb, which may be a listener; @hdr: numbers in host order, flags not
 * Return: ERR_OK, or another value if lwIP shall drop it.
 */
err_t port_tcp_in(struct tcp_pcb *pcb, struct tcp_hdr *hdr, u16_t option_bytes, u16_t first_bytes, u8_t *second);
/** port_tcp_option_bytes() - of a segment for which lwIP wants @bytes of options. @pcb: NULL if there is none. */
u8_t port_tcp_option_bytes(const struct tcp_pcb *pcb, u8_t bytes);
/** port_tcp_options() - lwIP's are written, @at is behind them. Return: behind ours. */
u32_t *port_tcp_options(struct pbuf *p, struct tcp_hdr *hdr, const struct tcp_pcb *pcb, u32_t *at);
