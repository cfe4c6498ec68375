/* SPDX-License-Identifier: MIT */
/*
 * In: what a guest should be. Out: a libvirt domain that is. Who calls: ixd (state and events in its main thread,
 * slow calls in a request's thread). Start reading at xml.c, then life.c.
 */
#pragma once
#include "hostctl/base/err.h"
#include <stdbool.h>
#include <stdint.h>

#define DOMAIN_FILES_MAX 32u
#define DOMAIN_TCG_CPUS \
	64u /* the <vcpu> maximum without KVM, where QEMU dies when it has ever made more [QEMU tcg_register_thread] */

/* What the XML is made of; all pointers are the caller's. */
struct domain_plan {
	const char *name;
	const char *image;   /* path that QEMU reads */
	const char *cmdline; /* of the kernel */
	uint32_t memory_mib, cpus_min, cpus_max;
	uint64_t page_kib; /* of hugepages that it is made of, 0: ordinary memory */
	uint8_t mac[6];
	const char *net_socket, *bell_socket, *console_log; /* paths */
	uint32_t queue_pairs;
	uint32_t uid, gid; /* that QEMU runs as, 0: libvirt's own choice */
	bool is_kvm;
	struct {
		const char *name, *path; /* fw_cfg opt/ix/... */
	} files[DOMAIN_FILES_MAX];
	unsigned file_count;
};

/** domain_xml() - the domain's description, on the heap. Names and paths cannot break out of it. NULL with @err. */
char *domain_xml(const struct domain_plan *plan, struct err *err);

/* A connection to libvirtd that finds its way back when the daemon has been away. Safe for several threads. */
struct domains;

enum domain_state { DOMAIN_ABSENT = 0, DOMAIN_OFF, DOMAIN_RUNNING, DOMAIN_PAUSED, DOMAIN_CRASHED };

struct domain_info {
	enum domain_state state;
	uint32_t cpus, cpus_max; /* as libvirt counts them */
	uint64_t memory_kib, cpu_time_ns;
	int32_t pid; /* of QEMU, 0: none or not known */
};

/*
 * A domain changed its state, told in the thread that runs libvirt's event loop; or @name is NULL: libvirtd went (the same
 * thread) or came (the thread whose call connected, which holds no lock of ours then).
 */
typedef void domains_change(void *arg, const char *name, bool is_there);

/**
 * domains_new() - nothing is connected yet; virEventRegisterDefaultImpl() was called before if @on_change is to be called
 * @uri: NULL is "qemu:///system"
 */
struct domains *domains_new(const char *uri, domains_change *on_change, void *arg);
void domains_free(struct domains *d);

/** domains_connect() - if need be; 0, or -1 with @err that says how to mend it. All below call it by themselves. */
int domains_connect(struct domains *d, struct err *err);

/**
 * domain_start() - define @plan's domain (persistent; one that is off is replaced) and start it
 * Waits for the switch to connect. A failure leaves no definition that was not there before.
 */
int domain_start(struct domains *d, const struct domain_plan *plan, struct err *err);

/* How a domain is to end. */
struct domain_end {
	unsigned timeout_s; /* for an ACPI shutdown; then it is destroyed */
	void (*on_dead)(
		void *arg); /* NULL, or called once when QEMU has ended; libvirt knows some 0.2 s later. Not after a destroy. */
	void *arg;
};
/** domain_stop() - the domain ends, and its definition goes. Fine if absent. */
int domain_stop(struct domains *d, const char *name, const struct domain_end *how, struct err *err);

/** domain_info() - 0 (DOMAIN_ABSENT if libvirt knows none), or -1 with @err when libvirtd does not answer. */
int domain_info(struct domains *d, const char *name, struct domain_info *out, struct err *err);

/** domain_monitor() - one QMP command as JSON text; the answer, JSON too, on the heap. */
int domain_monitor(struct domains *d, const char *name, const char *command, char **answer, struct err *err);

/** domain_image() - path of the image that the domain is of, on the heap. */
int domain_image(struct domains *d, const char *name, char **path, struct err *err);

/** domain_console() - path of the console's pty, on the heap. */
int domain_console(struct domains *d, const char *name, char **path, struct err *err);

/**
 * domain_memory() - the RAM, @ram_bytes of it, of the guest whose QEMU is process @pid (struct domain_info)
 * Return: a descriptor to read, the caller's; -1 with @err.
 */
int domain_memory(int32_t pid, const char *name, uint64_t ram_bytes, struct err *err);

/** domain_memory_at() - where [pa, pa + bytes) of a guest with @ram_bytes lies in that file; -1: not in RAM, or not in one piece. */
int64_t domain_memory_at(uint64_t ram_bytes, uint64_t pa, uint64_t bytes);

/** domain_memory_end() - first physical address after all RAM. */
uint64_t domain_memory_end(uint64_t ram_bytes);

#define DOMAIN_VCPUS_MAX 64u

/* The vCPUs of a domain that runs, as QEMU has them. vCPU i of libvirt is core i of the guest. */
struct domain_vcpus {
	uint64_t present; /* bit i: vCPU i is there */
	uint32_t count;   /* of those */
	uint32_t max;     /* that there may be at once; under emulation: that there may ever have been */
	uint32_t libvirt; /* that libvirt believes to be there */
	int32_t threads[DOMAIN_VCPUS_MAX]; /* of QEMU, by vCPU; 0: not there */
};

/** domain_vcpus() - what QEMU says, and libvirt. 0, or -1 with @err. */
int domain_vcpus(struct domains *d, const char *name, struct domain_vcpus *out, struct err *err);

/**
 * domain_set_vcpus() - as `virsh setvcpus --live`, and what it says is not believed: QEMU is asked
 * Done again where libvirt has lost count: under emulation it waits 5 s for a word about a vCPU that is gone long since
 * [QEMU sends DEVICE_DELETED for its APIC only], and finds out when it is asked again.
 * Return: 0 when QEMU has @count and libvirt says so, too; -1 with @err. @out: as it is now; valid only if out->count > 0.
 */
int domain_set_vcpus(struct domains *d, const char *name, unsigned count, struct domain_vcpus *out, struct err *err);

/**
 * domain_eject_vcpus() - past libvirt: QEMU asks the guest for its last vCPUs until @count are left; domain_set_vcpus() is to follow
 * For emulation, where libvirt would wait 5 s for each. Return: 0, or -1 with @err.
 */
int domain_eject_vcpus(struct domains *d, const char *name, unsigned count, struct domain_vcpus *out, struct err *err);

/** domain_parse_vcpus() - into all of @out but `libvirt`, from QMP's query-cpus-fast and query-hotpluggable-cpus. */
int domain_parse_vcpus(struct domain_vcpus *out, const char *cpus, const char *hotpluggable, struct err *err);

/** domain_process_start() - when process @pid began, in ticks since the host did; with it a pid is nobody else's. 0: it is gone. */
uint64_t domain_process_start(int32_t pid);

/* CPUs of the host: bit i of word i / 64. */
struct domain_cpus {
	const uint64_t *bits;
	unsigned count; /* of bits */
};

/** domain_pin() - @vcpu of a domain that runs, or with -1 QEMU's other threads, run on @cpus and nowhere else. */
int domain_pin(struct domains *d, const char *name, int vcpu, const struct domain_cpus *cpus, struct err *err);
