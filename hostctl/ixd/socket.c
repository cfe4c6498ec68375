/* SPDX-License-Identifier: MIT */
/* The socket of ixctl: a thread accepts, each request has one of its own, and a bound on how many there are. */
#include "hostctl/base/name.h"
#include "hostctl/base/paths.h"
#include "hostctl/base/say.h"
#include "hostctl/base/words.h"
#include "hostctl/ixd/ixd.h"
#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define REQUESTS_MAX 64u /* that are served at once; those beyond are told so */
#define THREADS_MAX 512u
#define LATE_S 1
#define BACKLOG 256
#define SEND_S 20  /* a client that does not read for so long has gone away */
#define FIRST_S 10 /* and one that says nothing, too */

static const struct {
	const char *name;
	int (*run)(struct request *r, struct err *err);
} verbs[] = {
	{ "up", verb_up },
	{ "down", verb_down },
	{ "ps", verb_ps },
	{ "inspect", verb_inspect },
	{ "events", verb_events },
	{ "ping", verb_ping },
	{ "top", verb_top },
	{ "logs", verb_logs },
	{ "console", verb_console },
	{ "capture", verb_capture },
	{ "crash", verb_crash },
	{ "replace", verb_replace },
	{ "rollback", verb_rollback },
	{ "scale", verb_scale },
	{ "cores", verb_cores },
};
#define VERB_COUNT (sizeof(verbs) / sizeof(verbs[0]))

static int listener = -1;
static unsigned request_count;

static int send_one(struct request *r, json_t *o)
{
	struct err err = { 0 };
	int result = message_send(r->socket, o, NULL, 0, &err);

	err_fini(&err);
	json_decref(o);
	return result;
}

int request_say(struct request *r, const char *fmt, ...)
{
	char *text;
	va_list args;
	int n, result;

	if (r == NULL)
		return 0;
	va_start(args, fmt);
	n = vasprintf(&text, fmt, args);
	va_end(args);
	if (n < 0)
		abort();
	result = send_one(r, json_pack("{s:s}", "say", text));
	free(text);
	return result;
}

int request_row(struct request *r, json_t *row)
{
	return send_one(r, json_pack("{s:o}", "row", row));
}

bool request_waits(const struct request *r, int ms)
{
	struct pollfd fd = { .fd = r->socket, .events = POLLIN };

	/* Nothing comes after a request: what can be read is its end. */
	return poll(&fd, 1, ms) == 0;
}

const char *request_name(const struct request *r, struct err *err)
{
	const char *name = json_string_value(json_object_get(r->message.object, "name"));

	if (name == NULL) {
		err_set(err, STATUS_USAGE, "say which guest");
		return NULL;
	}
	return name_check(name, err) == 0 ? name : NULL;
}

const char *request_known(const struct request *r, struct err *err)
{
	const char *name = request_name(r, err), *near = NULL;
	const char **all;

	if (name == NULL || guest_exists(name))
		return name;
	pthread_mutex_lock(&ixd.lock);
	all = calloc(ixd.guest_count + 1, sizeof(*all));
	for (unsigned i = 0; all != NULL && i < ixd.guest_count; i++)
		all[i] = ixd.guests[i]->name;
	if (all != NULL)
		near = words_nearest(name, all, ixd.guest_count);
	err_set(err, STATUS_USAGE, "there is no guest '%s'%s%s%s", name, near != NULL ? ", did you mean " : "",
		near != NULL ? near : "", near != NULL ? "?" : ": `ixctl ps` lists those there are");
	pthread_mutex_unlock(&ixd.lock);
	free(all);
	return NULL;
}

static int run_verb(struct request *r, struct err *err)
{
	const char *verb = json_string_value(json_object_get(r->message.object, "verb"));

	for (unsigned i = 0; verb != NULL && i < VERB_COUNT; i++)
		if (strcmp(verb, verbs[i].name) == 0)
			return verbs[i].run(r, err);
	return err_set(err, STATUS_USAGE, "ixd does not know '%.40s': ixctl and ixd are of different versions",
		       verb != NULL ? verb : "");
}

