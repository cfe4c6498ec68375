/* SPDX-License-Identifier: MIT */
/* A copy of a guest's frames for whoever wants to look: a mirror [ovs-vswitchd.conf.db(5) Mirror] onto a tap. */
#include "hostctl/base/exec.h"
#include "hostctl/base/name.h"
#include "hostctl/sw/ovs.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/*
 * Flows that the daemon has worked out before know of no mirror until it has looked at all of them again. It is called what its
 * program is called; where neither name is right, it has a second, twice what it takes [ovs-vswitchd.conf.db(5) max-revalidator].
 */
static void settle(void)
{
	static const char *const daemons[] = { "ovs-vswitchd", "ovs-vswitchd-dpdk" };
	bool is_settled = false;

	for (unsigned i = 0; i < 2 && !is_settled; i++) {
		const char *words[] = { "ovs-appctl", "-T", "10", "-t", daemons[i], "revalidator/wait", NULL };
		struct err ignored = { 0 };

		is_settled = exec_ok(words, OVS_TIMEOUT_S, NULL, &ignored) == 0;
		err_fini(&ignored);
	}
	if (!is_settled)
		sleep(1);
}

int sw_mirror_start(const char *guest, const char *link, struct err *err)
{
	/* The host has nothing to say there. */
	const char *up[] = { "ip", "link", "set", link, "addrgenmode", "none", "up", NULL };
	char port[13], name[32];

	if (sw_mirror_stop(link, err) != 0)
		return -1;
	name_port(guest, port);
	snprintf(name, sizeof(name), "name=%.15s", link);
	if (ovs_vsctl(NULL, err, "--may-exist", "add-port", SW_BRIDGE, link, "--", "set", "Interface", link, "type=tap",
		      "external_ids:ix-mirror=1", "--", "--id=@from", "get", "Port", port, "--", "--id=@to", "get",
		      "Port", link, "--", "--id=@m", "create", "Mirror", name, "select-src-port=@from",
		      "select-dst-port=@from", "output-port=@to", "--", "add", "Bridge", SW_BRIDGE, "mirrors", "@m",
		      NULL) != 0)
		return -1;
	if (exec_ok(up, OVS_TIMEOUT_S, NULL, err) != 0)
		return -1;
	settle();
	return 0;
}

int sw_mirror_stop(const char *link, struct err *err)
{
	struct err gone = { 0 };
	char name[32];
	int result;

	snprintf(name, sizeof(name), "%.15s", link);
	/* A mirror that nobody refers to is collected by the database itself. */
	result = ovs_vsctl(NULL, &gone, "--", "--id=@m", "get", "Mirror", name, "--", "remove", "Bridge", SW_BRIDGE,
			   "mirrors", "@m", NULL);
	(void)result;
	err_fini(&gone);
	return ovs_vsctl(NULL, err, "--if-exists", "del-port", SW_BRIDGE, link, NULL);
}

int sw_mirror_sweep(const char *ours, struct err *err)
{
	json_t *rows = ovs_rows("Interface", "name,external_ids", err);
	int result = rows != NULL ? 0 : -1;

	for (size_t i = 0; i < json_array_size(rows); i++) {
		const json_t *row = json_array_get(rows, i);
		const char *link = json_string_value(json_object_get(row, "name"));

		if (link == NULL || json_object_get(json_object_get(row, "external_ids"), "ix-mirror") == NULL ||
		    strncmp(link, ours, strlen(ours)) == 0)
			continue;
		if (sw_mirror_stop(link, err) != 0)
			result = -1;
	}
	json_decref(rows);
	return result;
}
