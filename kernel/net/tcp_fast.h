/* SPDX-License-Identifier: MIT */
/* What the two halves of header prediction, tcp_fast.c and tcp_fast_out.c, agree on. Private to kernel/net. */
#pragma once
#include "kernel/net/core.h"

#define TS_ALIGNED 0x0101080au /* NOP, NOP, timestamp, of 10 bytes */

#define ROUND_TRIP_MAX_MS 3000u /* lwIP keeps eight times the estimate in 16 bits */

/* In any of these states lwIP has more to do than is done here. */
#define SPECIAL (TF_INFR | TF_CLOSEPEND | TF_RXCLOSED | TF_FIN | TF_NAGLEMEMERR | TF_RTO)
