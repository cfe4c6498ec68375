/* SPDX-License-Identifier: MIT */
/*
 * The measuring client: opens its connections, warms up, marks the window at the counting plugin's socket, and writes one line
 * of JSON.
 *   loadgen -h ADDRESS [-p PORT] [-c CONNECTIONS] [-d DEPTH] [-s BYTES] [-w WARM-SECONDS] [-t SECONDS] [-n REQUESTS]
 *           [-a ACTIVE] [-S FIRST/COUNT] [-i IDLE-SECONDS] [-o] [-x] [-r RATE [-e SEED]] [-P SOCKET]
 * The window ends after REQUESTS or SECONDS, whichever is first. -a: only so many connections have requests under way, all take
 * turns. -S: from COUNT addresses of this host. -i: idle first, a window of its own. -o: the window is one request on each
 * connection, in SECONDS at most. -x: a new connection for each request, which counts when it is closed on both sides.
 * -r: an open loop, RATE requests a second are due whether the other side keeps up or not (-e: at random, a Poisson process), of
 * which DEPTH at most are under way on a connection and the others wait; latencies are from when they were due. What is not answered
 * DRAIN_S after the window counts with its latency so far.
 * "counted", "open_counted" and "idle_counted" are what the plugin says, as it says it.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bench/load/client.h"
#include "bench/load/marks.h"

#define CONNECTIONS_MAX 4000000ul
#define SOURCES_MAX 65536ul
#define ONCE_ACTIVE 64u
#define OPENING 64u /* connections that wait for an answer to their SYN */
#define FILES_SPARE 64u
#define DEPTH_MAX 4096ul
#define RATE_MAX 100e6
#define DRAIN_S 1.0

struct options {
	struct client_config client;
	double warm_s, window_s, idle_s;
	uint64_t requests;
	bool is_once;
	double rate; /* requests a second, 0: closed loop */
	uint64_t seed;
	const char *socket;
};

static void usage(void)
{
	fputs("Usage: loadgen -h ADDRESS [-p PORT] [-c CONNECTIONS] [-d DEPTH] [-s BYTES] [-w WARM-SECONDS] [-t "
	      "SECONDS] [-n REQUESTS] [-a ACTIVE] [-S FIRST/COUNT] [-i IDLE-SECONDS] [-o] [-x] [-r RATE [-e SEED]] [-P "
	      "SOCKET]\n",
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

static double rate(const char *text)
{
	char *end;
	double n = strtod(text, &end);

	if (end == text || *end || !(n >= 0.01 && n <= RATE_MAX))
		die("'%s' should be a rate from 0.01 to %.0f requests a second", text, RATE_MAX);
	return n;
}

static unsigned long smaller(unsigned long a, unsigned long b)
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

static bool parse_times(struct options *o, int c)
{
	if (c == 'w')
		o->warm_s = seconds(optarg);
	else if (c == 't')
		o->window_s = seconds(optarg);
	else if (c == 'i')
		o->idle_s = seconds(optarg);
	else if (c == 'r')
		o->rate = rate(optarg);
	else if (c == 'e')
		o->seed = number(optarg, UINT32_MAX);
	else if (c == 'n')
		o->requests = number(optarg, UINT32_MAX);
	else
		return false;
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

	while ((c = getopt(argc, argv, "h:p:c:d:s:w:t:n:a:S:i:oxr:e:P:")) != -1) {
		if (parse_client(&o.client, c) || parse_times(&o, c))
			continue;
		if (c == 'o')
			o.is_once = true;
		else if (c == 'P')
			o.socket = optarg;
		else
			usage();
	}
	if (!o.client.to.sin_addr.s_addr || optind != argc)
		usage();
	if (o.is_once)
		o.client.active = (unsigned)smaller(o.client.active ? o.client.active : ONCE_ACTIVE,
						    o.client.connections);
	else if (o.client.active > o.client.connections / 2)
		o.client.active = 0; /* too few to take turns */
	if (o.client.is_churn && (o.client.active || o.client.depth > 1 || o.is_once))
		die("-x takes neither -a nor -d nor -o");
	if (o.rate > 0 ? o.is_once || o.client.is_churn || o.client.active : o.seed != 0)
		die("-r takes neither -a nor -o nor -x, and -e goes with -r");
	return o;
}

/* ---- workers: threads, each with files and connections of its own ---- */

struct worker {
	pthread_t thread;
	struct client_config client;
	unsigned number;
	uint64_t done;
	struct histogram latency;
	struct open_loop paced;
	double paced_s; /* its window */
};

static struct options options;
static unsigned workers_count;
static pthread_barrier_t barrier;

/* All workers and main() have come to here. */
static void meet(void)
{
	pthread_barrier_wait(&barrier);
}

/* The open loop, from warming up to the end of the window. The workers' schedules are one of the whole rate, spread evenly. */
static void work_paced(struct worker *w)
{
	uint64_t now = clock_ns(), from;
	double each = options.rate / workers_count;
	struct schedule s;

	schedule_begin(&s, each, options.seed ? options.seed + ((uint64_t)w->number << 32) : 0,
		       now + (uint64_t)(1e9 / options.rate * w->number));
	if (!open_begin(&w->paced, &s, w->client.connections, w->client.depth))
		die("out of memory");
	client_pace(&w->paced);
	client_run_paced(now + (uint64_t)(options.warm_s * 1e9));
	meet();
	meet();
	from = clock_ns();
	open_window(&w->paced, from, from + (uint64_t)(options.window_s * 1e9), options.requests, &w->latency);
	client_run_paced(from + (uint64_t)((options.window_s + DRAIN_S) * 1e9));
	w->paced_s = (double)(w->paced.until_ns - from) / 1e9;
	client_end_paced();
	w->done = w->paced.counts.answered;
}

static void work_closed(struct worker *w)
{
	if (!options.is_once) {
		client_start();
		client_run(UINT64_MAX, options.warm_s, NULL);
	}
	meet();
	meet();
	if (options.is_once)
		w->done = client_once(options.window_s, &w->latency);
	else
		w->done = client_run(options.requests, options.window_s, &w->latency);
}

static void *work(void *arg)
{
	struct worker *w = arg;

	if (unshare(CLONE_FILES))
		die("a table of files for a thread: %s", strerror(errno));
	client_open(&w->client);
	meet();
	if (options.idle_s > 0) {
		meet();
		client_idle(options.idle_s);
		meet();
	}
	if (options.rate > 0)
		work_paced(w);
	else
		work_closed(w);
	meet();
	client_close();
	return NULL;
}

/* A process may have so many open files, and a thread with a table of its own as many again. */
static unsigned files_a_thread(void)
{
	struct rlimit files;

	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &files) || files.rlim_cur < 2 * FILES_SPARE)
		die("no more than %llu open files are allowed", (unsigned long long)files.rlim_cur);
	return (unsigned)smaller(files.rlim_cur - FILES_SPARE, CONNECTIONS_MAX);
}

