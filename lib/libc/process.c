/* SPDX-License-Identifier: MIT */
/*
 * What stands for a process and its threads: the partition and its cores. A core's number plus one is its
 * thread id, its thread pointer is FS, and since nobody can put it to sleep, waiting is spinning.
 */
#include "lib/libc/libc.h"
#include "lib/libc/serve.h"
#include <errno.h>
#include <string.h>

long serve_exit(const long *a)
{
	for (;;)
		ix_entry(IX_EXIT, (uint64_t)a[0], 0, 0);
}

long serve_set_thread_area(const long *a)
{
	if (!libc_info()->has_fsgsbase)
		return ix_entry(IX_SET_FS, (uint64_t)a[0], 0, 0) ? -EINVAL : 0;
	__asm__ volatile("wrfsbase %0" ::"r"(a[0]) : "memory");
	return 0;
}

long serve_arch_prctl(const long *a)
{
	enum { SET_FS = 0x1002 }; /* [Linux asm/prctl.h] */

	return a[0] == SET_FS ? serve_set_thread_area(a + 1) : -EINVAL;
}

long serve_set_tid_address(const long *a)
{
	(void)a; /* nobody waits for the end of a core */
	return serve_gettid(a);
}

long serve_gettid(const long *a)
{
	(void)a;
	return (long)libc_core() + 1;
}

/*
 * Wake-ups without cause are allowed, and musl's callers look at the word again: so to wait is to look away
 * for a moment, and to wake is nothing. Right for locks held for a few instructions; a lock that a core holds
 * while it is in IX_RUN_IO keeps its waiters spinning.
 */
long serve_futex(const long *a)
{
	enum { WAIT = 0, WAKE = 1, OP = 127, SPINS = 100 }; /* [Linux linux/futex.h] */
	const volatile int *word = (const volatile int *)a[0];

	switch (a[1] & OP) {
	case WAIT:
		for (int i = 0; i < SPINS && *word == (int)a[2]; i++)
			__builtin_ia32_pause();
		return *word == (int)a[2] ? 0 : -EAGAIN;
	case WAKE:
		return 0;
	default:
		return -ENOSYS;
	}
}

/* There are no signals: a mask can be set, and nothing ever was in it. */
long serve_rt_sigprocmask(const long *a)
{
	if (a[2])
		memset((void *)a[2], 0, (size_t)a[3]);
	return 0;
}

/* To ignore a signal or leave it alone is easy to promise; to handle one is not served. */
long serve_rt_sigaction(const long *a)
{
	enum { BYTES = 32, DEFAULT = 0, IGNORE = 1 };
	const long *action = (const long *)a[1]; /* its first word is the handler */

	if (action && action[0] != DEFAULT && action[0] != IGNORE)
		return -ENOSYS;
	if (a[2])
		memset((void *)a[2], 0, BYTES);
	return 0;
}
