/* SPDX-License-Identifier: MIT */
/*
 * In: a machine. Out: a host: Open vSwitch with DPDK and the bridge ix0, libvirt, an address of its own, ixd. Who calls:
 * ixctl (setup, status, teardown), ixd (what was chosen). Start reading at setup.c, then part.h.
 */
#pragma once
#include "hostctl/base/err.h"
#include <stdbool.h>
#include <stdint.h>

#define HOST_VSWITCHD \
	"/usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk" /* the package prefers the build without DPDK */
#define HOST_QEMU_FOLDER "/var/lib/libvirt/qemu"             /* in which each guest's QEMU has a folder of its own */
#define HOST_CHECKS_MAX 16u
#define HOST_CORES_MAX 4096u

/* What setup chose, in PATHS_HOST. */
struct host {
	uint8_t address[4]; /* of the host on the bridge */
	uint32_t prefix;
	bool is_kvm;        /* guests run with KVM */
	char qemu_user[33]; /* that QEMU runs as */
	uint32_t qemu_uid, qemu_gid;
	uint32_t cores; /* that guests may run together; 0: as many as there are CPUs for them */
};

/** host_load() - 0, or -1 with @err: the host is not set up. host_save() - atomic. */
int host_load(struct host *out, struct err *err);
int host_save(const struct host *h, struct err *err);

/** host_hugepages() - KiB of a hugepage, if so many of one size are free that @mib consist of them; else 0. */
uint64_t host_hugepages(uint32_t mib);

enum host_accel { HOST_ACCEL_AUTO = 0, HOST_ACCEL_KVM, HOST_ACCEL_TCG };

struct host_wish {
	const char *address; /* "A.B.C.D/LEN", NULL: as before, or the usual one */
	enum host_accel accel;
	const uint32_t *cores; /* that guests may run together, 0: as many as there are CPUs; NULL: as before */
	bool is_install;       /* packages that are missing */
	bool is_network_only;  /* nothing but what a reboot takes away */
};

/**
 * host_setup() - make this machine a host, or mend what of one is missing; says each step that changes something
 * Guests that run are not disturbed. Return: 0, or -1 with @err; what was done until then stays, and a repetition goes on.
 */
int host_setup(const struct host_wish *wish, struct err *err);

/* One thing that a host needs. */
struct host_check {
	const char *what;
	bool is_good;
	char says[300];
	char remedy[64]; /* a command, "" if it is good */
};

/** host_status() - all of them, at most HOST_CHECKS_MAX; changes nothing. Return: how many. */
unsigned host_status(struct host_check *out);

/**
 * host_teardown() - undo host_setup()
 * @is_force: end guests that run. @is_purge: their records go, too. Return: 0, or -1 with @err.
 */
int host_teardown(bool is_force, bool is_purge, struct err *err);
