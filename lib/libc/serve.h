/* SPDX-License-Identifier: MIT */
/*
 * The system calls that are served: each takes six words as Linux passes them and returns what Linux
 * returns, negative errno included. syscall.c has the table.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

/* console.c */
long serve_write(const long *a);
long serve_writev(const long *a);
long serve_ioctl(const long *a);

/** console_put() - @bytes of @text to the console, in as many entries as it takes. */
void console_put(const char *text, size_t bytes);

/* pages.c, memory.c */
long serve_brk(const long *a);
long serve_mmap(const long *a);
long serve_munmap(const long *a);
long serve_mprotect(const long *a);
long serve_mremap(const long *a);

/* clock.c */
long serve_clock_gettime(const long *a);
long serve_clock_getres(const long *a);
long serve_gettimeofday(const long *a);

/* random.c */
long serve_getrandom(const long *a);

/* process.c */
long serve_exit(const long *a);
long serve_set_thread_area(const long *a);
long serve_arch_prctl(const long *a);
long serve_set_tid_address(const long *a);
long serve_gettid(const long *a);
long serve_futex(const long *a);
long serve_rt_sigprocmask(const long *a);
long serve_rt_sigaction(const long *a);
