/* SPDX-License-Identifier: MIT */
/* A guest that was started comes to serve, or is given up. Private to hostctl/ixd, and to its unit test. */
#pragma once
#include "hostctl/ixd/ixd.h"

#define READY_S 60          /* that it may take in all */
#define READY_STILL_S 15    /* of its own time without a sign that it goes on */
#define READY_STILL_KVM_S 5 /* the same where it is not emulated */

/** ready_wait() - until the guest that was started serves; -1 with @err if it ends, stands still or takes too long. */
int ready_wait(const struct guest *g, struct err *err);

/** ready_held_ms() - for how long a thread wanted to run and did not, by its schedstat [proc(5)]; 0 if that cannot be known. */
int64_t ready_held_ms(const char *schedstat);
