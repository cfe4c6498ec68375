/* SPDX-License-Identifier: MIT */
/* The flow table as text. Private to hostctl/sw, and to its unit test. */
#pragma once
#include "hostctl/base/blob.h"
#include "hostctl/sw/ovs.h"

/* Cookies: of what is counted, with the port's number in the low half. */
#define FLOWS_SPOOFED 0x4958000100000000ull
#define FLOWS_FORBIDDEN 0x4958000200000000ull
#define FLOWS_OFFERED 0x4958000300000000ull
#define FLOWS_OTHER 0x4958000000000000ull

/** flows_write() - all flows of a bridge with these @ports, in ovs-ofctl's syntax, one a line, NUL-terminated, on the heap. */
char *flows_write(const struct ovs_ports *ports);

/**
 * flows_change() - what makes of the flows that a bridge has those that flows_write() gives for @ports, but for addresses that were offered
 * @diff: of `ovs-ofctl --no-names diff-flows BRIDGE FILE`. Return: commands of `ovs-ofctl add-flows`, one a line, "" if nothing is
 * to do; on the heap.
 */
char *flows_change(const char *diff, const struct ovs_ports *ports);
