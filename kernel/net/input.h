/* SPDX-License-Identifier: MIT */
/* A frame as input.c has understood it, for those who go on with it. Private to kernel/net. */
#pragma once
#include "kernel/net/core.h"
#include "kernel/net/demux.h"

/* What a frame is; by its headers alone. */
enum frame_kind { FRAME_TCP, FRAME_UDP, FRAME_SLOW, FRAME_BAD, FRAME_NR };

struct frame {
	struct buf *b;
	uint8_t kind;      /* enum frame_kind */
	uint16_t ip_bytes; /* IP header with options */
	uint16_t l4_bytes; /* behind it, without Ethernet padding */
	uint32_t hash;     /* TCP */
	struct demux_tuple tuple;
	struct tcp_pcb *likely_pcb; /* by its hash, unless a connection went since demux_mark() */
};

/** input_pbufs() - the first @bytes behind @off in the frame's buffers as a pbuf chain; the rest is freed. */
struct pbuf *input_pbufs(struct buf *b, unsigned off, unsigned bytes);

/** input_again() - a frame that had to wait, from the beginning; takes it. */
void input_again(struct buf *b);

/** tcp_in_frame() - a TCP segment; takes the frame. */
void tcp_in_frame(const struct frame *f);

/**
 * tcp_fast_input() - a segment of @l4_bytes that begins at @tcp in @b, its header wholly so, checksum good
 * Return: true if it was as predicted and @b is taken; false: nothing has happened.
 */
bool tcp_fast_input(struct conn *c, struct buf *b, const uint8_t *tcp, uint32_t l4_bytes);

/** tcp_rx_take_frame() - as tcp_rx_take() for @bytes from @data on in the first of a frame's buffers; takes all. */
void tcp_rx_take_frame(struct conn *c, struct buf *b, const uint8_t *data, uint32_t bytes);

/** slow_path_input() - boot core, and BUF_QUOTED on any: ARP, ICMP, DHCP and whatever else is rare; takes the frame. */
void slow_path_input(struct buf *b);
