/* SPDX-License-Identifier: MIT */
/* The interface and its address. Private to kernel/net. */
#pragma once
#include "kernel/net/core.h"

/** netif_end_conn() - as net_partition_end() ends each: reset it, ring 3 is not told any more. */
void netif_end_conn(struct conn *c);
/** netif_address_check() - boot core: tell everybody if DHCP has changed the address. */
void netif_address_check(void);
/** netif_say_ready() - boot core: on the console, once all ports are served at an address. */
void netif_say_ready(void);

/** limit_park() - limit.c: the calling core's places are for others. */
void limit_park(void);
