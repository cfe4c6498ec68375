/* SPDX-License-Identifier: MIT */
/*
 * The measuring client: opens its connections, warms up, marks the window at the counting plugin's socket, and writes one line
 * of JSON.
 *   loadgen -h ADDRESS [-p PORT] [-c CONNECTIONS] [-d DEPTH] [-s BYTES] [-w WARM-SECONDS] [-t SECONDS] [-n REQUESTS]
 *           [-a ACTIVE] [-S FIRST/COUNT] [-i IDLE-SECONDS] [-o] [-x] [-P SOCKET]
 * The window ends after REQUESTS or SECONDS, whichever is first. -a: only so many connections have requests under way, all take
 * turns. -S: from COUNT addresses of this host. -i: idle first, a window of its own. -o: the window is one request on each
 * connection, in SECONDS at most. -x: a new connection for each request, which counts when it is closed on both sides.
 * "counted" and "idle_counted" are what the plugin says, as it says it.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "bench/load/client.h"

#define CONNECTIONS_MAX 1040000ul /* below fs.nr_open as it usually is */
#define SOURCES_MAX 65536ul
#define ONCE_ACTIVE 64u
#define DEPTH_MAX 4096ul

struct options {
	struct client_config client;
	double warm_s, window_s, idle_s;
	uint64_t requests;
	bool is_once;
	const char *socket;
};

static void usage(void)
{
	fputs("Usage: loadgen -h ADDRESS [-p PORT] [-c CONNECTIONS] [-d DEPTH] [-s BYTES] [-w WARM-SECONDS] [-t "
	      "SECONDS] [-n REQUESTS] [-a ACTIVE] [-S FIRST/COUNT] [-i IDLE-SECONDS] [-o] [-x] [-P SOCKET]\n",
	      stderr);
	exit(64);
}

static unsigned long number(const char *text, unsigned long max)
{
	char *end;
	unsigned long n;

	errno = 0;
	n = strtoul(text, &end, 10);
	if (errno || end == text || *end || *text == '-' || !n || n > max)
		die("'%s' should be a number from 1 to %lu", text, max);
	return n;
}

static double seconds(const char *text)
{
	char *end;
	double n = strtod(text, &end);

	if (end == text || *end || !(n >= 0 && n <= 86400))
		die("'%s' should be a number of seconds up to 86400", text);
	return n;
}

static unsigned smaller(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

static void parse_sources(struct client_config *client, char *text)
{
	char *slash = strchr(text, '/');
	struct in_addr first;

	if (slash)
		*slash = 0;
	if (!slash || inet_pton(AF_INET, text, &first) != 1)
		die("'%s' is not ADDRESS/COUNT", text);
	client->first_source = ntohl(first.s_addr);
	client->sources = (uint32_t)number(slash + 1, SOURCES_MAX);
}

static bool parse_client(struct client_config *client, int c)
{
	if (c == 'h' && inet_pton(AF_INET, optarg, &client->to.sin_addr) != 1)
		die("'%s' is not an IPv4 address", optarg);
	else if (c == 'p')
		client->to.sin_port = htons((uint16_t)number(optarg, 65535));
	else if (c == 'c')
		client->connections = (unsigned)number(optarg, CONNECTIONS_MAX);
	else if (c == 'd')
		client->depth = (unsigned)number(optarg, DEPTH_MAX);
	else if (c == 's')
		client->message_bytes = (uint32_t)number(optarg, CLIENT_MESSAGE_MAX);
	else if (c == 'a')
		client->active = (unsigned)number(optarg, CONNECTIONS_MAX);
	else if (c == 'S')
		parse_sources(client, optarg);
	else if (c == 'x')
		client->is_churn = true;
	else
		return c == 'h';
	return true;
}

static struct options parse(int argc, char **argv)
{
	struct options o = { .client = { .to = { .sin_family = AF_INET, .sin_port = htons(7) },
					 .connections = 1,
					 .depth = 1,
					 .message_bytes = 64 },
			     .warm_s = 1,
			     .window_s = 3,
			     .requests = UINT64_MAX };
	int c;

	while ((c = getopt(argc, argv, "h:p:c:d:s:w:t:n:a:S:i:oxP:")) != -1) {
		if (parse_client(&o.client, c))
			continue;
		if (c == 'w')
			o.warm_s = seconds(optarg);
		else if (c == 't')
			o.window_s = seconds(optarg);
		else if (c == 'i')
			o.idle_s = seconds(optarg);
		else if (c == 'o')
			o.is_once = true;
		else if (c == 'n')
			o.requests = number(optarg, UINT32_MAX);
		else if (c == 'P')
			o.socket = optarg;
		else
			usage();
	}
	if (!o.client.to.sin_addr.s_addr || optind != argc)
		usage();
	if (o.is_once)
		o.client.active = smaller(o.client.active ? o.client.active : ONCE_ACTIVE, o.client.connections);
	else if (o.client.active > o.client.connections / 2)
		o.client.active = 0; /* too few to take turns */
	if (o.client.is_churn && (o.client.active || o.client.depth > 1 || o.is_once))
		die("-x takes neither -a nor -d nor -o");
	return o;
}

/* ---- marks ---- */

static int marks_open(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof(a.sun_path))
		die("%s: the path is too long for a socket", path);
	strcpy(a.sun_path, path);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&a, sizeof(a)))
		die("%s: %s", path, strerror(errno));
	return fd;
}

