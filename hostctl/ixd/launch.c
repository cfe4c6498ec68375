/* SPDX-License-Identifier: MIT */
/*
 * A domain and its port. QEMU listens on the socket and waits for the switch; a switch that found nobody there tries again only
 * once a second. So the port is made at the moment in which QEMU listens, while libvirt goes on with the start; before that it is
 * only announced, since libvirt asks the database what it is called. And it is taken away at the moment in which QEMU has ended,
 * while libvirt makes sure of that, for 0.2 s [libvirt virProcessKillPainfully()].
 */
#include "hostctl/ixd/launch.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define POLL_MS 2

struct start {
	const struct domain_plan *plan;
	struct err err;
	int result;
	bool is_over; /* atomic */
};

static void *start(void *arg)
{
	struct start *s = arg;

	s->result = domain_start(ixd.domains, s->plan, &s->err);
	__atomic_store_n(&s->is_over, true, __ATOMIC_RELEASE);
	return NULL;
}

/* Until QEMU listens, or will not. */
static bool listens(const struct start *s, const char *socket)
{
	struct stat ignored;
	bool is_over = false;

	while (lstat(socket, &ignored) != 0) {
		if (is_over)
			return false;
		is_over = __atomic_load_n(&s->is_over, __ATOMIC_ACQUIRE);
		nanosleep(&(struct timespec){ 0, POLL_MS * 1000000l }, NULL);
	}
	return true;
}

int launch_begin(const struct domain_plan *plan, const struct sw_port *port, struct err *err)
{
	const struct domain_end now = { .timeout_s = 0 };
	struct start s = { .plan = plan };
	struct err ignored = { 0 };
	int ported = 0;
	pthread_t thread;

	if (unlink(port->socket) != 0 && errno != ENOENT)
		return err_set(err, STATUS_MACHINE, "%s: %s", port->socket, strerror(errno));
	if (sw_port_announce(port, err) != 0)
		return -1;
	if (pthread_create(&thread, NULL, start, &s) != 0)
		return err_set(err, STATUS_MACHINE, "no thread to start %s", plan->name);
	if (listens(&s, port->socket))
		ported = sw_port_set(port, err);
	if (ported != 0) /* it would wait for the switch for ever */
		domain_stop(ixd.domains, plan->name, &now, &ignored);
	pthread_join(thread, NULL);
	if (ported == 0 && s.result != 0)
		err_set(err, s.err.status, "%s", s.err.text);
	err_fini(&s.err);
	err_fini(&ignored);
	return ported == 0 ? s.result : -1;
}

/* ---- the end ---- */
struct end {
	const char *name;
	struct err err;
	bool is_done;
	int result;
};

static void remove_port(void *arg)
{
	struct end *e = arg;

	if (!e->is_done)
		e->result = sw_port_remove(e->name, &e->err);
	e->is_done = true;
}

int launch_end(const char *name, unsigned timeout_s, struct err *err)
{
	struct end e = { .name = name };
	const struct domain_end how = { .timeout_s = timeout_s, .on_dead = remove_port, .arg = &e };
	int result = domain_stop(ixd.domains, name, &how, err);

	if (result == 0) {
		remove_port(&e);
		result = e.result == 0 ? 0 : err_set(err, e.err.status, "%s", e.err.text);
	}
	err_fini(&e.err);
	return result;
}
