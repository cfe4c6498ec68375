/* SPDX-License-Identifier: MIT */
/*
 * ixctl capture: a guest's frames into a file, to stdout or, decoded by tcpdump, to people. ixd mirrors and filters them; we get
 * the end of a pipe with pcap in it. Ctrl-C tells ixd to stop, and what was captured until then still comes.
 */
#include "hostctl/base/exec.h"
#include "hostctl/base/say.h"
#include "hostctl/base/words.h"
#include "hostctl/ixctl/ask.h"
#include "hostctl/ixctl/ixctl.h"
#include "hostctl/ixctl/verb.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define SECONDS_MAX 86400u
#define COUNT_MAX 1000000000u
#define CHUNK_BYTES 65536u
#define LOOK_MS 200 /* how soon Ctrl-C is noticed when it comes between two looks */

struct capture_words {
	uint64_t seconds, count; /* 0: no end */
	const char *file;        /* NULL: decoded for people; "-": stdout */
	bool is_json;
};

/* What goes on while frames come. */
struct capture {
	const struct capture_words *words;
	struct client *client;
	struct err *err;
};

static volatile sig_atomic_t is_over;

static const struct verb_option options[] = {
	{ "write", 'w', "FILE", WORD_FILE, "write a pcap file, which tcpdump and Wireshark read; - is stdout" },
	{ "seconds", '\0', "S", WORD_OTHER, "end after S seconds" },
	{ "count", 'c', "N", WORD_OTHER, "end after N frames" },
	{ "json", '\0', NULL, WORD_OTHER, "with -w FILE: at the end one JSON object with what has been captured" },
	VERB_OPTIONS_END,
};

static int take(void *arg, const struct verb_option *o, char *value, struct err *err)
{
	struct capture_words *w = arg;

	if (o->letter == 'w') {
		w->file = value;
	} else if (strcmp(o->name, "json") == 0) {
		w->is_json = true;
	} else if (o->letter == 'c' && !words_number(value, 1, COUNT_MAX, &w->count)) {
		return err_set(err, STATUS_USAGE, "--count: expected a number 1..%u, got %s", COUNT_MAX, value);
	} else if (o->letter != 'c' && !words_number(value, 1, SECONDS_MAX, &w->seconds)) {
		return err_set(err, STATUS_USAGE, "--seconds: expected a number 1..%u, got %s", SECONDS_MAX, value);
	}
	return 0;
}

static void on_signal(int number)
{
	(void)number;
	is_over = 1;
}

static void catch_signals(void)
{
	struct sigaction action = { .sa_handler = on_signal };

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static int put(int out, const char *data, size_t bytes, struct err *err)
{
	while (bytes > 0) {
		ssize_t n = write(out, data, bytes);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set(err, STATUS_USAGE, "cannot write what has been captured: %s", strerror(errno));
		data += n;
		bytes -= (size_t)n;
	}
	return 0;
}

/* All of the pipe to @out. When we are to stop, ixd is told, and then all that was under way comes before the end. */
static int pour(struct capture *c, int out)
{
	struct pollfd fds[2] = { { .fd = c->client->fd, .events = POLLIN }, { .fd = c->client->socket } };
	char *chunk = malloc(CHUNK_BYTES);
	bool is_told = false;
	ssize_t n = 1;

	if (chunk == NULL)
		abort();
	while (c->err->status == 0 && n > 0) {
		int ready = poll(fds, 2, LOOK_MS);

		if (is_over && !is_told) {
			shutdown(c->client->socket, SHUT_WR);
			is_told = true;
		}
		if (ready > 0 && fds[0].revents != 0) {
			n = read(c->client->fd, chunk, CHUNK_BYTES);
			if (n > 0)
				put(out, chunk, (size_t)n, c->err);
			n = n < 0 && errno == EINTR ? 1 : n;
		} else if (ready > 0 && (fds[1].revents & POLLHUP) != 0) {
			break; /* ixd is gone; who holds the pipe now ends with its tap, some time */
		}
	}
	free(chunk);
	return c->err->status == 0 ? 0 : -1;
}

/* To a tcpdump of our own, which decodes it on stdout. */
static int pour_decoded(struct capture *c)
{
	static const char *const words[] = { "tcpdump", "-n", "-l", "-r", "-", NULL };
	int ends[2], result;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) != 0)
		return err_set(c->err, STATUS_MACHINE, "pipe: %s", strerror(errno));
	pid = exec_begin(words, ends[0], STDOUT_FILENO, -1, c->err);
	close(ends[0]);
	result = pid > 0 ? pour(c, ends[1]) : -1;
	close(ends[1]);
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return result;
}

