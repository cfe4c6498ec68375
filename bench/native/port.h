/* SPDX-License-Identifier: MIT */
/* In: DPDK's port 0. Out: kernel/nic/nic.h over it. Who calls: main.c, before the steps that nic.h speaks of. */
#pragma once
#include <stdbool.h>

/** port_want() - whether nic_start() is to ask the port for checksums both ways; it fails where there are none. */
void port_want(bool has_checksums);
