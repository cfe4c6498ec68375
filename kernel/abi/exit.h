/* SPDX-License-Identifier: MIT */
/*
 * How a guest says that it ended: one byte to the exit device (isa-debug-exit, port IX_EXIT_PORT,
 * 4 bytes wide), which makes QEMU exit with (byte << 1) | 1; without the device ACPI S5 for a clean
 * end and pvpanic for a kernel panic.
 */
#pragma once

#define IX_EXIT_PORT 0xf4

enum ix_exit {
	IX_EXIT_APP_MAX = 100,  /* 0..100: the application's exit status, higher ones as 100 */
	IX_EXIT_FAULT = 101,    /* ring 3 faulted and is not to be restarted (again) */
	IX_EXIT_PANIC = 102,    /* kernel panic, or the image or machine cannot be started */
	IX_EXIT_WATCHDOG = 104, /* ring 3 stayed longer than watchdog_ms and is not to be restarted */
};
