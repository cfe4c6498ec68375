/* SPDX-License-Identifier: MIT */
/* Datagrams, without lwIP but for the IP layer on the way out. Private to kernel/net. */
#pragma once
#include "kernel/net/input.h"

#define UDP_BYTES 8u /* header [RFC 768] */

#define UDP_WAITING_MAX 1024u /* frames a core that wait for room in the device's queue; more are refused */

/** udp_output() - send what waits, as far as the device has room now. udp_goes_first() - by turns, while something waits. */
void udp_output(void);
bool udp_goes_first(void);
/** udp_out_is_waiting() - whether something waits for room. */
bool udp_out_is_waiting(void);
/** udp_in_frame() - a datagram for a port that somebody has bound; takes the frame. */
void udp_in_frame(const struct frame *f);
/** udp_events() - announce queued datagrams while there is room. */
void udp_events(void);
/** udp_socket_reset() - this core forgets what is queued for binding @index. */
void udp_socket_reset(unsigned index);
