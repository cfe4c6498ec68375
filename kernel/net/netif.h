/* SPDX-License-Identifier: MIT */
/* The interface and its address. Private to kernel/net. */
#pragma once
#include "kernel/net/core.h"

/** netif_address_check() - boot core: tell everybody if DHCP has changed the address. */
void netif_address_check(void);
/** netif_say_ready() - boot core: on the console, once all ports are served at an address. */
void netif_say_ready(void);
