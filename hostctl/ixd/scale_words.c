/* SPDX-License-Identifier: MIT */
/* The words of events and metrics about cores that come and go. */
#include "hostctl/ixd/scale.h"

const char *scale_by_name(enum scale_by by)
{
	static const char *const names[SCALE_BY_NR] = {
		[SCALE_BY_HAND] = "hand",
		[SCALE_BY_POLICY] = "policy",
		[SCALE_BY_VIRSH] = "virsh",
	};

	return names[by];
}

const char *scale_step_name(enum scale_step step)
{
	static const char *const names[SCALE_STEP_NR] = {
		[SCALE_UNPARK] = "unpark", [SCALE_PLUG] = "plug",   [SCALE_START] = "start",
		[SCALE_GROUPS] = "groups", [SCALE_DRAIN] = "drain", [SCALE_FIRST_FRAME] = "first_frame",
		[SCALE_PARK] = "park",     [SCALE_EJECT] = "eject", [SCALE_UNPLUG] = "unplug",
	};

	return names[step];
}