/* The one row: frames begin to come. Return: not 0 when they are of no use to us. */
static int on_begin(void *arg, const json_t *row)
{
	struct capture *c = arg;
	const char *file = c->words->file;
	int out, result;

	(void)row;
	if (c->client->fd < 0)
		return err_set(c->err, STATUS_MACHINE, "capture: ixd passed no descriptor");
	say("capturing%s", c->words->seconds + c->words->count == 0 ? "; Ctrl-C ends it" : "");
	if (file == NULL)
		return pour_decoded(c);
	if (strcmp(file, "-") == 0)
		return pour(c, STDOUT_FILENO);
	out = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (out < 0)
		return err_set(c->err, STATUS_USAGE, "%s: %s", file, strerror(errno));
	result = pour(c, out);
	if (close(out) != 0 && result == 0)
		result = err_set(c->err, STATUS_USAGE, "%s: %s", file, strerror(errno));
	return result;
}

/* Words of the filter, with spaces, as one; on the heap. */
static char *join(char *const *words, int count)
{
	struct blob text = { 0 };

	for (int i = 0; i < count; i++) {
		if (i > 0)
			blob_add(&text, " ", 1);
		blob_add(&text, words[i], strlen(words[i]));
	}
	blob_add(&text, "", 1);
	return (char *)text.data;
}

static json_t *make_request(const struct capture_words *w, const char *name, const char *filter)
{
	json_t *o = ask_request("capture", name);

	if (json_object_set_new(o, "filter", json_string(filter)) != 0)
		json_object_set_new(o, "filter", json_string("?")); /* not UTF-8: no filter either */
	if (w->seconds > 0)
		json_object_set_new(o, "seconds", json_integer((json_int_t)w->seconds));
	if (w->count > 0)
		json_object_set_new(o, "count", json_integer((json_int_t)w->count));
	return o;
}

static void tell(const struct capture_words *w, json_t *result)
{
	if (w->is_json) {
		json_object_set_new(result, "file", json_string(w->file));
		ask_put(result);
	} else {
		say("%lld frames%s%s; %lld more were lost on the way", (long long)ask_number(result, "frames"),
		    w->file != NULL && strcmp(w->file, "-") != 0 ? " in " : "",
		    w->file != NULL && strcmp(w->file, "-") != 0 ? w->file : "",
		    (long long)ask_number(result, "dropped"));
	}
}

static int run(int argc, char **argv, struct err *err)
{
	struct capture_words w = { 0 };
	struct words words = { argc, argv, take, &w, 0 };
	struct client client = { .on_row = on_begin };
	struct capture c = { &w, &client, err };
	char *filter;
	int result = verb_options(&verb_capture, &words, err);

	if (result != 0)
		return result > 0 ? STATUS_OK : -1;
	if (words.first == argc)
		return err_set(err, STATUS_USAGE, "capture: expected the name of a guest (`ixctl ps` lists guests)");
	if (w.is_json && (w.file == NULL || strcmp(w.file, "-") == 0))
		return err_set(err, STATUS_USAGE, "capture: --json goes with -w FILE");
	filter = join(argv + words.first + 1, argc - words.first - 1);
	client.request = make_request(&w, argv[words.first], filter);
	client.arg = &c;
	catch_signals();
	result = client_ask(&client, err);
	if (result == 0 && client.result != NULL)
		tell(&w, client.result);
	if (client.fd >= 0)
		close(client.fd);
	json_decref(client.result);
	free(filter);
	return result;
}

const struct verb verb_capture = {
	.name = "capture",
	.words = "NAME [FILTER...]",
	.summary = "a guest's frames, for tcpdump and Wireshark",
	.about = "Captures what guest NAME sends and receives, on its port of the switch; nothing in the guest takes "
		 "part. FILTER "
		 "is one of pcap-filter(7). Without -w tcpdump decodes the frames on stdout. Ends with Ctrl-C, "
		 "--seconds or "
		 "--count. Switching takes longer while it runs.",
	.examples =
		"ixctl capture web -w web.pcap --seconds 10 tcp port 80\nixctl capture web -w - | wireshark -k -i -\n",
	.word = { WORD_GUEST },
	.options = options,
	.run = run,
};
