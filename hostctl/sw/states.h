/* SPDX-License-Identifier: MIT */
/* What Open vSwitch says of all ports, as text. Private to hostctl/sw, and to its unit test. */
#pragma once
#include "hostctl/sw/ovs.h"

#define STATES_COLUMNS "name,ofport,link_state,error,statistics,external_ids,ingress_policing_rate"

/**
 * states_read() - guests' ports among the rows of `ovs-vsctl list Interface`, with the counts of `ovs-ofctl dump-flows`
 * @rows: as ovs_rows() gives them. Return: on the heap, whatever the two hold.
 */
struct sw_states *states_read(const json_t *rows, const char *flows);

/** states_read_links() - which of @s are linked, as `ovs-ofctl show` says; ports that it does not name stay as they are. */
void states_read_links(struct sw_states *s, const char *show);

/** states_read_meters() - what meters dropped, as `ovs-ofctl meter-stats` says. */
void states_read_meters(struct sw_states *s, const char *stats);
