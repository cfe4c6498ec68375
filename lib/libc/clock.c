/* SPDX-License-Identifier: MIT */
/*
 * Time from RDTSC and the clock page, without entering ring 0: ns = ticks * (10^9 / tsc_hz), the factor
 * as a 32.32 fixed-point number (wrong by less than 1 ns in 4 s).
 */
#include "lib/libc/libc.h"
#include "lib/libc/serve.h"
#include <errno.h>
#include <sys/time.h>
#include <time.h>

#define NS_PER_S 1000000000ull

static uint64_t factor; /* set by the first reader; each would write the same */

uint64_t libc_now_ns(void)
{
	const struct ix_info *info = libc_info();
	uint64_t f = __atomic_load_n(&factor, __ATOMIC_RELAXED);

	if (!f) {
		f = (NS_PER_S << 32) / info->tsc_hz;
		__atomic_store_n(&factor, f, __ATOMIC_RELAXED);
	}
	return (uint64_t)(((unsigned __int128)(__builtin_ia32_rdtsc() - info->tsc_boot) * f) >> 32);
}

/* Nanoseconds on @clock, or -EINVAL. CPU time is not kept: a core is an application's as long as it runs. */
static int64_t read_clock(long clock)
{
	switch (clock) {
	case CLOCK_REALTIME:
	case CLOCK_REALTIME_COARSE:
		return (int64_t)(libc_info()->realtime_boot_ns + libc_now_ns());
	case CLOCK_MONOTONIC:
	case CLOCK_MONOTONIC_RAW:
	case CLOCK_MONOTONIC_COARSE:
	case CLOCK_BOOTTIME:
		return (int64_t)libc_now_ns();
	default:
		return -EINVAL;
	}
}

long serve_clock_gettime(const long *a)
{
	int64_t now = read_clock(a[0]);

	if (now < 0)
		return now;
	*(struct timespec *)a[1] = (struct timespec){ .tv_sec = now / (int64_t)NS_PER_S,
						      .tv_nsec = now % (int64_t)NS_PER_S };
	return 0;
}

long serve_clock_getres(const long *a)
{
	if (read_clock(a[0]) < 0)
		return -EINVAL;
	if (a[1])
		*(struct timespec *)a[1] = (struct timespec){ .tv_nsec = 1 };
	return 0;
}

long serve_gettimeofday(const long *a)
{
	int64_t now = read_clock(CLOCK_REALTIME);

	*(struct timeval *)a[0] = (struct timeval){ .tv_sec = now / (int64_t)NS_PER_S,
						    .tv_usec = now % (int64_t)NS_PER_S / 1000 };
	return 0;
}
