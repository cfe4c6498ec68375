/* SPDX-License-Identifier: MIT */
/*
 * The measuring client for datagrams: each socket keeps one request under way and compares the reply with it.
 *   udpgen -h ADDRESS [-p PORT] [-c SOCKETS] [-s BYTES] [-w WARM-SECONDS] [-t SECONDS] [-r RATE [-e SEED]] [-P SOCKET]
 * -r, -e: the open loop of loadgen, one request under way on a socket. A request without a reply for LOST_S is given up, counted, and followed by another; its reply may still come and is
 * passed over; in the open loop it is "unanswered". Any other wrong byte ends the program. One line of JSON, as loadgen's.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/load/client.h"
#include "bench/load/marks.h"

#define SOCKETS_MAX 1024u
#define BYTES_MIN 8u
#define BYTES_MAX 65507u
#define EVENTS 64
#define LOST_S 1u
#define LOOK_NS 10000000
#define RATE_MAX 100e6

struct requester {
	int fd;
	uint64_t number;          /* of the request under way, its first eight bytes */
	uint64_t sent_ns, due_ns; /* of the open loop: when it should have been sent */
	bool is_waiting;          /* for a reply */
	uint8_t *request;
};

static struct {
	struct sockaddr_in to;
	unsigned sockets, bytes;
	double warm_s, window_s, rate;
	uint64_t seed;
	const char *marks;
} options = { .to = { .sin_family = AF_INET }, .sockets = 1, .bytes = 64, .warm_s = 1, .window_s = 3 };

static struct requester all[SOCKETS_MAX];
static uint8_t reply[BYTES_MAX + 1];
static uint64_t lost, late;
static int epoll_fd;
static struct open_loop paced;

static double number(const char *text, double min, double max)
{
	char *end;
	double n = strtod(text, &end);

	if (end == text || *end || !(n >= min && n <= max))
		die("'%s' should be a number from %g to %g", text, min, max);
	return n;
}

static void parse(int argc, char **argv)
{
	int c;

	options.to.sin_port = htons(7);
	while ((c = getopt(argc, argv, "h:p:c:s:w:t:r:e:P:")) != -1) {
		if (c == 'h' && inet_pton(AF_INET, optarg, &options.to.sin_addr) != 1)
			die("'%s' is not an IPv4 address", optarg);
		else if (c == 'p')
			options.to.sin_port = htons((uint16_t)number(optarg, 1, 65535));
		else if (c == 'c')
			options.sockets = (unsigned)number(optarg, 1, SOCKETS_MAX);
		else if (c == 's')
			options.bytes = (unsigned)number(optarg, BYTES_MIN, BYTES_MAX);
		else if (c == 'w')
			options.warm_s = number(optarg, 0, 86400);
		else if (c == 't')
			options.window_s = number(optarg, 0.1, 86400);
		else if (c == 'r')
			options.rate = number(optarg, 0.01, RATE_MAX);
		else if (c == 'e')
			options.seed = (uint64_t)number(optarg, 1, UINT32_MAX);
		else if (c == 'P')
			options.marks = optarg;
		else if (c != 'h')
			break;
	}
	if (c != -1 || optind != argc || !options.to.sin_addr.s_addr || (options.seed && !(options.rate > 0))) {
		fputs("Usage: udpgen -h ADDRESS [-p PORT] [-c SOCKETS] [-s BYTES] [-w WARM-SECONDS] [-t SECONDS] "
		      "[-r RATE [-e SEED]] [-P SOCKET]\n",
		      stderr);
		exit(64);
	}
}

static void send_next(struct requester *r)
{
	r->number++;
	memcpy(r->request, &r->number, sizeof(r->number));
	for (unsigned i = sizeof(r->number); i < options.bytes;
	     i += 64) /* so that no two requests are alike further on */
		r->request[i] = (uint8_t)(r->number + i);
	r->sent_ns = clock_ns();
	r->is_waiting = true;
	while (send(r->fd, r->request, options.bytes, 0) != (ssize_t)options.bytes)
		if (errno != EINTR && errno != EAGAIN && errno != ENOBUFS)
			die("socket %u: send: %s", (unsigned)(r - all), strerror(errno));
}

static void open_all(void)
{
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	for (unsigned i = 0; i < options.sockets; i++) {
		struct requester *r = &all[i];
		struct epoll_event e = { .events = EPOLLIN, .data.ptr = r };

		r->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		r->request = malloc(options.bytes);
		if (r->fd < 0 || !r->request ||
		    connect(r->fd, (const struct sockaddr *)&options.to, sizeof(options.to)) ||
		    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, r->fd, &e))
			die("socket: %s", strerror(errno));
		for (unsigned at = 0; at < options.bytes; at++)
			r->request[at] = (uint8_t)(at * 31 + i * 7 + (at >> 8));
		r->number = (uint64_t)i << 40;
		if (!(options.rate > 0))
			send_next(r);
	}
}

/* Of the open loop: all that can go out by now. */
static void send_due(void)
{
	unsigned slot;
	uint64_t due;

	while (open_next(&paced, clock_ns(), &slot, &due)) {
		all[slot].due_ns = due;
		send_next(&all[slot]);
	}
}

