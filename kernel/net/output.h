/* SPDX-License-Identifier: MIT */
/* Packets of lwIP to the device. Private to kernel/net. */
#pragma once
#include "kernel/net/core.h"

#define ETH_BYTES 14u
#define ETH_TYPE_IP4 0x0800u
#define ETH_TYPE_ARP 0x0806u
#define ETH_TYPE_IP6 0x86ddu
#define IP4_BYTES 20u
#define IP6_BYTES 40u
#define TCP_BYTES 20u
#define IP_PROTOCOL_ICMP 1u
#define IP_PROTOCOL_TCP 6u
#define IP_PROTOCOL_UDP 17u
#define IP_PROTOCOL_ICMP6 58u
#define TCP4_AT (ETH_BYTES + IP4_BYTES) /* where a TCP header begins in our frames: we send no options, */
#define TCP6_AT (ETH_BYTES + IP6_BYTES) /* no extension headers */

/** output_core_init() - what the device does for us. Return: lwIP's checksum flags for the interface. */
uint16_t output_core_init(void);

/**
 * output_frame() - a frame, Ethernet header first
 * @c: whose segment it is, NULL: nobody's. @tcp_at: TCP4_AT, TCP6_AT, or 0: not TCP. ERR_MEM: not now.
 */
err_t output_frame(struct pbuf *p, struct conn *c, unsigned tcp_at);

/**
 * output_is_short() - whether output_short() may send @p, TCP over IPv4: in one piece, and the device sums
 * output_short() - as output_frame(); the pseudo header's sum is in its field, and NIC_TX_ROOM bytes in front of the frame are free.
 */
bool output_is_short(const struct pbuf *p);
err_t output_short(struct pbuf *p);

/** output_segment() - a segment of @c, TCP header first, whose neighbour is known and cached. ERR_MEM: not now. */
err_t output_segment(struct pbuf *p, struct conn *c);

/** output_sum_datagram() - its checksum field holds the pseudo header's sum; complete it unless the device does. Once. */
void output_sum_datagram(struct pbuf *p);
/**
 * output_datagram() - UDP over IPv4, one piece, Ethernet header first, after output_sum_datagram()
 * Return: false: not now, and @p is still the caller's; else it is the device's, without another reference.
 */
bool output_datagram(struct pbuf *p);

/** output_link_is_known() - whether the Ethernet header of @c's frames is in its cache, which this brings up to date. */
bool output_link_is_known(struct conn *c);

/** output_train_units() - how many times as long as on the wire a segment of @pcb may be: the device cuts it, or we do (cut.c). */
uint32_t output_train_units(const struct tcp_pcb *pcb);

/** output_reclaim() - free what the device has sent. */
void output_reclaim(void);

/** output_buf() - send a complete frame that lies in one receive buffer; frees it when sent, or at once if that fails. */
void output_buf(struct buf *b);

/* A TCP segment of no connection, without data. */
struct bare_segment {
	uint32_t seq, ack;
	uint16_t window;
	uint8_t flags;
	uint8_t option_bytes; /* a multiple of 4 */
	uint8_t options[40];
};
struct demux_tuple;
struct timewait;
/** output_bare() - @t as received. output_ack() - an acknowledgement in TIME_WAIT. */
void output_bare(const struct demux_tuple *t, const struct bare_segment *s);
void output_ack(const struct demux_tuple *t, const struct timewait *w);
