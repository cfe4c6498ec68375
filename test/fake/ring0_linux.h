/* SPDX-License-Identifier: MIT */
/* What a test sees of the ring 0 made of Linux. */
#pragma once
#include "lib/libc/libc.h"

#define LINUX_CONSOLE_MAX (1u << 20)
extern char linux_console[LINUX_CONSOLE_MAX]; /* all that was written to descriptors 1 and 2 */
extern unsigned linux_console_bytes;
extern unsigned linux_entries; /* how often ring 0 was entered */
