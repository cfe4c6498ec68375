/* SPDX-License-Identifier: MIT */
/*
 * Verb `logs`: lines of a guest's console, from the file that QEMU appends to; and that this file does not grow for ever.
 * Whatever a guest writes is a stranger's: lines are made text here, and cut where they are too long.
 */
#include "hostctl/base/clean.h"
#include "hostctl/base/paths.h"
#include "hostctl/ixd/ixd.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CONSOLE_BYTES_MAX (4 << 20)
#define CHUNK_BYTES (64u << 10)
#define LINE_BYTES_MAX 4096u
#define FOLLOW_MS 200
#define ROTATE_TRIES 8

/* Files do not change places while it is held. */
static pthread_mutex_t files_lock = PTHREAD_MUTEX_INITIALIZER;

/* Somebody who reads lines. */
struct reader {
	struct request *r;
	char *path, *old_path; /* named as virtlogd does, where that keeps them [virtlogd.conf] */
	int fd;                /* of path, or of what it was; -1: not there yet */
	off_t at;
	char line[LINE_BYTES_MAX], chunk[CHUNK_BYTES];
	size_t used;
	bool is_gone;
};

static void put_line(struct reader *t)
{
	size_t n = t->used;

	while (n > 0 && t->line[n - 1] == '\r')
		n--;
	clean_utf8(t->line, n);
	t->is_gone |= request_row(t->r, json_pack("{s:o}", "line", json_stringn(t->line, n))) != 0;
	t->used = 0;
}

static void feed(struct reader *t, const char *data, size_t bytes)
{
	for (size_t i = 0; i < bytes && !t->is_gone; i++) {
		if (data[i] != '\n')
			t->line[t->used++] = data[i];
		if (data[i] == '\n' || t->used == LINE_BYTES_MAX)
			put_line(t);
	}
}

/* All of @fd from @at on. Return: where that ended. */
static off_t drain(struct reader *t, int fd, off_t at)
{
	ssize_t n;

	while (!t->is_gone && (n = pread(fd, t->chunk, CHUNK_BYTES, at)) > 0) {
		feed(t, t->chunk, (size_t)n);
		at += n;
	}
	return at;
}

/* Where the last @lines of @fd begin; what of them is not in there stays in *@lines. */
static off_t last_lines(struct reader *t, int fd, uint64_t *lines)
{
	off_t at = lseek(fd, 0, SEEK_END);
	bool is_end = true; /* the newline of the last line ends it and begins none */

	while (at > 0) {
		off_t from = at > CHUNK_BYTES ? at - CHUNK_BYTES : 0;
		ssize_t n = pread(fd, t->chunk, (size_t)(at - from), from);

		for (ssize_t i = n - 1; i >= 0; i--) {
			if (t->chunk[i] == '\n' && !is_end && --*lines == 0)
				return from + i + 1;
			is_end = false;
		}
		at = n > 0 ? from : 0;
	}
	*lines -= !is_end && *lines > 0; /* the first one */
	return 0;
}

/* What is behind @at, to the end of @to. Return: where that was. */
static off_t keep(struct blob *to, int fd, off_t at)
{
	ssize_t n;

	do {
		size_t room = blob_add(to, NULL, CHUNK_BYTES);

		n = pread(fd, to->data + room, CHUNK_BYTES, at);
		to->bytes = room + (n > 0 ? (size_t)n : 0);
		at += n > 0 ? n : 0;
	} while (n > 0 && to->bytes < 4 * CONSOLE_BYTES_MAX);
	return at;
}

