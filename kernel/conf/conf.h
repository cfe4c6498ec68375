/* SPDX-License-Identifier: MIT */
/*
 * In: the image's compiled manifest and the kernel command line. Out: one struct conf, every value
 * checked, that the rest of the kernel reads and nobody writes. Who calls: kernel/main.c once.
 * Start reading at conf.c.
 */
#pragma once
#include "kernel/abi/manifest.h"
#include "kernel/base/types.h"

#define CONF_TEXT_BYTES 8192u

struct conf {
	const char *name;
	const char *version;
	uint32_t arg_count; /* argv[1..]; from the command line after "--" if there is one */
	const char *args[IX_ARGS_MAX];
	uint32_t env_count;
	const char *env[IX_ENV_MAX];
	uint32_t cores_min; /* fewer in the machine: the image cannot start */
	uint32_t cores_max; /* as many elastic threads as the machine has, at most this */
	uint32_t heap_mib;
	be32_t address; /* 0: DHCP */
	uint32_t prefix_bits;
	be32_t gateway;
	be32_t dns;
	struct ip6 address6; /* ::: none */
	uint32_t prefix6_bits;
	struct ip6 gateway6; /* ::: none, or as routers say */
	bool slaac;          /* addresses and routers by router advertisement */
	uint32_t mtu;
	uint32_t port_count;
	struct ix_manifest_port ports[IX_PORTS_MAX];
	uint32_t connections;
	uint32_t rx_buffers;
	uint32_t batch;
	uint32_t poll_us; /* UINT32_MAX: decide by accelerator */
	bool restart_on_fault;
	uint32_t restart_max;
	uint32_t restart_window_s;
	uint32_t watchdog_ms;
	uint32_t rto_floor_ms;
	uint32_t stats_s; /* 0: none */
	bool tcp_timestamps;
	char text[CONF_TEXT_BYTES]; /* strings that came from the command line */
};

/**
 * conf_load() - check a compiled manifest and apply the command line
 * @out:      filled in; its strings point into @manifest and into @out->text
 * @manifest: part IX_PART_MANIFEST, @bytes long, stays mapped
 * @cmdline:  NUL-terminated, "" if none; an unknown KEY=VALUE is an error
 * @error:    room for a sentence that names the key and says what was expected
 *
 * Return: 0 or KERR_INVALID with @error filled in.
 */
int conf_load(struct conf *out, const void *manifest, size_t bytes, const char *cmdline, char error[160]);

/** conf_port() - what the manifest says of @port of @protocol (IX_PORT_TCP, IX_PORT_UDP), NULL if nothing. */
const struct ix_manifest_port *conf_port(const struct conf *conf, uint8_t protocol, uint16_t port);
