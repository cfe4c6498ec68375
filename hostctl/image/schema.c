/* SPDX-License-Identifier: MIT */
/*
 * The table itself. Ranges repeat what kernel/abi/manifest.h promises; the kernel checks them again.
 */
#include "hostctl/image/schema.h"
#include "hostctl/base/words.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AT(field) offsetof(struct source, field)

const struct schema_key schema_keys[] = {
	{ .name = "name",
	  .kind = SCHEMA_NAME,
	  .is_required = true,
	  .at = AT(name),
	  .doc = "what the service is called; the image file is NAME.ix" },
	{ .name = "version",
	  .kind = SCHEMA_TEXT,
	  .at = AT(version),
	  .fallback = "0",
	  .doc = "the service's own version, shown by inspect and on the console" },
	{ .name = "app",
	  .kind = SCHEMA_TEXT,
	  .is_required = true,
	  .at = AT(app),
	  .doc = "the program: a path relative to this file, or the name of one in build/apps" },
	{ .name = "args", .kind = SCHEMA_TEXTS, .doc = "the program's arguments, without its name" },
	{ .name = "env", .kind = SCHEMA_PAIRS, .doc = "the program's environment" },
	{ .name = "files",
	  .kind = SCHEMA_FILES,
	  .doc = "files to put into the image: PATH, or {from: PATH, to: PATH IN THE IMAGE}; the program "
		 "opens them there" },
	{ .name = "memory_mib",
	  .kind = SCHEMA_NUMBER,
	  .min = 64,
	  .max = 1048576,
	  .at = AT(m.memory_mib),
	  .fallback = "128",
	  .doc = "memory of the guest in MiB" },
	{ .name = "heap_mib",
	  .kind = SCHEMA_NUMBER,
	  .is_override = true,
	  .min = 2,
	  .max = 1048576,
	  .at = AT(m.heap_mib),
	  .fallback = "16",
	  .doc = "memory of the program beside its code and data, in MiB" },
	{ .name = "cores", .kind = SCHEMA_GROUP, .doc = "how many virtual CPUs it may have" },
	{ .name = "cores.min",
	  .kind = SCHEMA_NUMBER,
	  .is_override = true,
	  .min = 1,
	  .max = IX_CORES_MAX,
	  .at = AT(m.cores_min),
	  .fallback = "1",
	  .doc = "at least; also what `ixctl run` takes" },
	{ .name = "cores.max",
	  .kind = SCHEMA_NUMBER,
	  .is_override = true,
	  .min = 1,
	  .max = IX_CORES_MAX,
	  .at = AT(m.cores_max),
	  .doc = "at most (default: cores.min)" },
	{ .name = "net", .kind = SCHEMA_GROUP, .doc = "its network interface" },
	{ .name = "net.dhcp",
	  .kind = SCHEMA_BOOL,
	  .is_override = true,
	  .at = AT(dhcp),
	  .doc = "ask a DHCP server (default: true if there is no net.address)" },
	{ .name = "net.address",
	  .kind = SCHEMA_PREFIX,
	  .is_override = true,
	  .at = AT(m.address),
	  .doc = "its IPv4 address with the length of its network's prefix" },
	{ .name = "net.gateway",
	  .kind = SCHEMA_IPV4,
	  .is_override = true,
	  .at = AT(m.gateway),
	  .doc = "next hop to everything outside the network of net.address" },
	{ .name = "net.dns",
	  .kind = SCHEMA_IPV4,
	  .is_override = true,
	  .at = AT(m.dns),
	  .doc = "name server, for programs that ask one" },
	{ .name = "net.address6",
	  .kind = SCHEMA_PREFIX6,
	  .is_override = true,
	  .at = AT(m.address6),
	  .doc = "an IPv6 address of its own with the length of its network's prefix" },
	{ .name = "net.slaac",
	  .kind = SCHEMA_BOOL,
	  .is_override = true,
	  .at = AT(m.slaac),
	  .doc = "IPv6 addresses and routers by router advertisement, by DHCPv6 too where routers say so "
		 "(default: true if there is no net.address6)" },
	{ .name = "net.gateway6",
	  .kind = SCHEMA_IPV6,
	  .is_override = true,
	  .at = AT(m.gateway6),
	  .doc = "next hop to everything outside the network of net.address6" },
	{ .name = "net.mtu",
	  .kind = SCHEMA_NUMBER,
	  .is_override = true,
	  .min = 576,
	  .max = 1500,
	  .at = AT(m.mtu),
	  .fallback = "1500",
	  .doc = "largest IP packet in bytes" },
	{ .name = "ports",
	  .kind = SCHEMA_PORTS,
	  .doc = "what the service answers on, as 7/tcp or 7/udp, or {port: 7/tcp, OPTION: VALUE}; `ready` names "
		 "them" },
	{ .name = "connections",
	  .kind = SCHEMA_NUMBER,
	  .is_override = true,
	  .min = 16,
	  .max = 4194304,
	  .at = AT(m.connections),
	  .fallback = "1024",
	  .doc = "most TCP connections at a time, on all cores together" },
	{ .name = "rx_buffers",
	  .kind = SCHEMA_NUMBER,
	  .is_override = true,
	  .min = 1024,
	  .max = 4194304,
	  .step = 1024,
	  .at = AT(m.rx_buffers),
	  .fallback = "4096",
	  .doc = "receive buffers of 2 KiB, on all cores together" },
	{ .name = "batch",
	  .kind = SCHEMA_NUMBER,
	  .is_override = true,
	  .min = 1,
	  .max = 64,
	  .at = AT(m.batch),
	  .fallback = "64",
	  .doc = "most packets taken in one turn of the loop" },
	{ .name = "poll_us",
	  .kind = SCHEMA_NUMBER_OR_AUTO,
	  .is_override = true,
	  .max = 1000000,
	  .at = AT(m.poll_us),
	  .fallback = "auto",
	  .doc = "how long an idle core polls before it sleeps; auto: 50 with KVM, 0 without" },
	{ .name = "restart", .kind = SCHEMA_GROUP, .doc = "what happens after a fault in the program" },
	{ .name = "restart.on_fault",
	  .kind = SCHEMA_BOOL,
	  .is_override = true,
	  .at = AT(m.restart_on_fault),
	  .fallback = "false",
	  .doc = "start it again; without, the guest ends with status 101 or 104" },
	{ .name = "restart.max",
	  .kind = SCHEMA_NUMBER,
	  .is_override = true,
	  .min = 0,
	  .max = 64,
	  .at = AT(m.restart_max),
	  .fallback = "3",
	  .doc = "so many times ..." },
	{ .name = "restart.window_s",
	  .kind = SCHEMA_NUMBER,
	  .is_override = true,
	  .min = 1,
	  .max = 86400,
	  .at = AT(m.restart_window_s),
	  .fallback = "60",
	  .doc = "... in so many seconds, then the guest ends" },
	{ .name = "watchdog_ms",
	  .kind = SCHEMA_NUMBER,
	  .is_override = true,
	  .min = 10,
	  .max = 600000,
	  .at = AT(m.watchdog_ms),
	  .fallback = "0",
	  .doc = "longest stay of the program away from its event loop; 0: any" },
	{ .name = "rto_floor_ms",
	  .kind = SCHEMA_NUMBER,
	  .is_override = true,
	  .min = 5,
	  .max = 1000,
	  .at = AT(m.rto_floor_ms),
	  .fallback = "200",
	  .doc = "shortest retransmission timeout" },
	{ .name = "stats_s",
	  .kind = SCHEMA_NUMBER,
	  .is_override = true,
	  .max = 3600,
	  .at = AT(m.stats_s),
	  .fallback = "0",
	  .doc = "each core prints a line of counters every so many seconds; 0: never" },
	{ .name = "tcp", .kind = SCHEMA_GROUP, .doc = "what TCP offers and agrees to" },
	{ .name = "tcp.timestamps",
	  .kind = SCHEMA_BOOL,
	  .is_override = true,
	  .at = AT(m.tcp_timestamps),
	  .fallback = "true",
	  .doc = "timestamps in every segment, which guard against old duplicates" },
};
const unsigned schema_count = sizeof(schema_keys) / sizeof(schema_keys[0]);
_Static_assert(sizeof(schema_keys) / sizeof(schema_keys[0]) <= SOURCE_KEYS_MAX, "source.h");

