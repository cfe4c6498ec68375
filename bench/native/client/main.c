/* SPDX-License-Identifier: MIT */
/*
 * The client of bench/run native, and of Linux beside it: connections without a stack over one wire.
 *
 *   client WIRE-ARGUMENTS -- [-c CONNECTIONS] [-s BYTES] [-w WARM-SECONDS] [-t SECONDS] [-P SOCKET] [-p PID|NAME]... [-k]
 *          CLIENT-ADDRESS SERVER-ADDRESS
 *
 * -P: mark the window there. -p: say what CPU time a process used meanwhile; one that begins with the window, as a
 * kernel's thread of the wire does, by the first letters of its name. -k: the wire's checksums. One line of JSON, or a
 * sentence and status 1.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <glob.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bench/load/client.h"
#include "bench/load/marks.h"
#include "bench/native/client/tcp.h"
#include "bench/native/client/wire.h"

#define ECHO_PORT 7
#define PIDS_MAX 8u

static struct tcp_config tcp = { .port = ECHO_PORT, .connections = 64, .message_bytes = 64 };
static double warm_s = 0.5, window_s = 2;
static const char *socket_path;
static const char *watched[PIDS_MAX];
static unsigned pids[PIDS_MAX], pid_count;

uint64_t clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void die(const char *format, ...)
{
	va_list a;

	va_start(a, format);
	(void)fputs("client: ", stderr);
	(void)vfprintf(stderr, format, a);
	(void)fputc('\n', stderr);
	va_end(a);
	_exit(1); /* the port's threads are still at work */
}

static double number(const char *text, double least, double most)
{
	char *end;
	double n = strtod(text, &end);

	if (end == text || *end || !(n >= least && n <= most))
		die("'%s' should be a number from %.0f to %.0f", text, least, most);
	return n;
}

static uint32_t address(const char *text)
{
	struct in_addr a;

	if (inet_pton(AF_INET, text, &a) != 1)
		die("'%s' is not an IPv4 address", text);
	return ntohl(a.s_addr);
}

static void parse(int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "c:s:w:t:P:p:k")) != -1) {
		if (c == 'c')
			tcp.connections = (uint32_t)number(optarg, 1, TCP_CONNECTIONS_MAX);
		else if (c == 's')
			tcp.message_bytes = (uint32_t)number(optarg, 1, TCP_MESSAGE_MAX);
		else if (c == 'w')
			warm_s = number(optarg, 0, 3600);
		else if (c == 't')
			window_s = number(optarg, 0, 3600);
		else if (c == 'P')
			socket_path = optarg;
		else if (c == 'p' && pid_count < PIDS_MAX)
			watched[pid_count++] = optarg;
		else if (c != 'k')
			die("see the first lines of bench/native/client/main.c");
	}
	if (argc - optind != 2)
		die("two addresses are wanted, ours and the server's");
	tcp.client = address(argv[optind]);
	tcp.server = address(argv[optind + 1]);
}

/* The process that @word is, or whose name begins with it. */
static unsigned find_process(const char *word)
{
	glob_t found;

	if (isdigit((unsigned char)word[0]))
		return (unsigned)number(word, 1, 4194304);
	if (glob("/proc/[0-9]*/comm", 0, NULL, &found))
		die("/proc is not there");
	for (size_t i = 0; i < found.gl_pathc; i++) {
		char name[32] = "";
		FILE *f = fopen(found.gl_pathv[i], "r");

		if (!f) /* it has ended */
			continue;
		(void)!fgets(name, sizeof(name), f);
		(void)fclose(f);
		if (!strncmp(name, word, strlen(word))) {
			unsigned pid = (unsigned)strtoul(found.gl_pathv[i] + strlen("/proc/"), NULL, 10);

			globfree(&found);
			return pid;
		}
	}
	die("no process has a name like %s", word);
}

/* Time that @pid had a CPU, in ns [Linux Documentation/scheduler/sched-stats.rst]. */
static unsigned long long cpu_ns(unsigned pid)
{
	unsigned long long ns;
	char path[64];
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%u/schedstat", pid);
	f = fopen(path, "r");
	if (!f || fscanf(f, "%llu", &ns) != 1)
		die("%s cannot be read", path);
	(void)fclose(f);
	return ns;
}

int main(int argc, char **argv)
{
	unsigned long long used[PIDS_MAX];
	struct window window;
	uint64_t answers;
	int words;

	for (int i = 1; i < argc; i++) /* the wire is opened before its words are behind us */
		tcp.has_checksums |= !strcmp(argv[i], "-k");
	words = wire_open(argc, argv, tcp.has_checksums);
	parse(argc - words, argv + words);
	tcp_open(&tcp);
	tcp_start();
	(void)tcp_run(warm_s);
	window_begin(&window, socket_path ? marks_open(socket_path) : -1);
	for (unsigned i = 0; i < pid_count; i++) {
		pids[i] = find_process(watched[i]);
		used[i] = cpu_ns(pids[i]);
	}
	answers = tcp_run(window_s);
	for (unsigned i = 0; i < pid_count; i++)
		used[i] = cpu_ns(pids[i]) - used[i];
	window_end(&window);
	tcp_close();
	(void)printf("{\"connections\":%u,\"message_bytes\":%u,\"requests\":%llu,\"seconds\":%.6f,\"client_cpu_s\":%."
		     "3f,\"cpu_ns\":[",
		     tcp.connections, tcp.message_bytes, (unsigned long long)answers, window.seconds, window.cpu_s);
	for (unsigned i = 0; i < pid_count; i++)
		(void)printf("%s%llu", i ? "," : "", used[i]);
	(void)printf("],\"counted\":%s}\n", window.counted ? window.counted : "null");
	(void)fflush(stdout);
	_exit(answers ? 0 : 1);
}
