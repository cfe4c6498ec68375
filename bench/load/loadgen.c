/* SPDX-License-Identifier: MIT */
/*
 * The measuring client: warms up, marks the window at the counting plugin's socket, and writes one line of JSON.
 *   loadgen -h ADDRESS [-p PORT] [-c CONNECTIONS] [-d DEPTH] [-s BYTES] [-w WARM-SECONDS] [-t SECONDS] [-n REQUESTS] [-P SOCKET]
 * The window ends after REQUESTS or SECONDS, whichever is first. "counted" is what the plugin says of it, as it says it.
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

#define CONNECTIONS_MAX 60000ul
#define DEPTH_MAX 4096ul

struct options {
	struct client_config client;
	double warm_s, window_s;
	uint64_t requests;
	const char *socket;
};

static void usage(void)
{
	fputs("Usage: loadgen -h ADDRESS [-p PORT] [-c CONNECTIONS] [-d DEPTH] [-s BYTES] [-w WARM-SECONDS] [-t "
	      "SECONDS] "
	      "[-n REQUESTS] [-P SOCKET]\n",
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

	while ((c = getopt(argc, argv, "h:p:c:d:s:w:t:n:P:")) != -1) {
		if (c == 'h' && inet_pton(AF_INET, optarg, &o.client.to.sin_addr) != 1)
			die("'%s' is not an IPv4 address", optarg);
		else if (c == 'p')
			o.client.to.sin_port = htons((uint16_t)number(optarg, 65535));
		else if (c == 'c')
			o.client.connections = (unsigned)number(optarg, CONNECTIONS_MAX);
		else if (c == 'd')
			o.client.depth = (unsigned)number(optarg, DEPTH_MAX);
		else if (c == 's')
			o.client.message_bytes = (uint32_t)number(optarg, CLIENT_MESSAGE_MAX);
		else if (c == 'w')
			o.warm_s = seconds(optarg);
		else if (c == 't')
			o.window_s = seconds(optarg);
		else if (c == 'n')
			o.requests = number(optarg, UINT32_MAX);
		else if (c == 'P')
			o.socket = optarg;
		else if (c != 'h')
			usage();
	}
	if (!o.client.to.sin_addr.s_addr || optind != argc)
		usage();
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

int main(int argc, char **argv)
{
	static struct histogram latency;
	struct options o = parse(argc, argv);
	struct rlimit files = { CONNECTIONS_MAX + 64, CONNECTIONS_MAX + 64 };
	int marks = o.socket ? marks_open(o.socket) : -1;
	char *counted = NULL;
	uint64_t done, ns;
	double cpu;

	setrlimit(RLIMIT_NOFILE, &files);
	client_open(&o.client);
	client_run(UINT64_MAX, o.warm_s, NULL);
	if (marks >= 0)
		free(marks_ask(marks, "begin\n"));
	cpu = cpu_seconds();
	ns = clock_ns();
	done = client_run(o.requests, o.window_s, &latency);
	ns = clock_ns() - ns;
	if (marks >= 0)
		counted = marks_ask(marks, "end\n");
	cpu = cpu_seconds() - cpu;
	client_close();
	if (!done)
		die("not one reply in %.1f s", o.window_s);
	printf("{\"connections\":%u,\"depth\":%u,\"message_bytes\":%u,\"requests\":%llu,\"seconds\":%.6f,"
	       "\"p50_us\":%.1f,\"p99_us\":%.1f,\"p999_us\":%.1f,\"client_cpu_s\":%.3f,\"counted\":%s}\n",
	       o.client.connections, o.client.depth, o.client.message_bytes, (unsigned long long)done, (double)ns / 1e9,
	       histogram_quantile_us(&latency, 0.5), histogram_quantile_us(&latency, 0.99),
	       histogram_quantile_us(&latency, 0.999), cpu, counted ? counted : "null");
	free(counted);
	return 0;
}
