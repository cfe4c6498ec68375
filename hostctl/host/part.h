/* SPDX-License-Identifier: MIT */
/* The parts of a host, each a file: how it is made, whether it is there, how it goes. Private to hostctl/host. */
#pragma once
#include "hostctl/host/host.h"
#include "hostctl/host/step.h"
#include <stdint.h>

/* ---- packages.c ---- */
/** part_packages() - all are installed; they are if not and @is_install. */
int part_packages(bool is_install, struct err *err);

/* ---- accounts.c ---- */
/** part_accounts() - the group that may talk to ixd, and whom QEMU runs as, into @h. */
int part_accounts(struct host *h, struct err *err);
/** part_folders() - of ours, with owner and mode. */
int part_folders(struct err *err);

/* ---- accel.c ---- */
/** part_accel() - whether guests run with KVM, into @h; @why says so. */
int part_accel(enum host_accel wish, struct host *h, char why[160], struct err *err);

/* ---- cores.c: what of this machine is the switch's ---- */
struct cores {
	uint64_t main_mask, pmd_mask; /* CPUs as bits */
	unsigned count;               /* CPUs that we may use */
	bool is_small;                /* PMD threads sleep when there is nothing to do */
};
/** cores_split() - CPUs @mine, at least one, between main thread and PMD threads. cores_choose(): those of this process. */
void cores_split(uint64_t mine, struct cores *out);
void cores_choose(struct cores *out);
struct memory {
	uint64_t page_kib; /* of hugepages, 0: there are none */
	uint64_t mib;      /* for the switch */
};
void memory_choose(struct memory *out);

/* ---- switch.c ---- */
/** part_switch() - Open vSwitch with DPDK runs; part_switch_end(): away with what was made of it. */
int part_switch(struct err *err);
int part_switch_end(struct err *err);

/* ---- virt.c ---- */
int part_virt(struct err *err);
int part_virt_end(struct err *err);

/* ---- confine.c: AppArmor ---- */
/** part_confine() - what libvirt's profiles of guests do not allow by themselves; part_confine_end(): no more. */
int part_confine(struct err *err);
int part_confine_end(struct err *err);

/* ---- units.c: with systemd ---- */
/** part_unit() - ixd.service as it should be. Return: 1 if it was not, 0, or -1 with @err. */
int part_unit(struct err *err);
int part_unit_end(struct err *err);

/* ---- service.c: the daemons ---- */
enum service { SERVICE_DATABASE = 0, SERVICE_SWITCH, SERVICE_LIBVIRT, SERVICE_IXD, SERVICE_NR };
/** service_pid() - of the daemon that runs, 0: none does. */
pid_t service_pid(enum service s);
/** service_start() - it runs and answers; fine if it does already. Return: 1 if started now, 0, or -1 with @err. */
int service_start(enum service s, struct err *err);
/** service_stop() - asked to end, after ten seconds made to; fine if it does not run. */
int service_stop(enum service s, struct err *err);
const char *service_name(enum service s);
/** service_remedy() - the line that brings it back. */
const char *service_remedy(enum service s);
