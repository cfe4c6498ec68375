/* SPDX-License-Identifier: MIT */
/*
 * The system calls that are served: each takes six words as Linux passes them and returns what Linux
 * returns, negative errno included. syscall.c has the table.
 */
#pragma once
#include <stdbool.h>
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

/* files.c */
long serve_open(const long *a);
long serve_openat(const long *a);
long serve_close(const long *a);
long serve_read(const long *a);
long serve_readv(const long *a);
long serve_pread64(const long *a);
long serve_lseek(const long *a);
long serve_stat(const long *a);
long serve_fstat(const long *a);
long serve_newfstatat(const long *a);
long serve_access(const long *a);
long serve_faccessat(const long *a);
long serve_fcntl(const long *a);

/** files_map() - mmap of a file: its own pages if it @is_written never, else a copy. Return: address or negative errno. */
long files_map(long fd, uint64_t offset, uint64_t bytes, bool is_written);
/** files_is_mapped() - whether @address is in a file's own pages, which stay. */
bool files_is_mapped(const void *address);

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
