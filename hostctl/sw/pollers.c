/* SPDX-License-Identifier: MIT */
/* Which CPUs the switch has for itself [ovs-vswitchd.conf.db(5), other_config:pmd-cpu-mask]. */
#include "hostctl/sw/ovs.h"
#include <string.h>

char *sw_pollers(struct err *err)
{
	char *out = NULL;
	size_t n;

	if (ovs_vsctl(&out, err, "--if-exists", "get", "Open_vSwitch", ".", "other_config:pmd-cpu-mask", NULL) != 0)
		return NULL;
	n = strcspn(out, "\n");
	out[n] = '\0';
	if (n >= 2 && out[0] == '"' && out[n - 1] == '"') {
		memmove(out, out + 1, n - 2);
		out[n - 2] = '\0';
	}
	return out;
}
