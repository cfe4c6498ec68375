/* SPDX-License-Identifier: MIT */
/* Which groups we are in, for switches that send a group's frames only where they are wanted. [RFC 3810] */
#pragma once
#include "kernel/net/icmp6.h"

/** mld_core0_init() - boot core. mld_report() - soon, twice: our addresses have changed. */
void mld_core0_init(void);
void mld_report(void);
/** mld_query() - boot core: somebody asks. */
void mld_query(const struct icmp6 *m);
