/* SPDX-License-Identifier: MIT */
/* An image as one JSON object; `ixctl image inspect` prints it as such or as a page for people. */
#include "hostctl/image/image.h"
#include "hostctl/image/ports.h"
#include <arpa/inet.h>
#include <string.h>

static json_t *ipv4(const uint8_t addr[4])
{
	if ((addr[0] | addr[1] | addr[2] | addr[3]) == 0)
		return json_null();
	return json_sprintf("%u.%u.%u.%u", addr[0], addr[1], addr[2], addr[3]);
}

/* @prefix_bits: 0: not to be named. */
static json_t *ipv6(const uint8_t addr[16], uint32_t prefix_bits)
{
	static const uint8_t none[16];
	char name[INET6_ADDRSTRLEN];

	if (memcmp(addr, none, sizeof(none)) == 0)
		return json_null();
	inet_ntop(AF_INET6, addr, name, sizeof(name));
	return prefix_bits != 0 ? json_sprintf("%s/%u", name, prefix_bits) : json_string(name);
}

/* Text of the image, which may be no UTF-8 at all. */
static json_t *text(const char *s)
{
	json_t *j = json_string(s);

	return j != NULL ? j : json_string("(not UTF-8)");
}

static json_t *texts(const char *const *list, uint32_t count)
{
	json_t *out = json_array();

	for (uint32_t i = 0; i < count; i++)
		json_array_append_new(out, text(list[i]));
	return out;
}

/* A text, or an object if it has options. */
static json_t *port(const struct ix_manifest_port *p)
{
	json_t *name = json_sprintf("%u/%s", p->port, p->protocol == IX_PORT_TCP ? "tcp" : "udp"), *out = json_object();
	const char *option, *word;
	uint32_t value;

	for (unsigned i = 0; (option = ports_option(p, i, &value, &word)) != NULL; i++)
		if (value != 0)
			json_object_set_new(out, option, word != NULL ? json_string(word) : json_integer(value));
	if (json_object_size(out) == 0) {
		json_decref(out);
		return name;
	}
	json_object_set_new(out, "port", name);
	return out;
}

static json_t *ports(const struct ix_manifest *m)
{
	json_t *out = json_array();

	for (uint32_t i = 0; i < m->port_count; i++)
		json_array_append_new(out, port(&m->ports[i]));
	return out;
}

static json_t *parts(const struct image *im)
{
	json_t *out = json_array();

	for (uint32_t i = 0; i < im->note.part_count; i++) {
		const struct ix_image_part *p = &im->note.parts[i];
		char hex[65];

		for (unsigned j = 0; j < 32; j++)
			snprintf(hex + 2 * j, 3, "%02x", p->sha256[j]);
		json_array_append_new(out, json_pack("{s:s, s:I, s:I, s:s}", "kind", image_part_name(p->kind),
						     "physical_address", (json_int_t)p->pa, "bytes",
						     (json_int_t)p->bytes, "sha256", hex));
	}
	return out;
}

static json_t *net(const struct ix_manifest *m)
{
	json_t *out = json_object();
	json_t *address = ipv4(m->address);

	json_object_set_new(out, "dhcp", json_boolean(json_is_null(address)));
	if (!json_is_null(address)) {
		json_object_set_new(out, "address", json_sprintf("%s/%u", json_string_value(address), m->prefix_bits));
		json_decref(address);
	} else {
		json_object_set_new(out, "address", address);
	}
	json_object_set_new(out, "gateway", ipv4(m->gateway));
	json_object_set_new(out, "dns", ipv4(m->dns));
	json_object_set_new(out, "address6", ipv6(m->address6, m->prefix6_bits));
	json_object_set_new(out, "slaac", json_boolean(m->slaac != 0));
	json_object_set_new(out, "gateway6", ipv6(m->gateway6, 0));
	json_object_set_new(out, "mtu", json_integer(m->mtu));
	return out;
}

static json_t *manifest(const struct image *im)
{
	const struct ix_manifest *m = &im->m;
	json_t *out = json_object();

	json_object_set_new(out, "name", text(im->name));
	json_object_set_new(out, "version", text(im->version));
	json_object_set_new(out, "args", texts(im->args, m->arg_count));
	json_object_set_new(out, "env", texts(im->env, m->env_count));
	json_object_set_new(out, "memory_mib", json_integer(m->memory_mib));
	json_object_set_new(out, "heap_mib", json_integer(m->heap_mib));
	json_object_set_new(out, "cores", json_pack("{s:i, s:i}", "min", (int)m->cores_min, "max", (int)m->cores_max));
	json_object_set_new(out, "net", net(m));
	json_object_set_new(out, "ports", ports(m));
	json_object_set_new(out, "connections", json_integer(m->connections));
	json_object_set_new(out, "rx_buffers", json_integer(m->rx_buffers));
	json_object_set_new(out, "batch", json_integer(m->batch));
	json_object_set_new(out, "poll_us", m->poll_us == UINT32_MAX ? json_string("auto") : json_integer(m->poll_us));
	json_object_set_new(out, "restart",
			    json_pack("{s:b, s:i, s:i}", "on_fault", m->restart_on_fault != 0, "max",
				      (int)m->restart_max, "window_s", (int)m->restart_window_s));
	json_object_set_new(out, "watchdog_ms", json_integer(m->watchdog_ms));
	json_object_set_new(out, "rto_floor_ms", json_integer(m->rto_floor_ms));
	json_object_set_new(out, "stats_s", json_integer(m->stats_s));
	json_object_set_new(out, "tcp", json_pack("{s:b}", "timestamps", m->tcp_timestamps != 0));
	return out;
}

static json_t *memory(const struct image *im)
{
	struct image_size size = image_size(im, 0);
	struct image_budget b;

	image_budget(&b, &im->m, im->m.cores_max, &size);
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "needed_mib", (json_int_t)b.total_mib,
			 "image_bytes", (json_int_t)b.image, "rx_buffers_bytes", (json_int_t)b.rx_buffers,
			 "connections_bytes", (json_int_t)b.connections, "program_bytes", (json_int_t)b.program,
			 "heap_bytes", (json_int_t)b.heap, "files_bytes", (json_int_t)b.files, "cores_bytes",
			 (json_int_t)b.cores, "kernel_bytes", (json_int_t)b.base);
}

static json_t *connection(const struct ix_connection_bytes *c)
{
	if (c->total == 0)
		return json_null();
	return json_pack("{s:I, s:I, s:I, s:I}", "control_block", (json_int_t)c->control_block, "handle",
			 (json_int_t)c->handle, "demultiplexer", (json_int_t)c->demultiplexer, "total",
			 (json_int_t)c->total);
}

json_t *image_describe(const struct image *im)
{
	json_t *out = json_object();

	json_object_set_new(out, "image_version", json_integer(im->note.version));
	json_object_set_new(out, "bytes", json_integer((json_int_t)im->file.bytes));
	json_object_set_new(out, "kernel",
			    json_pack("{s:I, s:I}", "physical_address", (json_int_t)im->kernel_pa, "end",
				      (json_int_t)im->kernel_end_pa));
	json_object_set_new(out, "parts", parts(im));
	json_object_set_new(out, "manifest", manifest(im));
	json_object_set_new(out, "memory", memory(im));
	json_object_set_new(out, "connection_bytes", connection(&im->connection));
	return out;
}
