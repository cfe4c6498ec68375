/* SPDX-License-Identifier: MIT */
/*
 * Descriptors 1 and 2 are the guest's console; what else can be open only is read (files.c).
 */
#include "lib/libc/libc.h"
#include "lib/libc/serve.h"
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

/* A write of several pieces up to this many bytes is one entry, so that lines of two cores do not mix. */
#define GATHER_MAX 512

void console_put(const char *text, size_t bytes)
{
	while (bytes) {
		long taken = ix_entry(IX_CONSOLE, (uintptr_t)text, bytes, 0);

		if (taken <= 0)
			return; /* there is no console to say it on */
		text += taken;
		bytes -= (size_t)taken;
	}
}

static int is_console(long fd)
{
	return fd == 1 || fd == 2;
}

long serve_write(const long *a)
{
	if (!is_console(a[0]))
		return -EBADF;
	console_put((const char *)a[1], (size_t)a[2]);
	return a[2];
}

long serve_writev(const long *a)
{
	const struct iovec *iov = (const struct iovec *)a[1];
	char gathered[GATHER_MAX];
	size_t total = 0, fill = 0;

	if (!is_console(a[0]))
		return -EBADF;
	if (a[2] < 0 || a[2] > IOV_MAX)
		return -EINVAL;
	for (long i = 0; i < a[2]; i++)
		total += iov[i].iov_len;
	for (long i = 0; i < a[2]; i++) {
		if (total > GATHER_MAX) {
			console_put(iov[i].iov_base, iov[i].iov_len);
			continue;
		}
		memcpy(gathered + fill, iov[i].iov_base, iov[i].iov_len);
		fill += iov[i].iov_len;
	}
	console_put(gathered, fill);
	return (long)total;
}

/* That there is a window, of unknown size, is how musl's stdio knows a terminal: it then writes by lines. */
long serve_ioctl(const long *a)
{
	if (!is_console(a[0]))
		return -EBADF;
	if (a[1] != TIOCGWINSZ)
		return -ENOTTY;
	memset((void *)a[2], 0, sizeof(struct winsize));
	return 0;
}
