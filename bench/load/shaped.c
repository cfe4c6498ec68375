/* SPDX-License-Identifier: MIT */
/*
 * A load that goes up and down (bench/policy/shape.c) while the service gets more cores and fewer: an open loop of requests of 64
 * bytes, each of which says how long the core that answers is to be at work (bench/toil).
 *   shaped ADDRESS PORT CONNECTIONS SHAPE SECONDS PEAK WORK_NS BOUND_US SEED
 * PEAK: requests a second where the shape is at its highest; WORK_NS: mean of what they say, exponential; BOUND_US: what is later
 * than that is counted. When requests are due and what they say depends on SEED alone. Latency is from when a request was due; one that
 * finds no free connection waits, and its waiting counts (open.h). Prints "begins NS" (CLOCK_MONOTONIC) when all connections
 * are open and the load begins, and one line of JSON: what each second of it saw, by when its requests were due, and all
 * of it. Every reply is compared; whatever goes wrong on a connection ends it with a sentence and status 1.
 */
#define _GNU_SOURCE
#include "bench/load/open.h"
#include "bench/load/stream.h"
#include "bench/policy/shape.h"

#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define MESSAGE_BYTES 64u
#define CONNECTIONS_MAX 16384u
#define SECONDS_MAX 600u
#define EVENTS 256
#define CONNECT_S 20
#define DRAIN_S 10
#define RATE_LEAST 1.0
#define WORK_LEAST_NS 1000u
#define WORK_MOST_TIMES 12.0 /* the mean: one of 160,000 is longer, and cut */

struct connection {
	int fd;
	unsigned number;
	uint64_t due_ns, turn;
	bool is_under_way;
	size_t have;
	uint8_t sent[MESSAGE_BYTES], reply[MESSAGE_BYTES];
};

struct second {
	uint64_t due, beyond;
	double work_ns; /* that its requests asked for */
	struct histogram latency;
};

static struct {
	struct sockaddr_in to;
	unsigned connections, seconds;
	enum shape shape;
	double peak, work_ns;
	uint64_t bound_ns, seed, start_ns, random;
	int epoll_fd, timer_fd;
	struct connection *of;
	struct open_loop loop;
	struct histogram latency;
	struct second second[SECONDS_MAX];
} all;

static _Noreturn void die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)fputs("shaped: ", stderr);
	(void)vfprintf(stderr, format, args);
	(void)fputc('\n', stderr);
	va_end(args);
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static double rate_at(double after_ns, const void *of)
{
	double at = after_ns / 1e9 / all.seconds,
	       rate = at < 1 ? all.peak * shape_at(all.shape, at, all.seconds, all.seed) : 0;

	(void)of;
	return rate > RATE_LEAST ? rate : RATE_LEAST;
}

static struct second *second_of(uint64_t due_ns)
{
	uint64_t s = (due_ns - all.start_ns) / 1000000000u;

	return &all.second[s < all.seconds ? s : all.seconds - 1];
}

static void note(uint64_t due_ns, uint64_t now)
{
	struct second *s = second_of(due_ns);

	histogram_add(&s->latency, now - due_ns);
	s->beyond += now - due_ns > all.bound_ns;
}

/* What the next request says; they are sent in the order in which they are due, so it is the same in every run. */
static uint32_t draw_work(void)
{
	double work = -log(chance_unit(&all.random)) * all.work_ns, most = all.work_ns * WORK_MOST_TIMES;

	return (uint32_t)(work < WORK_LEAST_NS ? WORK_LEAST_NS : work > most ? most : work);
}

static void send_request(struct connection *c)
{
	uint32_t work = draw_work();
	struct second *s = second_of(c->due_ns);

	s->due++;
	s->work_ns += work;
	memcpy(c->sent, stream_at(c->number, c->turn * MESSAGE_BYTES), MESSAGE_BYTES);
	memcpy(c->sent, &work, sizeof(work));
	c->is_under_way = true;
	if (send(c->fd, c->sent, MESSAGE_BYTES, MSG_NOSIGNAL) != (ssize_t)MESSAGE_BYTES)
		die("connection %u: %s", c->number, strerror(errno));
}

static void send_due(uint64_t now)
{
	unsigned slot;
	uint64_t due;

	while (open_next(&all.loop, now, &slot, &due)) {
		all.of[slot].due_ns = due;
		send_request(&all.of[slot]);
	}
}

static void receive(struct connection *c)
{
	ssize_t n = recv(c->fd, c->reply + c->have, sizeof(c->reply) - c->have, 0);
	uint64_t now = now_ns();

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0)
		die("connection %u: %s", c->number, n ? strerror(errno) : "closed by the guest");
	if (!c->is_under_way)
		die("connection %u: more bytes than were asked for", c->number);
	c->have += (size_t)n;
	if (c->have < MESSAGE_BYTES)
		return;
	if (memcmp(c->reply, c->sent, MESSAGE_BYTES - 1) != 0)
		die("connection %u: other bytes than were sent", c->number);
	c->have = 0;
	c->turn++;
	c->is_under_way = false;
	open_reply(&all.loop, c->number, c->due_ns, now);
	note(c->due_ns, now);
}

static void open_connection(struct connection *c)
{
	struct timeval patience = { .tv_sec = CONNECT_S };
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = c };
	int on = 1;

	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		die("socket: %s", strerror(errno));
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (connect(c->fd, (struct sockaddr *)&all.to, sizeof(all.to)))
		die("connection %u: %s", c->number, strerror(errno));
	if (epoll_ctl(all.epoll_fd, EPOLL_CTL_ADD, c->fd, &e))
		die("epoll_ctl: %s", strerror(errno));
}

