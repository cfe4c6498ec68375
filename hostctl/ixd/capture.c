/* SPDX-License-Identifier: MIT */
/*
 * Verb `capture`: the switch mirrors a guest's port onto a tap, tcpdump writes what comes there into a pipe whose other end the
 * client gets. The mirror goes with the request, however that ends; one that was left when ixd was killed goes when it begins
 * again, and the tcpdump that listened there ends with its tap.
 */
#include "hostctl/base/exec.h"
#include "hostctl/ixd/ixd.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define CAPTURES_MAX 8
#define FILTER_BYTES_MAX 4096u
#define FILTER_S 10
#define SECONDS_MAX 86400
#define COUNT_MAX 1000000000
#define END_MS 5000
#define LAST_MS 200 /* for frames that are on their way to it when it has to end */
#define SAID_BYTES 4096u
#define WORDS_MAX 20

static unsigned capture_count, serial;

struct capture {
	const char *guest, *filter; /* "": all frames */
	json_int_t seconds, count;  /* 0: no end */
	char link[16];
	int said; /* what tcpdump says on its stderr, a file */
	pid_t pid;
};

/* The last line of @text that says something, without tcpdump's name. */
static const char *last_line(char *text)
{
	char *line;

	for (size_t n = strlen(text); n > 0 && strchr("\r\n ", text[n - 1]) != NULL; n--)
		text[n - 1] = '\0';
	line = strrchr(text, '\n');
	line = line != NULL ? line + 1 : text;
	return strncmp(line, "tcpdump: ", 9) == 0 ? line + 9 : line;
}

/* tcpdump compiles it and says what is wrong, before anything is made. */
static int check_filter(const struct capture *c, struct err *err)
{
	const char *words[] = { "tcpdump", "-d", "-y", "EN10MB", "--", c->filter, NULL };
	struct exec e = { .argv = words, .timeout_s = FILTER_S };
	int result = exec_run(&e, err);

	if (result == 0 && e.status != 0)
		result = err_set(err, STATUS_USAGE, "filter '%.200s': %.300s (pcap-filter(7))", c->filter,
				 last_line((char *)e.error.data));
	exec_fini(&e);
	return result;
}

static int read_number(const struct request *r, const char *key, json_int_t max, json_int_t *out, struct err *err)
{
	const json_t *v = json_object_get(r->message.object, key);

	*out = json_integer_value(v);
	if (v != NULL && (!json_is_integer(v) || *out < 1 || *out > max))
		return err_set(err, STATUS_USAGE, "%s: expected a number from 1 to %lld", key, (long long)max);
	return 0;
}

static int read_request(struct request *r, struct capture *c, struct err *err)
{
	const json_t *filter = json_object_get(r->message.object, "filter");

	c->guest = request_known(r, err);
	c->filter = filter != NULL ? json_string_value(filter) : "";
	if (c->guest == NULL || read_number(r, "seconds", SECONDS_MAX, &c->seconds, err) != 0 ||
	    read_number(r, "count", COUNT_MAX, &c->count, err) != 0)
		return -1;
	if (c->filter == NULL || strlen(c->filter) > FILTER_BYTES_MAX)
		return err_set(err, STATUS_USAGE, "filter: expected at most %u bytes of text", FILTER_BYTES_MAX);
	return check_filter(c, err);
}

/* The client gets the pipe's end; from then on a row, and later the result, are told. */
static int start(struct request *r, struct capture *c, struct err *err)
{
	char count[24];
	const char *words[WORDS_MAX] = { "tcpdump", "-i", c->link, "-n",     "-U", "--immediate-mode",
					 "-Q",      "in", "-s",    "262144", "-w", "-" };
	unsigned n = 12;
	json_t *row = json_pack("{s:{s:s}}", "row", "link", c->link);
	int ends[2], result = -1;

	snprintf(count, sizeof(count), "%lld", (long long)c->count);
	if (c->count > 0) {
		words[n++] = "-c";
		words[n++] = count;
	}
	words[n++] = "--";
	words[n] = c->filter;
	if (pipe2(ends, O_CLOEXEC) != 0) {
		json_decref(row);
		return err_set(err, STATUS_MACHINE, "pipe: %s", strerror(errno));
	}
	c->pid = exec_begin(words, -1, ends[1], c->said, err);
	if (c->pid > 0)
		result = message_send(r->socket, row, &ends[0], 1, err);
	close(ends[0]);
	close(ends[1]);
	json_decref(row);
	return result;
}

