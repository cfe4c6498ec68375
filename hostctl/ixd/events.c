/* SPDX-License-Identifier: MIT */
/* What happened to a guest: a line of JSON in its log, and a word to those who follow. Logs are cut in half when they are long. */
#include "hostctl/base/paths.h"
#include "hostctl/ixd/ixd.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LOG_BYTES_MAX (4 << 20)
#define FOLLOW_MS 1000

static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t log_grew = PTHREAD_COND_INITIALIZER;

/* Of a guest, or of all of them and the host; on the heap. No guest's name begins like that of the latter. */
static char *log_path(const char *guest)
{
	char *path;

	if (asprintf(&path, PATHS_LOG "/%s.events", guest != NULL ? guest : "_all") < 0)
		abort();
	return path;
}

static json_t *stamp(const char *guest, const char *event, json_t *detail)
{
	int64_t ms = wall_ms();
	time_t seconds = (time_t)(ms / 1000);
	char utc[40], whole[32];
	struct tm t;

	gmtime_r(&seconds, &t);
	strftime(whole, sizeof(whole), "%Y-%m-%dT%H:%M:%S", &t);
	snprintf(utc, sizeof(utc), "%s.%03dZ", whole, (int)(ms % 1000));
	return json_pack("{s:s, s:s, s:s, s:o}", "utc", utc, "guest", guest != NULL ? guest : "", "event", event,
			 "detail", detail != NULL ? detail : json_object());
}

/* Under the lock. An older half stays beside it as .1 */
static void make_room(const char *path)
{
	struct stat st;
	char *old;

	if (stat(path, &st) != 0 || st.st_size < LOG_BYTES_MAX)
		return;
	if (asprintf(&old, "%s.1", path) < 0)
		abort();
	(void)rename(path, old); /* else it grows on */
	free(old);
}

/* Under the lock. A full disk loses the line, not the guest. */
static void append(const char *guest, const char *line, size_t bytes)
{
	char *path = log_path(guest);
	int fd;

	make_room(path);
	fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0640);
	if (fd >= 0) {
		ssize_t n = write(fd, line, bytes);

		(void)n;
		close(fd);
	}
	free(path);
}

void event_note(const char *guest, const char *event, json_t *detail)
{
	json_t *o = stamp(guest, event, detail);
	char *text = json_dumps(o, JSON_COMPACT | JSON_REAL_PRECISION(9)), *line;
	int bytes;

	if (text == NULL || (bytes = asprintf(&line, "%s\n", text)) < 0)
		abort();
	pthread_mutex_lock(&log_lock);
	append(NULL, line, (size_t)bytes);
	if (guest != NULL)
		append(guest, line, (size_t)bytes);
	pthread_cond_broadcast(&log_grew);
	pthread_mutex_unlock(&log_lock);
	free(line);
	free(text);
	json_decref(o);
}

static void wait_for_more(void)
{
	int64_t until = wall_ms() + FOLLOW_MS;
	struct timespec t = { until / 1000, until % 1000 * 1000000 };

	pthread_mutex_lock(&log_lock);
	pthread_cond_timedwait(&log_grew, &log_lock, &t);
	pthread_mutex_unlock(&log_lock);
}

/* Sends what was written behind *@at. Return: -1 when the client went away. */
static int send_from(struct request *r, const char *path, long *at)
{
	FILE *f = fopen(path, "re");
	char *line = NULL;
	size_t room = 0;
	int result = 0;
	struct stat st;

	if (f == NULL)
		return 0;
	if (fstat(fileno(f), &st) == 0 && st.st_size < *at)
		*at = 0; /* a new file */
	if (fseek(f, *at, SEEK_SET) != 0)
		result = -1;
	while (result == 0 && getline(&line, &room, f) > 0 && strchr(line, '\n') != NULL) {
		json_error_t why;
		json_t *o = json_loads(line, 0, &why);

		*at = ftell(f);
		if (o != NULL)
			result = request_row(r, o);
	}
	free(line);
	(void)fclose(f); /* it was only read */
	return result;
}

int verb_events(struct request *r, struct err *err)
{
	const char *name = json_object_get(r->message.object, "name") != NULL ? request_name(r, err) : NULL;
	bool follow = json_is_true(json_object_get(r->message.object, "follow"));
	char *path;
	long at = 0;
	int result;

	if (err->status != 0)
		return -1;
	path = log_path(name);
	/* One that is down has a log still. */
	if (name != NULL && access(path, F_OK) != 0 && request_known(r, err) == NULL) {
		free(path);
		return -1;
	}
	result = send_from(r, path, &at);
	while (result == 0 && follow) {
		wait_for_more();
		/* An empty word finds out whether the client is still there. */
		if (request_say(r, "%s", "") != 0 || send_from(r, path, &at) != 0)
			break;
	}
	free(path);
	return 0;
}
