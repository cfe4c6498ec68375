/* SPDX-License-Identifier: MIT */
/* Trains (tcp_queue.h) cut into frames by ourselves, where the device cannot. Private to kernel/net, for output.c. */
#pragma once
#include "kernel/net/core.h"

/** cut_core_init() - what the device has room for; after nic and flow. */
void cut_core_init(void);

/** cut_units() - most segments of a train that is cut here; below 2: this core cuts none. */
uint32_t cut_units(void);

/**
 * cut_send() - the frames of a train of @c, which begins with its Ethernet header; its memory is in use until cut_done() says so
 * @unit: payload bytes of each frame but the last, fewer than @p has. ERR_MEM: not now, nothing was sent. ERR_BUF: it never
 * will be like this.
 */
err_t cut_send(struct pbuf *p, unsigned tcp_at, uint32_t unit);

#define CUT_TOKEN 2ul /* in the token of such a frame */
/** cut_done() - a frame with that token is back. Return: the train, if it was the last of its frames, else NULL. */
struct pbuf *cut_done(void *token);
