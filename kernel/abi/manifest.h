/* SPDX-License-Identifier: MIT */
/*
 * The compiled manifest: image.yaml as one fixed structure followed by its strings. Written by
 * ixctl, read by the kernel, which checks every field again. A string is an offset from the start of
 * the structure to a NUL-terminated text inside the part; 0 means absent. Kernel command line words
 * of the form KEY=VALUE with the same dotted keys override it, options of a TCP port that the manifest
 * names as ports.PORT.OPTION=VALUE; a word "--" starts the arguments.
 */
#pragma once
#include <stdint.h>

#define IX_ARGS_MAX 32
#define IX_ENV_MAX 32
#define IX_PORTS_MAX 16
#define IX_CORES_MAX 64

#define IX_PORT_TCP 6
#define IX_PORT_UDP 17

/* "ecn" of a port: what its connections agree to if the other end asks [RFC 3168, RFC 8257]. */
enum ix_ecn { IX_ECN_OFF, IX_ECN_CLASSIC, IX_ECN_DCTCP, IX_ECN_NR };

/* A port, and what is different for those who connect to it; 0: as everywhere. Options are of TCP only. */
struct ix_manifest_port {
	uint16_t port;
	uint8_t protocol;      /* IX_PORT_TCP or IX_PORT_UDP */
	uint8_t reserved;      /* 0 */
	uint32_t rto_floor_ms; /* "rto_floor_ms": as the image's, 5..1000 */
	uint32_t backlog;      /* "backlog": connections of a core that wait for accept, at most; 1..65536, 0: 1024 */
	uint32_t ecn;          /* "ecn": enum ix_ecn, "off" "classic" "dctcp" */
	uint32_t half_open; /* "half_open": of a core, at most; beyond it SYN cookies; 1..65536, 0: what the core may */
};

struct ix_manifest {
	uint32_t bytes;             /* of structure and strings */
	uint32_t name;              /* string: "name" */
	uint32_t version;           /* string: "version" */
	uint32_t arg_count;         /* "args", without the program's name */
	uint32_t args[IX_ARGS_MAX]; /* strings */
	uint32_t env_count;         /* "env" */
	uint32_t env[IX_ENV_MAX];   /* strings "KEY=VALUE" */
	uint32_t memory_mib;        /* "memory_mib": of the guest, 64..1048576 */
	uint32_t cores_min;         /* "cores.min", 1..IX_CORES_MAX */
	uint32_t cores_max;         /* "cores.max" */
	uint32_t heap_mib;          /* "heap_mib": partition memory beside the program, 2..; rounded up to 2 MiB */
	uint8_t address[4];         /* "net.address" a.b.c.d/len; 0.0.0.0: DHCP ("net.dhcp: true") */
	uint32_t prefix_bits;       /* 0..32 */
	uint8_t gateway[4];         /* "net.gateway"; 0.0.0.0: none */
	uint8_t dns[4];             /* "net.dns"; 0.0.0.0: none */
	uint8_t address6[16];       /* "net.address6" ADDRESS/len; ::: none */
	uint32_t prefix6_bits;      /* 0..128 */
	uint8_t gateway6[16];       /* "net.gateway6"; ::: none */
	uint32_t slaac;             /* "net.slaac": 0 or 1: router advertisements are followed */
	uint32_t mtu;               /* "net.mtu": 576..1500 */
	uint32_t port_count;        /* "ports": what the service answers on, for "ready" and publishing */
	struct ix_manifest_port ports[IX_PORTS_MAX];
	uint32_t connections;      /* "connections": most at a time, in all, 16..4194304 */
	uint32_t rx_buffers;       /* "rx_buffers": of 2,048 bytes, in all, a multiple of 1,024, at most 4194304 */
	uint32_t batch;            /* "batch": 1..64 */
	uint32_t poll_us;          /* "poll_us": 0..1000000; UINT32_MAX: by accelerator (50 KVM, 0 TCG) */
	uint32_t restart_on_fault; /* "restart.on_fault": 0 or 1 */
	uint32_t restart_max;      /* "restart.max" restarts (0..64) ... */
	uint32_t
		restart_window_s; /* "restart.window_s" ... in that many seconds (1..86400), then the guest ends with 101 */
	uint32_t watchdog_ms;     /* "watchdog_ms": longest stay in ring 3, 0: none, else 10..600000 */
	uint32_t rto_floor_ms; /* "rto_floor_ms": 5..1000 */
	uint32_t stats_s;      /* "stats_s": a line of counters of each core every so many seconds, 0..3600, 0: none */
	uint32_t tcp_timestamps; /* "tcp.timestamps": 0 or 1; offered and agreed to [RFC 7323] */
};
