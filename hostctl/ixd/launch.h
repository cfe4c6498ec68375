/* SPDX-License-Identifier: MIT */
/* What deploy.c needs of launch.c: a domain and its port, begun and ended side by side. Under guest_lock(). */
#pragma once
#include "hostctl/ixd/ixd.h"

/** launch_begin() - @plan's domain runs, and @port leads to it. A failure leaves a port, perhaps, and no domain. */
int launch_begin(const struct domain_plan *plan, const struct sw_port *port, struct err *err);

/** launch_end() - the domain of @name ends, after @timeout_s by force, and its port goes. Fine if there is neither. */
int launch_end(const char *name, unsigned timeout_s, struct err *err);
