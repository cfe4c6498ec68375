/* SPDX-License-Identifier: MIT */
/* ixctl logs --crash: the report of a fault, and the core file, which arrives as an open descriptor. */
#include "hostctl/ixctl/crash.h"
#include "hostctl/ixctl/ask.h"
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK_BYTES (1u << 20)

/* All of @from; what lies in holes is left a hole. */
static int copy(int from, int to, const char *path, struct err *err)
{
	uint8_t *chunk = malloc(CHUNK_BYTES);
	off_t at = 0, end = lseek(from, 0, SEEK_END);
	ssize_t n = 1;

	if (chunk == NULL)
		abort();
	while (n > 0 && (at = lseek(from, at, SEEK_DATA)) >= 0 && at < end) {
		n = pread(from, chunk, CHUNK_BYTES, at);
		if (n > 0 && pwrite(to, chunk, (size_t)n, at) != n)
			n = -1;
		at += n;
	}
	free(chunk);
	if (n < 0 || end < 0 || ftruncate(to, end) != 0)
		return err_set(err, STATUS_USAGE, "%s: %s", path, strerror(errno));
	return 0;
}

/* It holds the application's memory: for who asked alone. */
static int save(int core, const char *path, struct err *err)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0600);
	struct stat st;
	int result;

	if (fd < 0)
		return err_set(err, STATUS_USAGE, "%s: %s", path, strerror(errno));
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		result = err_set(err, STATUS_USAGE, "%s is not a regular file", path);
	else
		result = copy(core, fd, path, err);
	close(fd);
	return result;
}

int crash_show(const char *name, const char *core, bool is_json, struct err *err)
{
	struct client c = { .request = ask_request("crash", name) };
	int result = client_ask(&c, err);

	if (result == 0 && core != NULL)
		result = c.fd >= 0 ? save(c.fd, core, err)
				   : err_set(err, STATUS_DATA, "there is no core of this fault; the report says why");
	if (c.result != NULL && is_json)
		ask_put(c.result);
	else if (c.result != NULL)
		fputs(ask_text(c.result, "report"), stdout);
	if (c.fd >= 0)
		close(c.fd);
	json_decref(c.result);
	return result;
}
