/* SPDX-License-Identifier: MIT */
/* The other half of `ixctl logs`. Private to hostctl/ixctl. */
#pragma once
#include "hostctl/base/err.h"
#include <stdbool.h>

/** crash_show() - the last fault of guest @name: its report on stdout, its core to file @core (NULL: nowhere). 0, or -1 with @err. */
int crash_show(const char *name, const char *core, bool is_json, struct err *err);
