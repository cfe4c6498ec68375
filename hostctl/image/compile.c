/* SPDX-License-Identifier: MIT */
/*
 * What concerns several fields of a manifest at once, and the struct ix_manifest that the kernel
 * reads: numbers first, strings behind them, offsets between.
 */
#include "hostctl/base/words.h"
#include "hostctl/image/schema.h"
#include <string.h>

unsigned source_line(const struct source *s, const char *name)
{
	int index = schema_find(name);

	return index >= 0 && s->line[index] != 0 ? s->line[index] : 1;
}

static bool is_zero(const uint8_t addr[4])
{
	return (addr[0] | addr[1] | addr[2] | addr[3]) == 0;
}

static int check_net(struct source *s, const char *path, struct err *err)
{
	struct ix_manifest *m = &s->m;
	bool is_static = !is_zero(m->address);

	if (is_static && s->dhcp)
		return err_set(err, STATUS_DATA,
			       "%s:%u: net.dhcp: expected either net.dhcp: true or net.address, got both", path,
			       source_line(s, "net.dhcp"));
	if (!is_static && s->line[schema_find("net.dhcp")] != 0 && !s->dhcp)
		return err_set(err, STATUS_DATA,
			       "%s:%u: net.dhcp: expected net.address beside net.dhcp: false, got none", path,
			       source_line(s, "net.dhcp"));
	s->dhcp = !is_static;
	if (!is_static && !is_zero(m->gateway))
		return err_set(err, STATUS_DATA,
			       "%s:%u: net.gateway: expected only beside net.address, DHCP brings its own", path,
			       source_line(s, "net.gateway"));
	if (!is_zero(m->gateway) &&
	    (!words_is_same_net(m->address, m->gateway, m->prefix_bits) || memcmp(m->address, m->gateway, 4) == 0))
		return err_set(err, STATUS_DATA,
			       "%s:%u: net.gateway: expected another address in the network of "
			       "net.address, got %u.%u.%u.%u",
			       path, source_line(s, "net.gateway"), m->gateway[0], m->gateway[1], m->gateway[2],
			       m->gateway[3]);
	return 0;
}

static bool is_zero6(const uint8_t addr[16])
{
	static const uint8_t zero[16];

	return memcmp(addr, zero, sizeof(zero)) == 0;
}

static int check_net6(struct source *s, const char *path, struct err *err)
{
	struct ix_manifest *m = &s->m;
	bool is_link_local = m->gateway6[0] == 0xfe && (m->gateway6[1] & 0xc0) == 0x80;

	if (s->line[schema_find("net.slaac")] == 0)
		m->slaac = is_zero6(m->address6);
	if (!is_zero6(m->address6) && m->mtu < 1280)
		return err_set(err, STATUS_DATA, "%s:%u: net.mtu: expected at least 1280 beside net.address6, got %u",
			       path, source_line(s, "net.mtu"), m->mtu);
	if (is_zero6(m->gateway6))
		return 0;
	if (is_zero6(m->address6))
		return err_set(err, STATUS_DATA, "%s:%u: net.gateway6: expected only beside net.address6, routers tell",
			       path, source_line(s, "net.gateway6"));
	if ((!is_link_local && !words_is_same_net6(m->address6, m->gateway6, m->prefix6_bits)) ||
	    memcmp(m->address6, m->gateway6, sizeof(m->gateway6)) == 0)
		return err_set(err, STATUS_DATA,
			       "%s:%u: net.gateway6: expected a link-local address or another one in the network of "
			       "net.address6",
			       path, source_line(s, "net.gateway6"));
	return 0;
}

int source_check(struct source *s, const char *path, struct err *err)
{
	if (s->m.cores_max < s->m.cores_min)
		return err_set(err, STATUS_DATA,
			       "%s:%u: cores.max: expected a number %u..%u (cores.min and up), got %u", path,
			       source_line(s, "cores.max"), s->m.cores_min, IX_CORES_MAX, s->m.cores_max);
	return check_net(s, path, err) != 0 ? -1 : check_net6(s, path, err);
}

static uint32_t add_string(struct blob *out, size_t start, const char *text)
{
	return (uint32_t)(blob_add(out, text, strlen(text) + 1) - start);
}

int source_compile(const struct source *s, const char *path, struct blob *out, struct err *err)
{
	struct ix_manifest m = s->m;
	size_t start = blob_add(out, NULL, sizeof(m));

	m.name = add_string(out, start, s->name);
	m.version = add_string(out, start, s->version);
	for (uint32_t i = 0; i < m.arg_count; i++)
		m.args[i] = add_string(out, start, s->args[i]);
	for (uint32_t i = 0; i < m.env_count; i++)
		m.env[i] = add_string(out, start, s->env[i]);
	blob_align(out, 8);
	m.bytes = (uint32_t)(out->bytes - start);
	if (m.bytes > sizeof(m) + SOURCE_STRINGS_MAX)
		return err_set(err, STATUS_DATA,
			       "%s:%u: args: expected at most %u bytes of args and env together, got %zu", path,
			       source_line(s, m.arg_count != 0 ? "args" : "env"), SOURCE_STRINGS_MAX,
			       m.bytes - sizeof(m));
	memcpy(out->data + start, &m, sizeof(m));
	return 0;
}
