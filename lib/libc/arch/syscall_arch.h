/* SPDX-License-Identifier: MIT */
/*
 * The seam between musl and IX: found before musl's own header of this name, it turns every system
 * call of musl into a function call (syscall.c). Its six functions and macros are musl's contract.
 */
#pragma once

/** ix_syscall() - Linux system call @number with @args, served in ring 3 or -ENOSYS. @args: always six words. */
__attribute__((__visibility__("hidden"))) long ix_syscall(long number, const long *args);

#define __SYSCALL_LL_E(x) (x)
#define __SYSCALL_LL_O(x) (x)

static inline long __syscall0(long n)
{
	return ix_syscall(n, (const long[6]){ 0 });
}

static inline long __syscall1(long n, long a)
{
	return ix_syscall(n, (const long[6]){ a });
}

static inline long __syscall2(long n, long a, long b)
{
	return ix_syscall(n, (const long[6]){ a, b });
}

static inline long __syscall3(long n, long a, long b, long c)
{
	return ix_syscall(n, (const long[6]){ a, b, c });
}

static inline long __syscall4(long n, long a, long b, long c, long d)
{
	return ix_syscall(n, (const long[6]){ a, b, c, d });
}

static inline long __syscall5(long n, long a, long b, long c, long d, long e)
{
	return ix_syscall(n, (const long[6]){ a, b, c, d, e });
}

static inline long __syscall6(long n, long a, long b, long c, long d, long e, long f)
{
	return ix_syscall(n, (const long[6]){ a, b, c, d, e, f });
}

#define IPC_64 0
