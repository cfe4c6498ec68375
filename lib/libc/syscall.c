/* SPDX-License-Identifier: MIT */
/*
 * Which Linux system calls an application has. Everything musl asks for arrives at ix_syscall(); what
 * is not in the table is -ENOSYS and said once on the console by its name.
 */
#include "lib/libc/arch/syscall_arch.h"
#include "lib/libc/serve.h"
#include <errno.h>
#include <string.h>
#include <sys/syscall.h>

typedef long (*serve_t)(const long *a);

static const serve_t served[] = {
	[SYS_write] = serve_write,
	[SYS_writev] = serve_writev,
	[SYS_ioctl] = serve_ioctl,
	[SYS_open] = serve_open,
	[SYS_openat] = serve_openat,
	[SYS_close] = serve_close,
	[SYS_read] = serve_read,
	[SYS_readv] = serve_readv,
	[SYS_pread64] = serve_pread64,
	[SYS_lseek] = serve_lseek,
	[SYS_stat] = serve_stat,
	[SYS_lstat] = serve_stat,
	[SYS_fstat] = serve_fstat,
	[SYS_newfstatat] = serve_newfstatat,
	[SYS_access] = serve_access,
	[SYS_faccessat] = serve_faccessat,
	[SYS_fcntl] = serve_fcntl,
	[SYS_brk] = serve_brk,
	[SYS_mmap] = serve_mmap,
	[SYS_munmap] = serve_munmap,
	[SYS_mprotect] = serve_mprotect,
	[SYS_mremap] = serve_mremap,
	[SYS_clock_gettime] = serve_clock_gettime,
	[SYS_clock_getres] = serve_clock_getres,
	[SYS_gettimeofday] = serve_gettimeofday,
	[SYS_getrandom] = serve_getrandom,
	[SYS_exit] = serve_exit,
	[SYS_exit_group] = serve_exit,
	[SYS_set_thread_area] = serve_set_thread_area,
	[SYS_arch_prctl] = serve_arch_prctl,
	[SYS_set_tid_address] = serve_set_tid_address,
	[SYS_gettid] = serve_gettid,
	[SYS_futex] = serve_futex,
	[SYS_rt_sigprocmask] = serve_rt_sigprocmask,
	[SYS_rt_sigaction] = serve_rt_sigaction,
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char *const names[] = {
#include <syscall_names.h>
};

static uint64_t said[COUNT(names) / 64 + 1]; /* a bit a number, set by whoever says it first */

#define LINE_BYTES 96

/* @text to the end of @line, as much as there is room for. */
static size_t append(char *line, size_t fill, const char *text)
{
	size_t n = strnlen(text, LINE_BYTES - fill);

	memcpy(line + fill, text, n);
	return fill + n;
}

static void say_once(long number)
{
	char line[LINE_BYTES];
	size_t fill;
	uint64_t bit = 1ull << (number % 64);

	if (number < 0 || (size_t)number >= COUNT(names) || !names[number])
		return;
	if (__atomic_fetch_or(&said[number / 64], bit, __ATOMIC_RELAXED) & bit)
		return;
	fill = append(line, 0, "ix: system call ");
	fill = append(line, fill, names[number]);
	fill = append(line, fill, " is not served\n");
	console_put(line, fill);
}

long ix_syscall(long number, const long *args)
{
	if (number >= 0 && (size_t)number < COUNT(served) && served[number])
		return served[number](args);
	say_once(number);
	return -ENOSYS;
}
