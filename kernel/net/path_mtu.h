/* SPDX-License-Identifier: MIT */
/* How large a segment a connection's path takes. Private to kernel/net. */
#pragma once
#include "kernel/net/core.h"

/** path_mtu_claim() - somebody says that of the segment at @seq, which is under way, only @mss bytes would fit. */
void path_mtu_claim(struct conn *c, uint32_t seq, unsigned mss);

/**
 * path_mtu_on_timeout() - nothing was acknowledged in time: a claim that waited for this is followed
 * Return: true if the segments are on their way again; false: there is none, the loss is an ordinary one.
 */
bool path_mtu_on_timeout(struct conn *c);
