/* SPDX-License-Identifier: MIT */
/*
 * Every way a program can end: by hand, `ixctl run build/test/images/endings.ix -- exit 7`. As a service
 * (no arguments) it is the cases of this table.
 */
#include "test/guest/serve.h"

#include <stdlib.h>

static const char *exit_with(uint64_t status)
{
	exit((int)status);
}

static const char *exit_raw(uint64_t status)
{
	ix_entry(IX_EXIT, status, 0, 0);
	return "came back";
}

static const char *trap(uint64_t n)
{
	(void)n;
	__asm__ volatile("ud2");
	return "came back";
}

static const char *hang(uint64_t n)
{
	(void)n;
	while (libc_info()->abi_version)
		__asm__ volatile("" ::: "memory");
	return "came back";
}

static void exit_job(uintptr_t status)
{
	ix_entry(IX_EXIT, status, 0, 0);
}

static const char *exit_on_core_1(uint64_t status)
{
	serve_job(1, exit_job, status);
	serve_sleep_ms(20000);
	return "core 1 did not end it";
}

static const struct test_case rows[] = {
	{ "exit", "exit", exit_with, 0, 0 },
	{ "exit_raw", "exit", exit_raw, 0, 0 },
	{ "exit_on_core_1", "exit", exit_on_core_1, 0, 0 },
	{ "fault", "fault 6", trap, 0, 0 },
	{ "hang", "watchdog", hang, 0, 0 },
};

int main(int argc, char **argv)
{
	return serve(argc, argv, rows, sizeof(rows) / sizeof(rows[0]));
}
