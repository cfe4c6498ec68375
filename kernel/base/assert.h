/* SPDX-License-Identifier: MIT */
/*
 * Impossible states. kassert() is always compiled in; kcheck() only in the checked build
 * (IX_CHECKED), for conditions on the packet path that cost something to evaluate.
 */
#pragma once
#include "kernel/base/types.h"

/**
 * panic() - stop the guest: message, registers, backtrace, exit code IX_EXIT_PANIC.
 * On the host it prints and aborts.
 */
NORETURN void panic(const char *fmt, ...) PRINTF(1, 2);

#define kassert(cond)                                                  \
	do {                                                           \
		if (unlikely(!(cond)))                                 \
			panic("%s:%d: %s", __FILE__, __LINE__, #cond); \
	} while (0)

#ifdef IX_CHECKED
#define kcheck(cond) kassert(cond)
#else
#define kcheck(cond) ((void)sizeof(cond))
#endif