/* Return: how many; each has an equal share of everything. */
static unsigned hire(struct worker **out)
{
	unsigned each = files_a_thread(), all = options.client.connections, count = (all + each - 1) / each;
	struct worker *workers = calloc(count, sizeof(*workers));

	if (!workers || pthread_barrier_init(&barrier, NULL, count + 1))
		die("out of memory");
	workers_count = count;
	if (options.requests != UINT64_MAX)
		options.requests = (options.requests + count - 1) / count;
	for (unsigned i = 0, first = 0; i < count; i++) {
		struct client_config *c = &workers[i].client;

		*c = options.client;
		workers[i].number = i;
		c->first = first;
		c->connections = (all - first) / (count - i);
		c->opening = (OPENING + count - 1) / count;
		if (c->active)
			c->active = (c->active + count - 1) / count;
		first += c->connections;
		if (pthread_create(&workers[i].thread, NULL, work, &workers[i]))
			die("no thread");
	}
	*out = workers;
	return count;
}

static const char *or_null(const char *counted)
{
	return counted ? counted : "null";
}

static void print(const struct worker *total, const struct window *main, const struct window *idle,
		  const struct window *open)
{
	const struct client_config *c = &options.client;

	printf("{\"connections\":%u,\"depth\":%u,\"message_bytes\":%u,\"active\":%u,\"requests\":%llu,\"seconds\":%."
	       "6f,",
	       c->connections, c->depth, c->message_bytes, c->active, (unsigned long long)total->done, main->seconds);
	if (options.rate > 0)
		open_print(&total->paced.counts, total->paced_s);
	histogram_print(&total->latency);
	printf("\"client_cpu_s\":%.3f,\"open_s\":%.3f,\"idle_s\":%.3f,\"open_counted\":%s,\"idle_counted\":%s,"
	       "\"counted\":%s}\n",
	       main->cpu_s, open->seconds, idle->seconds, or_null(open->counted), or_null(idle->counted),
	       or_null(main->counted));
}

int main(int argc, char **argv)
{
	static struct worker total;
	struct window open, idle = { 0 }, main = { 0 };
	struct worker *workers;
	unsigned count;
	int marks;

	options = parse(argc, argv);
	marks = options.socket ? marks_open(options.socket) : -1;
	window_begin(&open, marks);
	count = hire(&workers);
	meet();
	window_end(&open);
	if (options.idle_s > 0) {
		window_begin(&idle, marks);
		meet();
		meet();
		window_end(&idle);
	}
	meet();
	window_begin(&main, marks);
	meet();
	meet();
	window_end(&main);
	for (unsigned i = 0; i < count; i++) {
		pthread_join(workers[i].thread, NULL);
		total.done += workers[i].done;
		open_add(&total.paced.counts, &workers[i].paced.counts);
		if (workers[i].paced_s > total.paced_s)
			total.paced_s = workers[i].paced_s;
		histogram_merge(&total.latency, &workers[i].latency);
	}
	if (!total.done)
		die("not one reply in %.1f s", options.window_s);
	print(&total, &main, &idle, &open);
	free(open.counted);
	free(idle.counted);
	free(main.counted);
	free(workers);
	return 0;
}
