/* SPDX-License-Identifier: MIT */
/* A line of counters on the console every so often. Private to kernel/net. */
#pragma once

/** tell_core_init() - the calling core tells, if the manifest wants it ("stats_s"). */
void tell_core_init(void);