/* The request under way on @r has ended: its reply came, or it is given up. */
static void go_on(struct requester *r, bool is_answered)
{
	unsigned slot = (unsigned)(r - all);

	r->is_waiting = false;
	if (!(options.rate > 0)) {
		send_next(r);
		return;
	}
	if (is_answered)
		open_reply(&paced, slot, r->due_ns, clock_ns());
	else
		open_give_up(&paced, slot, r->due_ns, clock_ns());
	send_due();
}

/* Return: whether it is the reply to the request under way. */
static bool receive(struct requester *r, struct histogram *latency)
{
	ssize_t n = recv(r->fd, reply, sizeof(reply), 0);
	uint64_t which = 0;

	if (n < 0 && errno == EAGAIN)
		return false;
	if (n < 0)
		die("socket %u: %s", (unsigned)(r - all), strerror(errno));
	if (n >= (ssize_t)sizeof(which))
		memcpy(&which, reply, sizeof(which));
	if (n == (ssize_t)options.bytes && (which < r->number || !r->is_waiting) && which <= r->number &&
	    which >> 40 == r->number >> 40) {
		late++;
		return false;
	}
	if (n != (ssize_t)options.bytes || memcmp(reply, r->request, options.bytes))
		die("socket %u: %zd bytes came that are not those of request %llu", (unsigned)(r - all), n,
		    (unsigned long long)r->number);
	if (latency)
		histogram_add(latency, clock_ns() - r->sent_ns);
	return true;
}

static void give_up_old(void)
{
	uint64_t now = clock_ns();

	for (unsigned i = 0; i < options.sockets; i++) {
		if (!all[i].is_waiting || now - all[i].sent_ns < LOST_S * 1000000000ull)
			continue;
		lost++;
		go_on(&all[i], false);
	}
}

/* Until @until_ns, or the open loop is over. Return: replies that came. */
static uint64_t run(uint64_t until_ns, struct histogram *latency)
{
	uint64_t done = 0, looked = clock_ns(), now, wake;
	struct epoll_event events[EVENTS];

	while ((now = clock_ns()) < until_ns && !(options.rate > 0 && open_is_over(&paced, now))) {
		struct timespec t = { .tv_nsec = LOOK_NS };
		int n;

		if (options.rate > 0) {
			send_due();
			wake = open_wake(&paced, now);
			t.tv_nsec = wake < now ? 0 : wake - now < LOOK_NS ? (long)(wake - now) : LOOK_NS;
		}
		n = epoll_pwait2(epoll_fd, events, EVENTS, &t, NULL);
		if (n < 0 && errno != EINTR)
			die("epoll_pwait2: %s", strerror(errno));
		for (int i = 0; i < n; i++) {
			if (!receive(events[i].data.ptr, latency))
				continue;
			done++;
			go_on(events[i].data.ptr, true);
		}
		if (now - looked > 10 * LOOK_NS) {
			give_up_old();
			looked = now;
		}
	}
	return done;
}

static uint64_t after(uint64_t ns, double seconds)
{
	return ns + (uint64_t)(seconds * 1e9);
}

static void warm_up(void)
{
	uint64_t now = clock_ns();
	struct schedule s;

	if (options.rate > 0) {
		schedule_begin(&s, options.rate, options.seed, now);
		if (!open_begin(&paced, &s, options.sockets, 1))
			die("out of memory");
		prctl(PR_SET_TIMERSLACK, 1);
	}
	run(after(now, options.warm_s), NULL);
}

/* The window. Return: replies, of the open loop to requests that were due in it. */
static uint64_t measure(struct histogram *latency)
{
	uint64_t now = clock_ns();

	if (!(options.rate > 0))
		return run(after(now, options.window_s), latency);
	open_window(&paced, now, after(now, options.window_s), UINT64_MAX, latency);
	run(after(now, options.window_s + LOST_S), NULL);
	now = clock_ns();
	for (unsigned i = 0; i < options.sockets; i++)
		if (all[i].is_waiting)
			open_give_up(&paced, i, all[i].due_ns, now);
	open_end(&paced, now);
	return paced.counts.answered;
}

int main(int argc, char **argv)
{
	static struct histogram latency;
	uint64_t done, lost_before;
	struct window window;
	int marks;

	parse(argc, argv);
	marks = options.marks ? marks_open(options.marks) : -1;
	open_all();
	warm_up();
	lost_before = lost;
	window_begin(&window, marks);
	done = measure(&latency);
	window_end(&window);
	if (!done)
		die("not one reply in %.1f s", options.window_s);
	printf("{\"connections\":%u,\"message_bytes\":%u,\"requests\":%llu,\"lost\":%llu,\"came_late\":%llu,"
	       "\"seconds\":%.6f,",
	       options.sockets, options.bytes, (unsigned long long)done, (unsigned long long)(lost - lost_before),
	       (unsigned long long)late, window.seconds);
	if (options.rate > 0)
		open_print(&paced.counts, options.window_s);
	histogram_print(&latency);
	printf("\"counted\":%s}\n", window.counted ? window.counted : "null");
	free(window.counted);
	return 0;
}
