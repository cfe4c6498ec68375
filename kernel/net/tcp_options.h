/* SPDX-License-Identifier: MIT */
/* What the options of a received segment say. Private to kernel/net. */
#pragma once
#include "kernel/net/core.h"

#define SACKS_MAX 4u /* that fit into a header */

struct tcp_options {
	bool has_ts;
	uint8_t sack_count;
	uint32_t ts_value, ts_echo;             /* TSval, TSecr, if has_ts */
	struct tcp_sack_range sacks[SACKS_MAX]; /* as the peer says */
};

/** options_read() - @bytes of options as in the packet; what is cut off or unknown is passed over. */
void options_read(struct tcp_options *o, const uint8_t *options, unsigned bytes);
/** options_of_segment() - of the segment that lwIP has just worked off; reset by options_forget(). */
const struct tcp_options *options_of_segment(void);
void options_forget(void);

/** ts_is_acceptable() - whether lwIP shall see a segment of @c; one that is too old is acknowledged [RFC 7323 5.3]. */
bool ts_is_acceptable(struct conn *c, const struct tcp_hdr *hdr, const struct tcp_options *o);
