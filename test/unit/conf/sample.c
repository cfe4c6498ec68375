/* SPDX-License-Identifier: MIT */
/* What a good manifest looks like. */
#include "test/unit/conf/sample.h"

#include <stdlib.h>
#include <string.h>

static void *copy;

static uint32_t add_text(struct sample *s, const char *text)
{
	uint32_t off = s->m.bytes;

	memcpy((char *)s + off, text, strlen(text) + 1);
	s->m.bytes += (uint32_t)strlen(text) + 1;
	return off;
}

void sample_make(struct sample *s)
{
	memset(s, 0, sizeof(*s));
	s->m = (struct ix_manifest){
		.bytes = sizeof(s->m),
		.arg_count = 2,
		.env_count = 2,
		.memory_mib = 128,
		.cores_min = 1,
		.cores_max = 4,
		.heap_mib = 16,
		.address = { 10, 0, 2, 15 },
		.prefix_bits = 24,
		.gateway = { 10, 0, 2, 2 },
		.dns = { 10, 0, 2, 3 },
		.address6 = { 0xfd, [15] = 2 },
		.prefix6_bits = 64,
		.gateway6 = { 0xfe, 0x80, [15] = 1 },
		.mtu = 1500,
		.port_count = 2,
		.ports = { { .port = 7, .protocol = IX_PORT_TCP }, { .port = 7, .protocol = IX_PORT_UDP } },
		.connections = 1024,
		.rx_buffers = 4096,
		.batch = 64,
		.poll_us = UINT32_MAX,
		.restart_on_fault = 1,
		.restart_max = 3,
		.restart_window_s = 60,
		.watchdog_ms = 1000,
		.rto_floor_ms = 200,
		.tcp_timestamps = 1,
	};
	s->m.name = add_text(s, "echo");
	s->m.version = add_text(s, "1.2");
	s->m.args[0] = add_text(s, "-v");
	s->m.args[1] = add_text(s, "two words");
	s->m.env[0] = add_text(s, "HOME=/");
	s->m.env[1] = add_text(s, "EMPTY=");
}

int sample_load(struct conf *out, const struct sample *s, size_t bytes, const char *cmdline, char error[160])
{
	sample_done();
	copy = malloc(bytes ? bytes : 1);
	if (!copy)
		abort();
	memcpy(copy, s, bytes);
	return conf_load(out, copy, bytes, cmdline, error);
}

void sample_done(void)
{
	free(copy);
	copy = NULL;
}
