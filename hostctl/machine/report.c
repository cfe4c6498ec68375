/* SPDX-License-Identifier: MIT */
/*
 * A guest's console is input from a stranger: in JSON it is made valid text, on a terminal its
 * control characters are not obeyed.
 */
#include "hostctl/machine/report.h"
#include "hostctl/base/say.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static double seconds(const struct report *r)
{
	return (double)(now_ns() - r->start_ns) / 1e9;
}

void report_init(struct report *r, bool is_json)
{
	memset(r, 0, sizeof(*r));
	r->is_json = is_json;
	r->is_terminal = isatty(STDOUT_FILENO) == 1;
	r->start_ns = now_ns();
}

static void put(struct report *r, const char *data, size_t bytes)
{
	while (bytes > 0 && !r->is_broken) {
		ssize_t n = write(STDOUT_FILENO, data, bytes);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			r->is_broken = true;
			return;
		}
		data += n;
		bytes -= (size_t)n;
	}
}

/* Takes over @event. */
static void put_event(struct report *r, json_t *event)
{
	char *text = event != NULL ? json_dumps(event, JSON_COMPACT | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(9))
				   : NULL;

	if (text != NULL) {
		put(r, text, strlen(text));
		put(r, "\n", 1);
		free(text);
	}
	json_decref(event);
}

static json_t *event(const char *what, const struct report *r)
{
	return json_pack("{s:s, s:f}", "event", what, "seconds", seconds(r));
}

static json_t *forwards(const struct machine *m)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < m->forward_count; i++)
		json_array_append_new(list, json_pack("{s:s, s:i, s:i, s:s}", "host", m->forwards[i].host, "host_port",
						      m->forwards[i].host_port, "guest_port", m->forwards[i].guest_port,
						      "protocol", m->forwards[i].is_udp ? "udp" : "tcp"));
	return list;
}

static void start_json(struct report *r, const struct machine *m, const struct command *c, const char *qemu, int pid)
{
	static const char *const nets[] = { "user", "tap", "vhost-user" };
	json_t *e = event("start", r);

	json_object_set_new(e, "name", json_string(m->image->name));
	json_object_set_new(e, "accelerator", json_string(c->accel));
	json_object_set_new(e, "cpus", json_integer(m->cpus));
	json_object_set_new(e, "memory_mib", json_integer(m->memory_mib));
	json_object_set_new(e, "net", json_string(nets[m->net]));
	json_object_set_new(e, "queues", json_integer(c->queues));
	json_object_set_new(e, "forwards", forwards(m));
	json_object_set_new(e, "qemu", json_string(qemu));
	json_object_set_new(e, "pid", json_integer(pid));
	if (c->gdb_socket != NULL)
		json_object_set_new(e, "gdb", json_string(c->gdb_socket));
	put_event(r, e);
}

static void say_gdb(const struct machine *m, const struct command *c)
{
	const char *symbols = m->kernel != NULL && access(m->kernel, R_OK) == 0 ? m->kernel : "";

	say("waiting for gdb:\n  gdb -ex 'set architecture i386:x86-64' %s%s%s%s -ex 'target remote %s'", symbols,
	    m->app != NULL ? " -ex 'add-symbol-file " : "", m->app != NULL ? m->app : "", m->app != NULL ? "'" : "",
	    c->gdb_socket);
}

void report_start(struct report *r, const struct machine *m, const struct command *c, const char *qemu, int pid)
{
	const char *note = c->accel_note;

	if (r->is_json)
		start_json(r, m, c, qemu, pid);
	say("%s %s on QEMU %s, %u CPU%s, %u MiB, accelerator %s%s%s", m->image->name, m->image->version, qemu, m->cpus,
	    m->cpus == 1 ? "" : "s", m->memory_mib, strcmp(c->accel, "kvm") == 0 ? "KVM" : "TCG",
	    *note != '\0' ? ": " : "", note);
	for (unsigned i = 0; i < m->forward_count; i++)
		say("%s:%u leads to the guest's %u/%s", m->forwards[i].host, m->forwards[i].host_port,
		    m->forwards[i].guest_port, m->forwards[i].is_udp ? "udp" : "tcp");
	if (m->net == MACHINE_NET_USER && m->forward_count == 0 && m->image->m.port_count != 0)
		say("no port of this host leads to the guest; for its %u/%s add -p %u:%u%s", m->image->m.ports[0].port,
		    m->image->m.ports[0].protocol == IX_PORT_TCP ? "tcp" : "udp",
		    m->image->m.ports[0].port % 55535 + 10000, m->image->m.ports[0].port,
		    m->image->m.ports[0].protocol == IX_PORT_TCP ? "" : "/udp");
	if (c->gdb_socket != NULL)
		say_gdb(m, c);
}

/* One line of the console is complete in r->line, without its end. */
static void end_line(struct report *r)
{
	bool is_ready_line;

	if (r->line_bytes > 0 && r->line[r->line_bytes - 1] == '\r')
		r->line_bytes--;
	for (size_t i = 0; i < r->line_bytes; i++)
		if ((unsigned char)r->line[i] >= 0x7f || (unsigned char)r->line[i] < ' ')
			r->line[i] = r->line[i] == '\t' ? ' ' : '?';
	is_ready_line = !r->is_ready && r->line_bytes >= 5 && memcmp(r->line, "ready", 5) == 0 &&
			(r->line_bytes == 5 || r->line[5] == ' ' || r->line[5] == ':');
	if (r->is_json) {
		json_t *e = event(is_ready_line ? "ready" : "console", r);

		json_object_set_new(e, "line", json_stringn(r->line, r->line_bytes));
		put_event(r, e);
	} else if (is_ready_line) {
		say("ready after %.2f s", seconds(r));
	}
	r->is_ready |= is_ready_line;
	r->line_bytes = 0;
}

/* Passes text on, without what a terminal would obey. */
static void pass_on(struct report *r, const char *data, size_t bytes)
{
	char clean[512];

	for (size_t i = 0; i < bytes; i += sizeof(clean)) {
		size_t n = bytes - i < sizeof(clean) ? bytes - i : sizeof(clean);

		memcpy(clean, data + i, n);
		for (size_t j = 0; r->is_terminal && j < n; j++)
			if ((unsigned char)clean[j] < ' ' && memchr("\n\r\t", clean[j], 3) == NULL)
				clean[j] = '?';
		put(r, clean, n);
	}
}

void report_console(struct report *r, const char *data, size_t bytes)
{
	while (bytes > 0) {
		const char *end = memchr(data, '\n', bytes);
		size_t n = end != NULL ? (size_t)(end - data) + 1 : bytes;
		size_t room = sizeof(r->line) - r->line_bytes;

		n = n < room ? n : room;
		if (!r->is_json)
			pass_on(r, data, n);
		memcpy(r->line + r->line_bytes, data, n);
		r->line_bytes += n;
		data += n;
		bytes -= n;
		if (r->line[r->line_bytes - 1] == '\n')
			r->line_bytes--;
		else if (r->line_bytes < sizeof(r->line))
			continue;
		end_line(r);
	}
}

void report_exit(struct report *r, int status, const char *how, const char *words)
{
	if (r->line_bytes != 0)
		end_line(r);
	if (r->is_json) {
		json_t *e = event("exit", r);

		json_object_set_new(e, "status", json_integer(status));
		json_object_set_new(e, "how", json_string(how));
		put_event(r, e);
	}
	if (words != NULL)
		say("%s", words);
}
