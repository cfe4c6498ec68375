/* SPDX-License-Identifier: MIT */
/*
 * In: a machine. Out: a host: Open vSwitch with DPDK and the bridge ix0, libvirt, an address of its own, ixd. Who calls:
 * ixctl (setup, status, teardown), ixd (what was chosen). Start reading at config.c.
 */
#pragma once
#include "hostctl/base/err.h"
#include <stdbool.h>
#include <stdint.h>

/* What setup chose, in PATHS_HOST. */
struct host {
	uint8_t address[4]; /* of the host on the bridge */
	uint32_t prefix;
	bool is_kvm;        /* guests run with KVM */
	char qemu_user[33]; /* that QEMU runs as */
	uint32_t qemu_uid, qemu_gid;
};

/** host_load() - 0, or -1 with @err: the host is not set up. host_save() - atomic. */
int host_load(struct host *out, struct err *err);
int host_save(const struct host *h, struct err *err);
