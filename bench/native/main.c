/* SPDX-License-Identifier: MIT */
/*
 * The core as a process of Linux: kernel/main.c's steps over a DPDK port, for an application that was linked for it.
 *
 *   native EAL-ARGUMENTS -- APPLICATION [checksums] [marks=SOCKET] [KEY=VALUE...]
 *
 * KEY=VALUE: as on a guest's command line. checksums: the port's. SOCKET: where a client marks its window.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/stat.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_memzone.h>

#include "bench/native/memory.h"
#include "bench/native/meter.h"
#include "bench/native/port.h"
#include "kernel/abi/call.h"
#include "kernel/abi/event.h"
#include "kernel/base/assert.h"
#include "kernel/base/log.h"
#include "kernel/buf/buf.h"
#include "kernel/conf/conf.h"
#include "kernel/cpu/start.h"
#include "kernel/event/event.h"
#include "kernel/flow/flow.h"
#include "kernel/loop.h"
#include "kernel/mem/map.h"
#include "kernel/mem/mem.h"
#include "kernel/net/net.h"
#include "kernel/nic/nic.h"
#include "kernel/order/order.h"
#include "kernel/partition.h"
#include "kernel/sys/sys.h"
#include "kernel/time/time.h"
#include "kernel/user/user.h"

#define RAM_BYTES (160u << 20)
#define SLAB_SHARE 2u
#define HWCAP2_FSGSBASE 2u /* [Linux asm/hwcap2.h] */
#define CMDLINE_BYTES 1024u

static struct conf conf;
static const char *app_path, *marks_path;
static char cmdline[CMDLINE_BYTES];

/* images/echo/image.yaml, as far as it is about the core. */
static const struct {
	struct ix_manifest m;
	char name[8];
} manifest = {
	.m = { .bytes = sizeof(manifest),
	       .name = sizeof(struct ix_manifest),
	       .memory_mib = RAM_BYTES >> 20,
	       .cores_min = 1,
	       .cores_max = 1,
	       .heap_mib = 8,
	       .mtu = 1500,
	       .connections = 4096,
	       .rx_buffers = 8192,
	       .batch = NIC_BURST_MAX,
	       .poll_us = UINT32_MAX,
	       .restart_max = 0,
	       .restart_window_s = 1,
	       .rto_floor_ms = 200,
	       .tcp_timestamps = 1 },
	.name = "native",
};

static void say(const char *text, size_t bytes)
{
	if (write(STDOUT_FILENO, text, bytes) != (ssize_t)bytes)
		_exit(EXIT_FAILURE);
}

/* ---- steps, in the order of kernel/main.c ---- */

static int step_memory(void)
{
	const struct rte_memzone *zone = rte_memzone_reserve_aligned("ix", RAM_BYTES, SOCKET_ID_ANY, 0, HUGE_BYTES);

	if (!zone) {
		log_line("DPDK has no %u MiB in one piece: raise -m", RAM_BYTES >> 20);
		return -1;
	}
	memory_init(zone->addr, RAM_BYTES);
	return 0;
}

static int step_conf(void)
{
	char error[160] = "";
	int err = conf_load(&conf, &manifest, sizeof(manifest), cmdline, error);

	if (err) {
		log_line("configuration: %s", error);
		return err;
	}
	loop_init(&conf);
	partition_init(&conf);
	return 0;
}

static int step_clock(void)
{
	cpu_clock_init(0);
	return 0;
}

static int step_buffers(void)
{
	return buf_init(conf.rx_buffers);
}

static int step_application(void)
{
	int fd = open(app_path, O_RDONLY | O_CLOEXEC);
	struct stat s;
	void *file;

	if (fd < 0 || fstat(fd, &s)) {
		log_line("%s: %s", app_path, strerror(errno));
		return -1;
	}
	file = mmap(NULL, (size_t)s.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	return file == MAP_FAILED ? -1 : user_init(&conf, file, (size_t)s.st_size);
}

static int step_nic(void)
{
	return nic_start(1);
}

static int step_flow(void)
{
	return flow_init(1);
}

static int step_net(void)
{
	return net_init(&conf);
}

static int step_blocks(void)
{
	return mem_slab_init(ALIGN_DOWN(mem_boot_free_bytes() / SLAB_SHARE, HUGE_BYTES));
}

static int step_wheel(void)
{
	time_core_init(time_now());
	return 0;
}

static int step_flow_core(void)
{
	flow_core_init();
	return 0;
}

static int step_arrays(void)
{
	event_core_init(map_core_page(0, IX_EVENT_ARRAY_VA));
	sys_core_init(map_core_page(0, IX_CALL_ARRAY_VA));
	(void)memory_page_at(IX_CORE_VA); /* core 0 */
	user_core_init();
	return 0;
}

static int step_orders(void)
{
	order_core_init();
	return 0;
}

static int step_meter(void)
{
	int err = meter_start(marks_path);

	if (err)
		log_line("%s: %s", marks_path, strerror(errno));
	return err;
}

static const struct step {
	const char *name;
	int (*run)(void);
} steps[] = {
	{ "memory", step_memory },
	{ "clock", step_clock },
	{ "configuration", step_conf },
	{ "receive buffers", step_buffers },
	{ "application", step_application },
	{ "NIC", step_nic },
	{ "flow groups", step_flow },
	{ "TCP/IP tables", step_net },
	{ "blocks", step_blocks },
	{ "timing wheel", step_wheel },
	{ "hand-over rings", step_flow_core },
	{ "TCP/IP instance", net_core_init },
	{ "ring-3 arrays", step_arrays },
	{ "orders", step_orders },
	{ "meter", step_meter },
};

/* ---- the program ---- */

/* Ring 3's fixed addresses are where Linux puts stacks and libraries by chance: without chance they are free. */
static void fix_addresses(char **argv)
{
	int now = personality(0xffffffff);
	static char path[PATH_MAX];

	if (now < 0 || now & ADDR_NO_RANDOMIZE)
		return;
	if (personality((unsigned long)now | ADDR_NO_RANDOMIZE) >= 0 &&
	    readlink("/proc/self/exe", path, sizeof(path) - 1) > 0)
		(void)execv(path, argv);
	panic("this system does not let a program keep its addresses: %s", strerror(errno));
}

static void parse(int argc, char **argv)
{
	size_t fill = 0;

	if (argc < 2)
		panic("usage: native EAL-ARGUMENTS -- APPLICATION [checksums] [marks=SOCKET] [KEY=VALUE...]");
	app_path = argv[1];
	for (int i = 2; i < argc; i++) {
		if (!strcmp(argv[i], "checksums")) {
			port_want(true);
		} else if (!strncmp(argv[i], "marks=", strlen("marks="))) {
			marks_path = argv[i] + strlen("marks=");
		} else {
			int n = snprintf(cmdline + fill, sizeof(cmdline) - fill, "%s ", argv[i]);

			if ((size_t)n >= sizeof(cmdline) - fill)
				panic("more than %u bytes of KEY=VALUE", CMDLINE_BYTES);
			fill += (size_t)n;
		}
	}
}

int main(int argc, char **argv)
{
	int used;

	fix_addresses(argv);
	if (!(getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE))
		panic("this machine has no FSGSBASE, which changes thread pointers at the boundary");
	used = rte_eal_init(argc, argv);
	if (used < 0)
		panic("DPDK does not start");
	log_init(say);
	parse(argc - used, argv + used);
	for (unsigned i = 0; i < ARRAY_COUNT(steps); i++)
		if (steps[i].run())
			panic("%s failed", steps[i].name);
	loop_run();
}