static void open_all(void)
{
	struct epoll_event e = { .events = EPOLLIN };
	struct rlimit files = { all.connections + 64, all.connections + 64 };

	if (setrlimit(RLIMIT_NOFILE, &files))
		die("%u open files: %s", all.connections, strerror(errno));
	all.of = calloc(all.connections, sizeof(*all.of));
	all.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	all.timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (!all.of || all.epoll_fd < 0 || all.timer_fd < 0 || epoll_ctl(all.epoll_fd, EPOLL_CTL_ADD, all.timer_fd, &e))
		die("epoll: %s", strerror(errno));
	for (unsigned i = 0; i < all.connections; i++) {
		all.of[i].number = i;
		open_connection(&all.of[i]);
	}
}

/* Wakes at the time at which the next request can go out, to the nanosecond: the timer is not rounded as a timeout in ms is. */
static void wait_until(uint64_t then)
{
	struct itimerspec at = { .it_value = { .tv_sec = (time_t)(then / 1000000000u),
					       .tv_nsec = (long)(then % 1000000000u) } };
	static struct epoll_event events[EVENTS];
	int n;

	if (timerfd_settime(all.timer_fd, TFD_TIMER_ABSTIME, &at, NULL))
		die("timerfd_settime: %s", strerror(errno));
	n = epoll_wait(all.epoll_fd, events, EVENTS, 1000);
	for (int i = 0; i < n; i++)
		if (events[i].data.ptr)
			receive(events[i].data.ptr);
}

/* What has not come by now counts with what it has waited. */
static void give_up(uint64_t now)
{
	for (unsigned i = 0; i < all.connections; i++)
		if (all.of[i].is_under_way) {
			open_give_up(&all.loop, i, all.of[i].due_ns, now);
			note(all.of[i].due_ns, now);
		}
	open_end(&all.loop, now);
}

static void run(void)
{
	uint64_t end, now = now_ns();
	struct schedule s;

	all.start_ns = now;
	all.random = all.seed + 1;
	end = now + all.seconds * UINT64_C(1000000000);
	schedule_begin_varying(&s, rate_at, NULL, all.seed, now);
	if (!open_begin(&all.loop, &s, all.connections, 1))
		die("no memory");
	open_window(&all.loop, now, end, UINT64_MAX, &all.latency);
	printf("begins %llu\n", (unsigned long long)now);
	(void)fflush(stdout);
	while (!open_is_over(&all.loop, now) && now < end + DRAIN_S * UINT64_C(1000000000)) {
		uint64_t wake;

		send_due(now);
		wake = open_wake(&all.loop, now);
		wait_until(wake < now + 1000000000u ? wake : now + 1000000000u);
		now = now_ns();
	}
	give_up(now);
}

static void print(void)
{
	uint64_t beyond = 0;

	printf("{\"seconds\":[");
	for (unsigned i = 0; i < all.seconds; i++) {
		const struct second *s = &all.second[i];

		beyond += s->beyond;
		printf("%s[%llu,%.1f,%.6f]", i ? "," : "", (unsigned long long)s->due,
		       histogram_quantile_us(&s->latency, 0.99), s->work_ns / 1e9);
	}
	printf("],\"beyond\":%llu,", (unsigned long long)beyond + all.loop.counts.unsent);
	open_print(&all.loop.counts, all.seconds);
	histogram_print(&all.latency);
	printf("\"bound_us\":%.1f}\n", (double)all.bound_ns / 1e3);
}

static bool take_shape(const char *name)
{
	for (unsigned i = 0; i < SHAPE_NR; i++)
		if (strcmp(name, shape_name((enum shape)i)) == 0) {
			all.shape = (enum shape)i;
			return true;
		}
	return false;
}

static bool take_arguments(int argc, char **argv)
{
	double bound_us;

	if (argc != 10 || inet_pton(AF_INET, argv[1], &all.to.sin_addr) != 1 || !take_shape(argv[4]))
		return false;
	all.to.sin_family = AF_INET;
	all.to.sin_port = htons((uint16_t)strtoul(argv[2], NULL, 10));
	all.connections = (unsigned)strtoul(argv[3], NULL, 10);
	all.seconds = (unsigned)strtoul(argv[5], NULL, 10);
	all.peak = strtod(argv[6], NULL);
	all.work_ns = strtod(argv[7], NULL);
	bound_us = strtod(argv[8], NULL);
	all.seed = strtoull(argv[9], NULL, 10);
	if (!(bound_us >= 1 && bound_us <= 1e9))
		return false;
	all.bound_ns = (uint64_t)(bound_us * 1e3);
	return all.connections >= 1 && all.connections <= CONNECTIONS_MAX && all.seconds >= 1 &&
	       all.seconds <= SECONDS_MAX && all.peak >= RATE_LEAST && all.peak <= 1e6 &&
	       all.work_ns >= WORK_LEAST_NS && all.work_ns <= 1e8;
}

int main(int argc, char **argv)
{
	if (!take_arguments(argc, argv)) {
		(void)fprintf(
			stderr,
			"Usage: shaped ADDRESS PORT CONNECTIONS SHAPE SECONDS PEAK WORK_NS BOUND_US SEED (at most %u "
			"connections, %u seconds, 10^6 requests a second, 10^8 ns)\n",
			CONNECTIONS_MAX, SECONDS_MAX);
		return 64;
	}
	open_all();
	run();
	print();
	return 0;
}