int schema_find(const char *name)
{
	for (unsigned i = 0; i < schema_count; i++)
		if (strcmp(schema_keys[i].name, name) == 0)
			return (int)i;
	return -1;
}

static bool is_name(const char *text)
{
	static const char good[] = "abcdefghijklmnopqrstuvwxyz0123456789-_.";

	return text[0] != '\0' && strchr("-_.", text[0]) == NULL && strlen(text) <= 63 &&
	       strspn(text, good) == strlen(text);
}

static bool is_text(const char *text)
{
	if (*text == '\0' || strlen(text) > SOURCE_TEXT_MAX)
		return false;
	for (; *text != '\0'; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return false;
	return true;
}

static bool set_number(const struct schema_key *key, const char *text, uint32_t *field)
{
	bool is_auto = key->kind == SCHEMA_NUMBER_OR_AUTO && strcmp(text, "auto") == 0;
	bool is_off = key->fallback != NULL && strcmp(key->fallback, "0") == 0;
	uint64_t value;

	if (is_auto) {
		*field = UINT32_MAX;
		return true;
	}
	if (!words_number(text, key->min, key->max, &value) && !(is_off && words_number(text, 0, 0, &value)))
		return false;
	if (key->step != 0 && value % key->step != 0)
		return false;
	*field = (uint32_t)value;
	return true;
}

static bool set_text(char **field, const char *text)
{
	free(*field);
	*field = strdup(text);
	return *field != NULL;
}

static bool set_bool(const char *text, uint32_t *field)
{
	*field = strcmp(text, "true") == 0;
	return *field != 0 || strcmp(text, "false") == 0;
}

bool schema_set(struct source *s, int index, const char *text)
{
	const struct schema_key *key = &schema_keys[index];
	uint8_t *field = (uint8_t *)s + key->at;

	switch (key->kind) {
	case SCHEMA_NAME:
		return is_name(text) && set_text((char **)(void *)field, text);
	case SCHEMA_TEXT:
		return is_text(text) && set_text((char **)(void *)field, text);
	case SCHEMA_NUMBER:
	case SCHEMA_NUMBER_OR_AUTO:
		return set_number(key, text, (uint32_t *)(void *)field);
	case SCHEMA_BOOL:
		return set_bool(text, (uint32_t *)(void *)field);
	case SCHEMA_PREFIX:
		return words_ipv4_prefix(text, s->m.address, &s->m.prefix_bits);
	case SCHEMA_IPV4:
		return words_ipv4_host(text, field);
	case SCHEMA_PREFIX6:
		return words_ipv6_prefix(text, s->m.address6, &s->m.prefix6_bits);
	case SCHEMA_IPV6:
		return words_ipv6(text, field);
	case SCHEMA_GROUP:
	case SCHEMA_PORTS:
	case SCHEMA_TEXTS:
	case SCHEMA_PAIRS:
	case SCHEMA_FILES:
	case SCHEMA_NR:
		break;
	}
	return false;
}

static void expected_number(const struct schema_key *key, char *out, size_t bytes)
{
	bool is_off = key->fallback != NULL && strcmp(key->fallback, "0") == 0 && key->min > 0;
	int n = snprintf(out, bytes, "a number %u..%u", key->min, key->max);

	if (key->step != 0)
		n += snprintf(out + n, bytes - (size_t)n, ", a multiple of %u", key->step);
	if (is_off)
		n += snprintf(out + n, bytes - (size_t)n, ", or 0");
	if (key->kind == SCHEMA_NUMBER_OR_AUTO)
		snprintf(out + n, bytes - (size_t)n, ", or auto");
}

void schema_expected(int index, char *out, size_t bytes)
{
	static const char *const words[SCHEMA_NR] = {
		[SCHEMA_GROUP] = "a mapping",
		[SCHEMA_NAME] = "a name of a-z, 0-9, '-', '_' and '.', at most 63",
		[SCHEMA_TEXT] = "text of 1..1024 bytes",
		[SCHEMA_BOOL] = "true or false",
		[SCHEMA_PREFIX] = "a host address with its prefix length, like 10.0.2.15/24",
		[SCHEMA_IPV4] = "a host's IPv4 address, like 10.0.2.2",
		[SCHEMA_PREFIX6] = "a host address with its prefix length, like fd00::2/64",
		[SCHEMA_IPV6] = "an IPv6 address, like fe80::1",
		[SCHEMA_PORTS] = "a list like [7/tcp, 53/udp]",
		[SCHEMA_TEXTS] = "a list of texts",
		[SCHEMA_PAIRS] = "a mapping of names to texts",
		[SCHEMA_FILES] = "a list of paths or {from: PATH, to: PATH}",
	};
	enum schema_kind kind = schema_keys[index].kind;

	if (kind == SCHEMA_NUMBER || kind == SCHEMA_NUMBER_OR_AUTO)
		expected_number(&schema_keys[index], out, bytes);
	else
		snprintf(out, bytes, "%s", words[kind]);
}

/* Whether @key stands directly in the group that @prefix_bytes of @name spell, dot included. */
static bool is_in_group(const char *key, const char *name, size_t prefix_bytes)
{
	return strncmp(key, name, prefix_bytes) == 0 && strchr(key + prefix_bytes, '.') == NULL;
}

void schema_unknown(const char *name, char *out, size_t bytes)
{
	const char *dot = strrchr(name, '.');
	size_t prefix = dot == NULL ? 0 : (size_t)(dot + 1 - name);
	const char *known[SOURCE_KEYS_MAX];
	const char *near;
	size_t n = 0;

	for (unsigned i = 0; i < schema_count; i++)
		known[n++] = schema_keys[i].name;
	near = words_nearest(name, known, n);
	if (near != NULL) {
		snprintf(out, bytes, "unknown field, did you mean %s?", near);
		return;
	}
	n = (size_t)snprintf(out, bytes, "unknown field, known here are");
	for (unsigned i = 0; i < schema_count; i++)
		if (is_in_group(schema_keys[i].name, name, prefix) && n < bytes)
			n += (size_t)snprintf(out + n, bytes - n, " %s", schema_keys[i].name);
}