static void answer(struct request *r, int result, struct err *err)
{
	struct err ignored = { 0 };
	json_t *o;

	if (result == 0)
		o = json_pack("{s:i, s:o}", "status", STATUS_OK, "result",
			      r->result != NULL ? r->result : json_object());
	else
		o = json_pack("{s:i, s:s}", "status", err->status, "error", err->text);
	if (result != 0)
		json_decref(r->result);
	r->result = NULL;
	message_send(r->socket, o, &r->fd, r->fd >= 0 && result == 0 ? 1 : 0, &ignored);
	err_fini(&ignored);
	json_decref(o);
}

/* What it wants was asked for before it is refused: a socket that is closed with words unread takes our answer along. */
static int run_or_refuse(struct request *r, struct err *err)
{
	if (r->is_late)
		return err_set(err, STATUS_MACHINE, "ixd is busy with %u requests; try again", REQUESTS_MAX);
	return run_verb(r, err);
}

static void *serve(void *arg)
{
	struct request *r = arg;
	struct timeval first = { .tv_sec = r->is_late ? LATE_S : FIRST_S }, send = { .tv_sec = SEND_S };
	struct err err = { 0 };
	int got;

	setsockopt(r->socket, SOL_SOCKET, SO_RCVTIMEO, &first, sizeof(first));
	setsockopt(r->socket, SOL_SOCKET, SO_SNDTIMEO, &send, sizeof(send));
	got = message_receive(r->socket, &r->message, &err);
	if (got != 0)
		answer(r, got > 0 ? run_or_refuse(r, &err) : -1, &err);
	err_fini(&err);
	message_fini(&r->message);
	if (r->fd >= 0)
		close(r->fd);
	close(r->socket);
	free(r);
	__atomic_fetch_sub(&request_count, 1, __ATOMIC_RELEASE);
	return NULL;
}

static void begin_request(int s)
{
	struct request *r = calloc(1, sizeof(*r));
	unsigned count = __atomic_add_fetch(&request_count, 1, __ATOMIC_ACQUIRE);
	pthread_t thread;

	if (r == NULL)
		abort();
	r->socket = s;
	r->fd = -1;
	r->is_late = count > REQUESTS_MAX;
	__atomic_fetch_add(&ixd.requests, 1, __ATOMIC_RELAXED);
	if (count <= THREADS_MAX && pthread_create(&thread, NULL, serve, r) == 0) {
		pthread_detach(thread);
		return;
	}
	close(s);
	free(r);
	__atomic_fetch_sub(&request_count, 1, __ATOMIC_RELEASE);
}

static void *accept_all(void *arg)
{
	(void)arg;
	for (;;) {
		int s = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

		if (s >= 0)
			begin_request(s);
		else if (errno != EINTR && errno != ECONNABORTED)
			usleep(100000); /* no descriptors left: some will come back */
	}
	return NULL;
}

int socket_open(struct err *err)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX, .sun_path = PATHS_SOCKET };
	struct group *group = getgrnam(PATHS_GROUP);
	pthread_t thread;
	mode_t before;
	int bound;

	listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	unlink(PATHS_SOCKET); /* the pid file's lock says that it is nobody's */
	before = umask(0117);
	bound = listener >= 0 ? bind(listener, (struct sockaddr *)&a, sizeof(a)) : -1;
	umask(before);
	if (bound != 0 || listen(listener, BACKLOG) != 0)
		return err_set(err, STATUS_MACHINE, PATHS_SOCKET ": %s", strerror(errno));
	if (group != NULL && chown(PATHS_SOCKET, (uid_t)-1, group->gr_gid) != 0)
		say("%s cannot be given to group %s: only root can use it", PATHS_SOCKET, PATHS_GROUP);
	if (pthread_create(&thread, NULL, accept_all, NULL) != 0)
		return err_set(err, STATUS_MACHINE, "no thread for " PATHS_SOCKET);
	return 0;
}
