/* SPDX-License-Identifier: MIT */
/* How many frames a guest may send to everybody. Private to hostctl/sw, and to its unit test. */
#pragma once
#include "hostctl/sw/ovs.h"

#define METERS_FRAMES_S 500u /* broadcasts and multicasts of one guest; as many at once */
#define METERS_NUMBERS 65536u

/* Which meters the switch has; a guest's has the number of its port. */
struct meters {
	bool is_there[METERS_NUMBERS];
};

/** meters_read() - those in what `ovs-ofctl dump-meters` says; on the heap. */
struct meters *meters_read(const char *dump);

/** meters_list() - the same of the switch itself, which answers; NULL with @err. */
struct meters *meters_list(struct err *err);
/** meters_add() - those of @ports that are missing. meters_sweep(): away with those that are no port's. 0, or -1 with @err. */
int meters_add(struct meters *m, const struct ovs_ports *ports, struct err *err);
int meters_sweep(struct meters *m, const struct ovs_ports *ports, struct err *err);
