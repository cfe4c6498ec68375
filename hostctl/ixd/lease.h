/* SPDX-License-Identifier: MIT */
/* Addresses that DHCP servers gave. Private to hostctl/ixd. */
#pragma once
#include "hostctl/ixd/ixd.h"

/** lease_look() - @name's port and published ports follow the address that a DHCP server gave it. Only check.c calls it. */
void lease_look(const char *name, const struct sw_states *ports);