/* Until tcpdump ends; when the time is over, or the client wants no more, it is told to. */
static int supervise(struct request *r, const struct capture *c)
{
	struct pollfd fds[2] = { { .fd = (int)syscall(SYS_pidfd_open, c->pid, 0), .events = POLLIN },
				 { .fd = r->socket, .events = POLLIN } };
	int64_t end = c->seconds > 0 ? now_ms() + c->seconds * 1000 : 0;
	int status = 0;

	for (;;) {
		int64_t left = end != 0 ? end - now_ms() : -1;
		int n = poll(fds, 2, left > INT32_MAX ? INT32_MAX : (int)(end != 0 && left < 0 ? 0 : left));

		if (n < 0 && errno == EINTR)
			continue;
		if (fds[0].fd < 0 || (fds[0].revents | fds[1].revents) != 0 || (end != 0 && now_ms() >= end))
			break;
	}
	fds[1].fd = -1;
	if (fds[0].fd >= 0 && poll(fds, 1, LAST_MS) == 0)
		kill(c->pid, SIGTERM); /* that has ended is not reaped yet: the number is its own */
	if (fds[0].fd < 0 || poll(fds, 1, END_MS) <= 0)
		kill(c->pid, SIGKILL);
	while (waitpid(c->pid, &status, 0) < 0 && errno == EINTR)
		;
	if (fds[0].fd >= 0)
		close(fds[0].fd);
	return status;
}

/* "12 packets captured" among what it said. */
static json_int_t number_before(const char *text, const char *words)
{
	const char *at = strstr(text, words), *from = at;

	while (from != NULL && from > text && from[-1] >= '0' && from[-1] <= '9')
		from--;
	return from != NULL ? strtoll(from, NULL, 10) : 0;
}

static int conclude(struct request *r, const struct capture *c, int status, struct err *err)
{
	char *said = calloc(1, SAID_BYTES + 1);
	int result = 0;

	if (said == NULL)
		abort();
	if (pread(c->said, said, SAID_BYTES, 0) < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
		result = err_set(err, STATUS_MACHINE, "tcpdump: %.300s", last_line(said));
	else
		r->result = json_pack("{s:I, s:I}", "frames",
				      number_before(said, " packets captured") +
					      number_before(said, " packet captured"),
				      "dropped", number_before(said, " packets dropped by kernel"));
	free(said);
	return result;
}

/* What links of this ixd begin with, so that the next one knows which were left. */
static void name_links(char out[16])
{
	snprintf(out, 16, "ixc%06x-", (unsigned)(ixd.began_ms / 100) & 0xffffff);
}

void capture_sweep(void)
{
	struct err ignored = { 0 };
	char ours[16];

	name_links(ours);
	sw_mirror_sweep(ours, &ignored);
	err_fini(&ignored);
}

static int capture(struct request *r, struct capture *c, struct err *err)
{
	struct err ignored = { 0 };
	int result = -1, status;

	c->said = memfd_create("tcpdump", MFD_CLOEXEC);
	name_links(c->link);
	snprintf(c->link + strlen(c->link), 3, "%02x", __atomic_add_fetch(&serial, 1, __ATOMIC_RELAXED) & 0xff);
	if (c->said >= 0 && sw_mirror_start(c->guest, c->link, err) == 0 && start(r, c, err) == 0)
		result = 0;
	if (c->pid > 0) {
		status = supervise(r, c);
		result = result == 0 ? conclude(r, c, status, err) : -1;
	}
	sw_mirror_stop(c->link, &ignored);
	err_fini(&ignored);
	if (c->said >= 0)
		close(c->said);
	return result;
}

int verb_capture(struct request *r, struct err *err)
{
	struct capture c = { 0 };
	int result = -1;

	if (__atomic_add_fetch(&capture_count, 1, __ATOMIC_ACQUIRE) > CAPTURES_MAX)
		err_set(err, STATUS_USAGE, "%d captures run already; end one", CAPTURES_MAX);
	else if (read_request(r, &c, err) == 0)
		result = capture(r, &c, err);
	__atomic_fetch_sub(&capture_count, 1, __ATOMIC_RELEASE);
	return result;
}