/* The last @lines, of the older file, too, if the newer has not so many: a copy, since files change places meanwhile. */
static void send_last(struct reader *t, uint64_t lines)
{
	struct blob all = { 0 };
	off_t at = 0;
	int old;

	pthread_mutex_lock(&files_lock);
	t->fd = open(t->path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	old = open(t->old_path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (t->fd >= 0)
		at = lines > 0 ? last_lines(t, t->fd, &lines) : lseek(t->fd, 0, SEEK_END);
	if (old >= 0 && lines > 0)
		keep(&all, old, last_lines(t, old, &lines));
	if (t->fd >= 0)
		t->at = keep(&all, t->fd, at);
	pthread_mutex_unlock(&files_lock);
	if (old >= 0)
		close(old);
	feed(t, (const char *)all.data, all.bytes);
	blob_fini(&all);
}

/* The file was cut short after it had been copied: what was not read yet is in the copy. */
static void read_rest_of_old(struct reader *t)
{
	int old = open(t->old_path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	if (old < 0)
		return;
	drain(t, old, t->at);
	close(old);
}

static void look_again(struct reader *t)
{
	struct stat there, ours = { 0 };

	if (stat(t->path, &there) != 0)
		return;
	if (t->fd >= 0 && fstat(t->fd, &ours) == 0 && ours.st_ino != there.st_ino) {
		drain(t, t->fd, t->at);
		close(t->fd);
		t->fd = -1;
	}
	if (t->fd < 0) {
		t->fd = open(t->path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
		t->at = 0;
	} else if (ours.st_size < t->at) {
		read_rest_of_old(t);
		t->at = 0;
	}
	if (t->fd >= 0)
		t->at = drain(t, t->fd, t->at);
}

static void read_lines(struct reader *t, uint64_t lines, bool is_followed)
{
	send_last(t, lines);
	while (is_followed && !t->is_gone && request_waits(t->r, FOLLOW_MS))
		look_again(t);
	if (t->used > 0)
		put_line(t);
	if (t->fd >= 0)
		close(t->fd);
}

static void paths_of_console(const char *name, char **path, char **old)
{
	if (asprintf(path, PATHS_LOG "/%s.console", name) < 0 || asprintf(old, "%s.0", *path) < 0)
		abort();
}

int verb_logs(struct request *r, struct err *err)
{
	const char *name = request_name(r, err);
	const json_t *lines = json_object_get(r->message.object, "lines");
	struct reader *t;
	int result = 0;

	if (name == NULL)
		return -1;
	if (lines != NULL && (!json_is_integer(lines) || json_integer_value(lines) < 0))
		return err_set(err, STATUS_USAGE, "lines: expected a number");
	t = calloc(1, sizeof(*t));
	if (t == NULL)
		abort();
	t->r = r;
	paths_of_console(name, &t->path, &t->old_path);
	/* One that is down has a console's file still. */
	if (access(t->path, F_OK) != 0 && request_known(r, err) == NULL)
		result = -1;
	else
		read_lines(t, lines != NULL ? (uint64_t)json_integer_value(lines) : UINT64_MAX,
			   json_is_true(json_object_get(r->message.object, "follow")));
	free(t->path);
	free(t->old_path);
	free(t);
	return result;
}

/* ---- that it does not grow for ever ---- */

/* All of @from behind @at, to the end of @to. Return: where that is, -1: it failed. */
static off_t copy(int from, int to, off_t at)
{
	char *chunk = malloc(CHUNK_BYTES);
	ssize_t n = 0;

	if (chunk == NULL)
		abort();
	while ((n = pread(from, chunk, CHUNK_BYTES, at)) > 0 && write(to, chunk, (size_t)n) == n)
		at += n;
	free(chunk);
	return n == 0 ? at : -1;
}

/*
 * QEMU holds the file open and appends, so it is copied and cut to nothing. What comes between the last look at its size and
 * the cut is lost: a line of a guest that writes just then.
 */
static void rotate(const char *path, const char *old)
{
	char *fresh;
	int from = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC), to;
	off_t done = 0;
	struct stat st;

	if (asprintf(&fresh, "%s.new", old) < 0)
		abort();
	to = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (from >= 0 && to >= 0 && (done = copy(from, to, 0)) > 0 && rename(fresh, old) == 0) {
		for (unsigned i = 0; i < ROTATE_TRIES && done > 0 && fstat(from, &st) == 0 && st.st_size > done; i++)
			done = copy(from, to, done);
		if (done > 0 && ftruncate(from, 0) != 0)
			event_note(NULL, "log-full", json_pack("{s:s, s:s}", "file", path, "why", strerror(errno)));
	} else {
		unlink(fresh);
	}
	if (from >= 0)
		close(from);
	if (to >= 0)
		close(to);
	free(fresh);
}

void logs_keep_short(const char *name)
{
	char *path, *old;
	struct stat st;

	paths_of_console(name, &path, &old);
	pthread_mutex_lock(&files_lock);
	if (stat(path, &st) == 0 && st.st_size > CONSOLE_BYTES_MAX)
		rotate(path, old);
	pthread_mutex_unlock(&files_lock);
	free(path);
	free(old);
}
