/* SPDX-License-Identifier: MIT */
/* A copy of a guest's frames for whoever wants to look: a mirror [ovs-vswitchd.conf.db(5) Mirror] onto a tap. */
#include "hostctl/base/exec.h"
#include "hostctl/base/name.h"
#include "hostctl/sw/ovs.h"
#include <stdio.h>

int sw_mirror_start(const char *guest, const char *link, struct err *err)
{
	const char *up[] = { "ip", "link", "set", link, "up", NULL };
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
	return exec_ok(up, OVS_TIMEOUT_S, NULL, err);
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
