/* SPDX-License-Identifier: MIT */
/* A host, step by step; each looks first, so that the whole may be repeated and mends what is missing. */
#include "hostctl/base/paths.h"
#include "hostctl/base/say.h"
#include "hostctl/base/words.h"
#include "hostctl/host/part.h"
#include "hostctl/sw/sw.h"
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ADDRESS "10.77.0.1/16"

static void address_text(const struct host *h, char out[24])
{
	snprintf(out, 24, "%u.%u.%u.%u/%u", h->address[0], h->address[1], h->address[2], h->address[3], h->prefix);
}

/* What setup chose before, or nothing. */
static bool load_earlier(struct host *out)
{
	struct err ignored = { 0 };
	bool is_there = host_load(out, &ignored) == 0;

	err_fini(&ignored);
	return is_there;
}

/* Nobody else on this machine may have addresses of the guests' net. */
static int check_net(const struct host *h, struct err *err)
{
	struct ifaddrs *all = NULL;
	int result = 0;

	if (getifaddrs(&all) != 0)
		return 0;
	for (const struct ifaddrs *a = all; a != NULL && result == 0; a = a->ifa_next) {
		struct sockaddr_in in;

		if (a->ifa_addr == NULL || a->ifa_addr->sa_family != AF_INET || strcmp(a->ifa_name, SW_HOST_LINK) == 0)
			continue;
		memcpy(&in, a->ifa_addr, sizeof(in));
		if (words_is_same_net((const uint8_t *)&in.sin_addr, h->address, h->prefix))
			result = err_set(
				err, STATUS_USAGE,
				"%s has an address in the guests' net: choose another one with --address A.B.C.D/LEN",
				a->ifa_name);
	}
	freeifaddrs(all);
	return result;
}

static int choose_address(const struct host_wish *w, const struct host *earlier, struct host *h, struct err *err)
{
	static const uint8_t none[4];
	const char *text = w->address != NULL ? w->address : ADDRESS;

	if (w->address == NULL && memcmp(earlier->address, none, 4) != 0) {
		memcpy(h->address, earlier->address, 4);
		h->prefix = earlier->prefix;
	} else if (!words_ipv4_prefix(text, h->address, &h->prefix) || h->prefix > 30) {
		return err_set(err, STATUS_USAGE,
			       "--address: expected A.B.C.D/LEN with room for guests (LEN at most 30), got %s", text);
	}
	return check_net(h, err);
}

static int check_tools(struct err *err)
{
	if (geteuid() != 0)
		return err_set(err, STATUS_USAGE,
			       "ixctl host setup and teardown change this machine: run them as root");
	return 0;
}

static bool is_same(const struct host *a, const struct host *b)
{
	return a->is_kvm == b->is_kvm && a->qemu_uid == b->qemu_uid && a->qemu_gid == b->qemu_gid &&
	       memcmp(a->address, b->address, 4) == 0 && a->prefix == b->prefix && a->cores == b->cores &&
	       strcmp(a->qemu_user, b->qemu_user) == 0;
}

/* ixd reads what was chosen when it begins; a running one of before does not know. */
static int start_ixd(bool is_changed, struct err *err)
{
	int unit = part_unit(err), started;

	if (unit < 0)
		return -1;
	if ((unit > 0 || is_changed) && service_pid(SERVICE_IXD) != 0 && service_stop(SERVICE_IXD, err) != 0)
		return -1;
	started = service_start(SERVICE_IXD, err);
	if (started > 0)
		say("ixd: started");
	return started < 0 ? -1 : 0;
}

static int link_up(const struct host *h, struct err *err)
{
	char address[24];

	address_text(h, address);
	return sw_host_setup(address, err);
}

/* Before ixd starts at boot: what does not outlive one. */
static int network_only(struct err *err)
{
	struct host h;

	return host_load(&h, err) == 0 && part_folders(err) == 0 ? link_up(&h, err) : -1;
}

int host_setup(const struct host_wish *w, struct err *err)
{
	struct host h = { 0 }, earlier = { 0 };
	bool had_one = load_earlier(&earlier);
	char why[160], address[24];

	if (check_tools(err) != 0)
		return -1;
	if (w->is_network_only)
		return network_only(err);
	h.cores = w->cores != NULL ? *w->cores : earlier.cores;
	if (choose_address(w, &earlier, &h, err) != 0 || part_packages(w->is_install, err) != 0 ||
	    part_accounts(&h, err) != 0 || part_folders(err) != 0 || part_accel(w->accel, &h, why, err) != 0)
		return -1;
	say("guests run %s (%s), QEMU as %s", h.is_kvm ? "with KVM" : "under emulation", why, h.qemu_user);
	if (part_switch(err) != 0 || link_up(&h, err) != 0 || part_confine(err) != 0 || part_virt(err) != 0)
		return -1;
	if ((!had_one || !is_same(&h, &earlier)) && host_save(&h, err) != 0)
		return -1;
	if (start_ixd(!had_one || !is_same(&h, &earlier), err) != 0)
		return -1;
	address_text(&h, address);
	say("this host is ready: %s on " SW_BRIDGE "; next: ixctl up NAME IMAGE", address);
	return 0;
}
