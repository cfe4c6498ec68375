/* SPDX-License-Identifier: MIT */
/* How often a core answers what nobody asked for. Private to kernel/net. */
#pragma once
#include "kernel/base/types.h"

enum rate {
	RATE_RESET,     /* segments of nobody that are reset */
	RATE_CHALLENGE, /* segments of TIME_WAIT that are acknowledged [RFC 5961 7] */
	RATE_WALK,      /* frames passed on because their connection is not here */
	RATE_COOKIE,    /* requests that are answered by a cookie [RFC 4987 3.6] */
	RATE_ICMP,      /* errors that are looked at */
	RATE_ICMP_SENT, /* errors that we report [RFC 4443 2.4 f] */
	RATE_NR
};

/** rate_take() - whether the calling core may do it once more in this second. */
bool rate_take(enum rate r);