/* Sends a line, returns the answer's line without its end. To be freed. */
static char *marks_ask(int fd, const char *line)
{
	size_t room = 65536, len = 0;
	char *answer = malloc(room);

	if (!answer || write(fd, line, strlen(line)) != (ssize_t)strlen(line))
		die("counting plugin: %s", strerror(errno));
	for (;;) {
		ssize_t n = read(fd, answer + len, room - len - 1);

		if (n <= 0)
			die("counting plugin: no answer");
		len += (size_t)n;
		if (answer[len - 1] == '\n')
			break;
		if (room - len < 4096) {
			room *= 2;
			answer = realloc(answer, room);
			if (!answer)
				die("out of memory");
		}
	}
	answer[len - 1] = 0;
	return answer;
}

static double cpu_seconds(void)
{
	struct rusage r;

	getrusage(RUSAGE_SELF, &r);
	return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) +
	       (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

/* One window: what the plugin counts while it lasts, NULL without. To be freed. */
struct window {
	int marks;
	uint64_t from_ns;
	double from_cpu_s, seconds, cpu_s;
	char *counted;
};

static void window_begin(struct window *w, int marks)
{
	*w = (struct window){ .marks = marks };
	if (marks >= 0)
		free(marks_ask(marks, "begin\n"));
	w->from_cpu_s = cpu_seconds();
	w->from_ns = clock_ns();
}

static void window_end(struct window *w)
{
	w->seconds = (double)(clock_ns() - w->from_ns) / 1e9;
	if (w->marks >= 0)
		w->counted = marks_ask(w->marks, "end\n");
	w->cpu_s = cpu_seconds() - w->from_cpu_s;
}

static const char *or_null(const char *counted)
{
	return counted ? counted : "null";
}

int main(int argc, char **argv)
{
	static struct histogram latency;
	struct options o = parse(argc, argv);
	rlim_t files = o.client.connections + 64;
	int marks = o.socket ? marks_open(o.socket) : -1;
	struct window open, idle = { 0 }, main = { 0 };
	uint64_t done;

	if (setrlimit(RLIMIT_NOFILE, &(struct rlimit){ files, files }))
		die("%llu open files: %s", (unsigned long long)files, strerror(errno));
	window_begin(&open, -1);
	client_open(&o.client);
	window_end(&open);
	if (o.idle_s > 0) {
		window_begin(&idle, marks);
		client_idle(o.idle_s);
		window_end(&idle);
	}
	if (o.is_once) {
		done = (uint64_t)o.client.connections * o.client.depth;
		window_begin(&main, marks);
		client_once(o.window_s, &latency);
	} else {
		client_start();
		client_run(UINT64_MAX, o.warm_s, NULL);
		window_begin(&main, marks);
		done = client_run(o.requests, o.window_s, &latency);
	}
	window_end(&main);
	client_close();
	if (!done)
		die("not one reply in %.1f s", o.window_s);
	printf("{\"connections\":%u,\"depth\":%u,\"message_bytes\":%u,\"active\":%u,\"requests\":%llu,\"seconds\":%.6f,"
	       "\"p50_us\":%.1f,\"p99_us\":%.1f,\"p999_us\":%.1f,\"client_cpu_s\":%.3f,\"open_s\":%.3f,\"idle_s\":%.3f,"
	       "\"idle_counted\":%s,\"counted\":%s}\n",
	       o.client.connections, o.client.depth, o.client.message_bytes, o.client.active, (unsigned long long)done,
	       main.seconds, histogram_quantile_us(&latency, 0.5), histogram_quantile_us(&latency, 0.99),
	       histogram_quantile_us(&latency, 0.999), main.cpu_s, open.seconds, idle.seconds, or_null(idle.counted),
	       or_null(main.counted));
	free(idle.counted);
	free(main.counted);
	return 0;
}
