/* SPDX-License-Identifier: MIT */
/* What of a host runs and what is missing, without changing anything, and the line that mends it. */
#include "hostctl/base/paths.h"
#include "hostctl/base/words.h"
#include "hostctl/host/part.h"
#include "hostctl/sw/sw.h"
#include <grp.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct list {
	struct host_check *at;
	unsigned count;
};

static void add(struct list *l, const char *what, bool is_good, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

static void add(struct list *l, const char *what, bool is_good, const char *fmt, ...)
{
	struct host_check *c = &l->at[l->count];
	va_list ap;

	if (l->count == HOST_CHECKS_MAX)
		abort();
	l->count++;
	c->what = what;
	c->is_good = is_good;
	snprintf(c->remedy, sizeof(c->remedy), "%s", is_good ? "" : "ixctl host setup");
	va_start(ap, fmt);
	vsnprintf(c->says, sizeof(c->says), fmt, ap);
	va_end(ap);
}

static void check_packages(struct list *l)
{
	struct err err = { 0 };
	bool is_good = part_packages(false, &err) == 0;

	add(l, "packages", is_good, "%s", is_good ? "all are installed" : err.text);
	err_fini(&err);
}

static void check_choice(struct list *l, struct host *h)
{
	struct err err = { 0 };
	bool is_good = host_load(h, &err) == 0;

	if (is_good)
		add(l, "host", true, "%u.%u.%u.%u/%u, %s, QEMU as %s", h->address[0], h->address[1], h->address[2],
		    h->address[3], h->prefix, h->is_kvm ? "KVM" : "emulation", h->qemu_user);
	else
		add(l, "host", false, "%s", err.text);
	err_fini(&err);
}

static void check_group(struct list *l)
{
	bool is_good = getgrnam(PATHS_GROUP) != NULL;

	add(l, "group", is_good, is_good ? "%s may use ixd" : "there is no group %s", PATHS_GROUP);
}

static void check_service(struct list *l, enum service s, const char *what)
{
	struct host_check *c = &l->at[l->count];
	pid_t pid = service_pid(s);

	if (pid != 0) {
		add(l, what, true, "%s runs, pid %d", service_name(s), (int)pid);
		return;
	}
	add(l, what, false, "%s does not run", service_name(s));
	snprintf(c->remedy, sizeof(c->remedy), "%s", service_remedy(s));
}

static void check_bridge(struct list *l)
{
	struct err err = { 0 };
	bool is_good = sw_is_up(&err) == 0;
	char *says = err.text;

	if (says != NULL && strstr(says, ": run ") != NULL)
		*strstr(says, ": run ") = '\0'; /* the remedy says that */
	add(l, "bridge", is_good, "%s", is_good ? SW_BRIDGE " is there and has DPDK" : says);
	err_fini(&err);
}

static void check_address(struct list *l, const struct host *h)
{
	struct ifaddrs *all = NULL;
	bool is_good = false;

	if (getifaddrs(&all) != 0)
		all = NULL;
	for (const struct ifaddrs *a = all; a != NULL; a = a->ifa_next) {
		struct sockaddr_in in;

		if (a->ifa_addr == NULL || a->ifa_addr->sa_family != AF_INET || strcmp(a->ifa_name, SW_HOST_LINK) != 0)
			continue;
		memcpy(&in, a->ifa_addr, sizeof(in));
		is_good |= memcmp(&in.sin_addr, h->address, 4) == 0;
	}
	if (all != NULL)
		freeifaddrs(all);
	add(l, "address", is_good, is_good ? "on %s" : "not on %s", SW_HOST_LINK);
}

unsigned host_status(struct host_check *out)
{
	struct list l = { .at = out };
	struct host h;

	check_packages(&l);
	check_choice(&l, &h);
	check_group(&l);
	check_service(&l, SERVICE_DATABASE, "database");
	check_service(&l, SERVICE_SWITCH, "switch");
	check_bridge(&l);
	check_address(&l, &h);
	check_service(&l, SERVICE_LIBVIRT, "libvirt");
	check_service(&l, SERVICE_IXD, "ixd");
	return l.count;
}
