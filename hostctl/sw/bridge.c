/* SPDX-License-Identifier: MIT */
/* The bridge, and the host's own place on it: a veth, since the bridge's internal port goes down with the daemon. */
#include "hostctl/base/exec.h"
#include "hostctl/sw/ovs.h"
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define IP_TIMEOUT_S 20
#define FLOWS_WAIT_MS 15000u
#define FLOWS_POLL_MS 100u

static int run(struct err *err, const char *const *argv)
{
	return exec_ok(argv, IP_TIMEOUT_S, NULL, err);
}
#define RUN(err, ...) run((err), (const char *const[]){ __VA_ARGS__, NULL })

int sw_is_up(struct err *err)
{
	char *out = NULL;
	int is_there;

	if (ovs_vsctl(&out, err, "--no-wait", "get", "Open_vSwitch", ".", "dpdk_initialized", NULL) != 0) {
		err_fini(err);
		return err_set(err, STATUS_MACHINE, "Open vSwitch's database does not answer: run ixctl host setup");
	}
	is_there = strcmp(out, "true") == 0;
	free(out);
	if (!is_there)
		return err_set(err, STATUS_MACHINE, "Open vSwitch runs without DPDK: run ixctl host setup");
	if (ovs_vsctl(&out, err, "--timeout=15", "br-exists", SW_BRIDGE, NULL) != 0) {
		err_fini(err);
		return err_set(err, STATUS_MACHINE, "there is no bridge " SW_BRIDGE ": run ixctl host setup");
	}
	free(out);
	/* The database outlives the daemon: only OpenFlow shows whether that lives. */
	if (RUN(err, "ovs-ofctl", "--timeout=15", "show", SW_BRIDGE) != 0) {
		err_fini(err);
		return err_set(err, STATUS_MACHINE, "ovs-vswitchd does not answer: run ixctl host setup");
	}
	return 0;
}

static int set_flag(const char *path, struct err *err)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), result = 0;

	if (fd < 0 || write(fd, "1", 1) != 1)
		result = err_set(err, STATUS_MACHINE, "%s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return result;
}

/* A daemon that has only just begun has the bridge in its database before it listens for flows. */
static int make_flows(struct err *err)
{
	for (unsigned ms = 0; ms < FLOWS_WAIT_MS; ms += FLOWS_POLL_MS) {
		if (sw_flows(err) == 0)
			return 0;
		err_fini(err);
		nanosleep(&(struct timespec){ 0, FLOWS_POLL_MS * 1000000l }, NULL);
	}
	return sw_flows(err);
}

int sw_host_setup(const char *address, struct err *err)
{
	bool is_new = if_nametoindex(SW_HOST_LINK) == 0;

	if (ovs_vsctl(NULL, err, "--may-exist", "add-br", SW_BRIDGE, "--", "set", "bridge", SW_BRIDGE,
		      "datapath_type=netdev", "fail_mode=secure", NULL) != 0)
		return -1;
	if (is_new && RUN(err, "ip", "link", "add", SW_HOST_LINK, "type", "veth", "peer", "name", SW_HOST_PORT) != 0)
		return -1;
	if (RUN(err, "ethtool", "-K", SW_HOST_LINK, "tx", "off") != 0 ||
	    RUN(err, "ip", "address", "replace", address, "dev", SW_HOST_LINK) != 0 ||
	    RUN(err, "ip", "link", "set", SW_HOST_LINK, "up") != 0 ||
	    RUN(err, "ip", "link", "set", SW_HOST_PORT, "up") != 0)
		return -1;
	/* Published ports: what comes from elsewhere is passed on, and so is what the host sends to its own loopback address. */
	if (set_flag("/proc/sys/net/ipv4/ip_forward", err) != 0 ||
	    set_flag("/proc/sys/net/ipv4/conf/" SW_HOST_LINK "/route_localnet", err) != 0)
		return -1;
	if (ovs_vsctl(NULL, err, "--may-exist", "add-port", SW_BRIDGE, SW_HOST_PORT, NULL) != 0)
		return -1;
	return make_flows(err);
}

int sw_host_teardown(struct err *err)
{
	struct err ignored = { 0 };
	int result = ovs_vsctl(NULL, err, "--if-exists", "--no-wait", "del-br", SW_BRIDGE, NULL);

	if (if_nametoindex(SW_HOST_LINK) != 0 && RUN(err, "ip", "link", "delete", SW_HOST_LINK) != 0)
		result = -1;
	RUN(&ignored, "nft", "delete", "table", "ip", "ix"); /* there may be none */
	err_fini(&ignored);
	return result;
}
