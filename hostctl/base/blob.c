/* SPDX-License-Identifier: MIT */
/*
 * Files as a whole: read with a limit, written beside their place and renamed, or held in memory
 * only. Nothing half-written ever has a final name.
 */
#include "hostctl/base/blob.h"
#include <stdarg.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

void blob_fini(struct blob *b)
{
	free(b->data);
	memset(b, 0, sizeof(*b));
}

size_t blob_add(struct blob *b, const void *data, size_t bytes)
{
	size_t at = b->bytes;

	if (b->room - at < bytes) {
		size_t room = b->room * 2 > at + bytes ? b->room * 2 : at + bytes;
		uint8_t *more = realloc(b->data, room);

		if (more == NULL) {
			fputs("ixctl: out of memory\n", stderr);
			exit(STATUS_MACHINE);
		}
		b->data = more;
		b->room = room;
	}
	if (bytes == 0)
		return at;
	if (data != NULL)
		memcpy(b->data + at, data, bytes);
	else
		memset(b->data + at, 0, bytes);
	b->bytes = at + bytes;
	return at;
}

void blob_print(struct blob *b, const char *fmt, ...)
{
	char *text;
	va_list args;
	int n;

	va_start(args, fmt);
	n = vasprintf(&text, fmt, args);
	va_end(args);
	if (n < 0)
		abort();
	blob_add(b, text, (size_t)n);
	free(text);
}

void blob_align(struct blob *b, size_t align)
{
	blob_add(b, NULL, (align - b->bytes % align) % align);
}

static int read_all(struct blob *b, int fd, const char *path, struct err *err)
{
	size_t left = b->bytes;
	uint8_t *p = b->data;

	while (left > 0) {
		ssize_t n = read(fd, p, left);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set(err, STATUS_DATA, "%s: %s", path, strerror(errno));
		if (n == 0)
			return err_set(err, STATUS_DATA, "%s: shrank while it was read", path);
		p += n;
		left -= (size_t)n;
	}
	return 0;
}

int blob_read(struct blob *b, const char *path, size_t max, struct err *err)
{
	struct stat st;
	int result = -1;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	memset(b, 0, sizeof(*b));
	if (fd < 0)
		return err_set(err, STATUS_DATA, "%s: %s", path, strerror(errno));
	if (fstat(fd, &st) != 0)
		err_set(err, STATUS_DATA, "%s: %s", path, strerror(errno));
	else if (!S_ISREG(st.st_mode))
		err_set(err, STATUS_DATA, "%s: expected a file, got %s", path,
			S_ISDIR(st.st_mode) ? "a folder" : "something else");
	else if ((uint64_t)st.st_size > max)
		err_set(err, STATUS_DATA, "%s: %llu bytes, at most %zu are expected here", path,
			(unsigned long long)st.st_size, max);
	else {
		blob_add(b, NULL, (size_t)st.st_size);
		result = read_all(b, fd, path, err);
	}
	close(fd);
	if (result != 0)
		blob_fini(b);
	return result;
}

static int write_all(const struct blob *b, int fd)
{
	size_t done = 0;

	while (done < b->bytes) {
		ssize_t n = write(fd, b->data + done, b->bytes - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		done += (size_t)n;
	}
	return 0;
}

int blob_write(const struct blob *b, const char *path, struct err *err)
{
	mode_t mask = umask(0);
	char *temp = NULL;
	int why = 0;
	int fd;

	umask(mask);
	if (asprintf(&temp, "%s.XXXXXX", path) < 0)
		return err_set(err, STATUS_MACHINE, "out of memory");
	fd = mkostemp(temp, O_CLOEXEC);
	if (fd < 0) {
		why = errno;
	} else {
		if (write_all(b, fd) != 0 || fchmod(fd, 0666 & ~mask) != 0)
			why = errno;
		if (close(fd) != 0 && why == 0)
			why = errno;
		if (why == 0 && rename(temp, path) != 0)
			why = errno;
		if (why != 0)
			unlink(temp);
	}
	free(temp);
	if (why != 0)
		return err_set(err, STATUS_USAGE, "cannot write %s: %s", path, strerror(why));
	return 0;
}

int blob_memfd(const struct blob *b, const char *name, struct err *err)
{
	int fd = memfd_create(name, 0);

	if (fd < 0 || write_all(b, fd) != 0 || lseek(fd, 0, SEEK_SET) != 0) {
		err_set(err, STATUS_MACHINE, "no memory for %s: %s", name, strerror(errno));
		if (fd >= 0)
			close(fd);
		return -1;
	}
	return fd;
}
