/* SPDX-License-Identifier: MIT */
/* Router advertisements, and asking for them. Boot core only; private to kernel/net. [RFC 4861 6, RFC 4862 5.5] */
#pragma once
#include "kernel/net/icmp6.h"

/** ra_core0_init() - ask for routers from now on. */
void ra_core0_init(void);
/** ra_input() - an advertisement; hop limit and checksum are good. */
void ra_input(const struct icmp6 *m);
