/* SPDX-License-Identifier: MIT */
/*
 * What memcheck is told of memory (valgrind, memcheck.h); without it these do nothing. What the kernel sends or shows to
 * ring 3 must have been written by it: bytes left over from somebody else are a leak that no test of values sees.
 */
#pragma once
#include <stddef.h>
#include <valgrind/memcheck.h>

/** defined_forget() - @bytes at @p hold what somebody else has left there: to be written before they are read. */
static inline void defined_forget(const void *p, size_t bytes)
{
	VALGRIND_MAKE_MEM_UNDEFINED(p, bytes);
}

/** defined_believe() - @bytes at @p count as written, since a device says that it has written them. */
static inline void defined_believe(const void *p, size_t bytes)
{
	VALGRIND_MAKE_MEM_DEFINED(p, bytes);
}

/** defined_close() - @bytes at @p are nobody's: not to be touched. */
static inline void defined_close(const void *p, size_t bytes)
{
	VALGRIND_MAKE_MEM_NOACCESS(p, bytes);
}

/** defined_check() - @bytes at @p leave the kernel: memcheck reports those that nobody has written. */
static inline void defined_check(const volatile void *p, size_t bytes)
{
	(void)VALGRIND_CHECK_MEM_IS_DEFINED(p, bytes);
}
