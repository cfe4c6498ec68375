/* SPDX-License-Identifier: MIT */
/*
 * What a compiled manifest must be before anybody believes it. The part's digest says that it is what
 * ixctl wrote, not that ixctl was right, so every offset, count and range is looked at again.
 */
#include "kernel/conf/conf.h"

#include "kernel/base/bytes.h"
#include "kernel/base/err.h"
#include "kernel/base/fmt.h"
#include "kernel/conf/cmdline.h"
#include "kernel/conf/field.h"
#include "kernel/conf/port.h"
#include "kernel/conf/value.h"

struct part {
	const struct ix_manifest *m;
	uint32_t bytes; /* of structure and strings, inside the part */
	char *error;
};

static int refuse(const struct part *p, const char *key, const char *why)
{
	fmt_text(p->error, CONF_ERROR_BYTES, "manifest: %s: %s", key, why);
	return KERR_INVALID;
}

/* The string at offset @off, absent if 0. NULL if it is not wholly behind the structure and inside the part. */
static const char *string_at(const struct part *p, uint32_t off)
{
	const char *text = (const char *)p->m + off;

	if (!off)
		return "";
	if (off < sizeof(*p->m) || off >= p->bytes)
		return NULL;
	return strnlen(text, p->bytes - off) < p->bytes - off ? text : NULL;
}

static int load_strings(const struct part *p, struct conf *out)
{
	const struct ix_manifest *m = p->m;

	out->name = string_at(p, m->name);
	out->version = string_at(p, m->version);
	if (!out->name || !out->name[0])
		return refuse(p, "name", "no text in this part");
	if (!out->version)
		return refuse(p, "version", "no text in this part");
	if (m->arg_count > IX_ARGS_MAX)
		return refuse(p, "args", "too many");
	for (uint32_t i = 0; i < m->arg_count; i++) {
		out->args[i] = string_at(p, m->args[i]);
		if (!m->args[i] || !out->args[i])
			return refuse(p, "args", "no text in this part");
	}
	out->arg_count = m->arg_count;
	if (m->env_count > IX_ENV_MAX)
		return refuse(p, "env", "too many");
	for (uint32_t i = 0; i < m->env_count; i++) {
		const char *equals = out->env[i] = string_at(p, m->env[i]);

		while (equals && *equals && *equals != '=')
			equals++;
		if (!equals || equals == out->env[i] || !*equals)
			return refuse(p, "env", "not NAME=VALUE");
	}
	out->env_count = m->env_count;
	return 0;
}

static bool is_zero6(const struct ip6 *a)
{
	return !(a->words[0] | a->words[1] | a->words[2] | a->words[3]);
}

static int load_net(const struct part *p, struct conf *out)
{
	const struct ix_manifest *m = p->m;

	memcpy(&out->address, m->address, sizeof(out->address));
	memcpy(&out->gateway, m->gateway, sizeof(out->gateway));
	memcpy(&out->dns, m->dns, sizeof(out->dns));
	if (out->address && !value_is_host(out->address))
		return refuse(p, "net.address", "not a host's address");
	if (out->gateway && !value_is_host(out->gateway))
		return refuse(p, "net.gateway", "not a host's address");
	if (out->dns && !value_is_host(out->dns))
		return refuse(p, "net.dns", "not a host's address");
	memcpy(&out->address6, m->address6, sizeof(out->address6));
	memcpy(&out->gateway6, m->gateway6, sizeof(out->gateway6));
	if (!is_zero6(&out->address6) && !value_is_host6(&out->address6))
		return refuse(p, "net.address6", "not a host's address");
	if (!is_zero6(&out->gateway6) && !value_is_host6(&out->gateway6))
		return refuse(p, "net.gateway6", "not a host's address");
	if (m->port_count > IX_PORTS_MAX)
		return refuse(p, "ports", "too many");
	for (uint32_t i = 0; i < m->port_count; i++) {
		out->ports[i] = m->ports[i];
		if (!port_is_good(&out->ports[i]))
			return refuse(p, "ports", "not PORT/tcp or PORT/udp, or an option out of its range");
	}
	out->port_count = m->port_count;
	return 0;
}

int conf_load(struct conf *out, const void *manifest, size_t bytes, const char *cmdline, char error[160])
{
	struct part p = { .m = manifest, .error = error };
	int err;

	memset(out, 0, sizeof(*out));
	error[0] = 0;
	if (bytes < sizeof(*p.m) || (uintptr_t)manifest % _Alignof(struct ix_manifest))
		return refuse(&p, "bytes", "part too short or not aligned");
	if (p.m->bytes < sizeof(*p.m) || p.m->bytes > bytes)
		return refuse(&p, "bytes", "more than the part has, or less than the structure");
	p.bytes = p.m->bytes;
	err = load_strings(&p, out);
	if (!err)
		err = load_net(&p, out);
	if (!err)
		err = field_from_manifest(out, p.m, error);
	if (!err)
		err = cmdline_apply(out, cmdline, error);
	if (!err && out->cores_min > out->cores_max) {
		fmt_text(error, CONF_ERROR_BYTES, "cores.max: %u is less than cores.min, %u", out->cores_max,
			 out->cores_min);
		err = KERR_INVALID;
	}
	return err;
}
