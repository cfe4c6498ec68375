/* SPDX-License-Identifier: MIT */
/*
 * Which core answers each request, and how late: requests of 64 bytes at a fixed rate, whether replies come or not, to a
 * service that puts the number of its core into the last byte of the reply (bench/which).
 *   answers ADDRESS PORT CONNECTIONS RATE FILE
 * Each connection has its turn every CONNECTIONS / RATE seconds and one request under way. A reply is as late as it comes after
 * the request was due, so a connection that stands still is seen to have stood still. Writes struct answer for each request to
 * FILE (times by CLOCK_REALTIME, as QEMU stamps its events), "ready" to standard output when every connection has been
 * answered, and ends when its standard input does: with one line of JSON, status 0 whatever it met. A connection that fails
 * is made anew; what was under way on it is an error.
 */
#define _GNU_SOURCE
#include "bench/load/stream.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MESSAGE_BYTES 64u
#define CONNECTIONS_MAX 4096u
#define RATE_MAX 1000000.0
#define EVENTS 256
#define BOOT_S 240u
#define TRY_MS 200
#define NO_CORE UINT32_MAX /* an error */

struct answer {
	uint64_t due_ns, done_ns; /* done: 0 none came until the end */
	uint32_t connection, core;
};

struct connection {
	int fd;
	unsigned number;
	uint64_t turn; /* of the request under way or the next one */
	int is_connected, is_under_way, was_answered;
	size_t have;
	uint8_t reply[MESSAGE_BYTES];
};

static struct {
	struct sockaddr_in to;
	unsigned connections, answered_once;
	double period_ns; /* from one turn of a connection to its next */
	uint64_t start_ns, answers, errors;
	int epoll_fd;
	FILE *out;
	char first_error[96];
	struct connection of[CONNECTIONS_MAX];
} all;

static _Noreturn void die(const char *what)
{
	(void)fprintf(stderr, "answers: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t due_ns(const struct connection *c)
{
	return all.start_ns + (uint64_t)(all.period_ns * ((double)c->turn + (double)c->number / all.connections));
}

static const uint8_t *request(const struct connection *c)
{
	return stream_at(c->number, c->turn * MESSAGE_BYTES);
}

static void note(const struct connection *c, uint64_t done_ns, uint32_t core)
{
	struct answer a = { due_ns(c), done_ns, c->number, core };

	if (fwrite(&a, sizeof(a), 1, all.out) != 1)
		die("writing the answers");
}

static void watch(struct connection *c, int op, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.ptr = c };

	if (epoll_ctl(all.epoll_fd, op, c->fd, &e))
		die("epoll_ctl");
}

static void open_connection(struct connection *c)
{
	int on = 1;

	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		die("socket");
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(c->fd, (struct sockaddr *)&all.to, sizeof(all.to)) && errno != EINPROGRESS)
		die("connect");
	c->is_connected = 0;
	c->have = 0;
	watch(c, EPOLL_CTL_ADD, EPOLLOUT);
}

/* Counts it; the next turn has a new connection. */
static void fail(struct connection *c, const char *what)
{
	if (!all.errors++)
		(void)snprintf(all.first_error, sizeof(all.first_error), "connection %u: %s", c->number, what);
	note(c, now_ns(), NO_CORE);
	close(c->fd);
	c->fd = -1;
	c->is_connected = 0;
	c->is_under_way = 0;
	c->turn++;
}

/* Nothing is under way on it, and nothing keeps it from its turn. */
static int is_waiting(const struct connection *c)
{
	return c->fd < 0 || (c->is_connected && !c->is_under_way);
}

/* If its turn has come. */
static void send_request(struct connection *c, uint64_t now)
{
	if (!is_waiting(c) || due_ns(c) > now)
		return;
	if (c->fd < 0) {
		open_connection(c);
		return;
	}
	c->is_under_way = 1;
	if (send(c->fd, request(c), MESSAGE_BYTES, MSG_NOSIGNAL) != (ssize_t)MESSAGE_BYTES)
		fail(c, strerror(errno));
}

static void take_reply(struct connection *c, uint64_t now)
{
	note(c, now, c->reply[MESSAGE_BYTES - 1]);
	all.answers++;
	all.answered_once += !c->was_answered;
	c->was_answered = 1;
	c->have = 0;
	c->is_under_way = 0;
	c->turn++;
}

static void receive(struct connection *c)
{
	ssize_t n = recv(c->fd, c->reply + c->have, sizeof(c->reply) - c->have, 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		fail(c, n ? strerror(errno) : "closed by the guest");
		return;
	}
	c->have += (size_t)n;
	if (!c->is_under_way)
		fail(c, "more bytes than were asked for");
	else if (c->have == sizeof(c->reply) && memcmp(c->reply, request(c), MESSAGE_BYTES - 1) != 0)
		fail(c, "other bytes than were sent");
	else if (c->have == sizeof(c->reply))
		take_reply(c, now_ns());
}

static void connected(struct connection *c)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len) || error) {
		fail(c, strerror(error));
		return;
	}
	c->is_connected = 1;
	watch(c, EPOLL_CTL_MOD, EPOLLIN);
}

/* The guest may still be booting. A try that is not answered at once is given up, so that none waits for its retransmission. */
static void await_service(void)
{
	uint64_t until = now_ns() + BOOT_S * UINT64_C(1000000000);
	int error = ETIMEDOUT;

	while (error && now_ns() < until) {
		struct pollfd p = { .fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0),
				    .events = POLLOUT };
		socklen_t len = sizeof(error);

		if (p.fd < 0)
			die("socket");
		(void)connect(p.fd, (struct sockaddr *)&all.to, sizeof(all.to));
		if (poll(&p, 1, TRY_MS) > 0 && getsockopt(p.fd, SOL_SOCKET, SO_ERROR, &error, &len))
			die("getsockopt");
		close(p.fd);
		if (error)
			usleep(TRY_MS * 1000 / 10);
	}
	errno = error;
	if (error)
		die("the guest does not answer");
}

static int milliseconds_to(uint64_t then, uint64_t now)
{
	return then <= now ? 0 : (int)((then - now) / 1000000u) + 1;
}

/* Until the first turn of those that wait for theirs. */
static int next_turn_ms(uint64_t now)
{
	uint64_t next = UINT64_MAX;

	for (unsigned i = 0; i < all.connections; i++) {
		const struct connection *c = &all.of[i];

		if (is_waiting(c) && due_ns(c) < next)
			next = due_ns(c);
	}
	return next == UINT64_MAX ? 1000 : milliseconds_to(next, now);
}

static int is_over(void)
{
	struct pollfd p = { .fd = STDIN_FILENO, .events = POLLIN };
	char byte;

	return poll(&p, 1, 0) > 0 && read(STDIN_FILENO, &byte, 1) <= 0;
}

static void turn(void)
{
	static struct epoll_event events[EVENTS];
	uint64_t now = now_ns();
	int n;

	for (unsigned i = 0; i < all.connections; i++)
		send_request(&all.of[i], now);
	n = epoll_wait(all.epoll_fd, events, EVENTS, next_turn_ms(now_ns()));
	for (int i = 0; i < n; i++) {
		struct connection *c = events[i].data.ptr;

		if (!c) /* the end, which is_over() sees */
			continue;
		if (c->is_connected)
			receive(c);
		else
			connected(c);
	}
}

static void run(void)
{
	struct epoll_event end = { .events = EPOLLIN };
	int is_ready = 0;

	all.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (all.epoll_fd < 0 || epoll_ctl(all.epoll_fd, EPOLL_CTL_ADD, STDIN_FILENO, &end))
		die("epoll");
	await_service();
	all.start_ns = now_ns();
	for (unsigned i = 0; i < all.connections; i++) {
		all.of[i].number = i;
		open_connection(&all.of[i]);
	}
	while (!is_over()) {
		turn();
		if (!is_ready && all.answered_once == all.connections) {
			is_ready = 1;
			(void)puts("ready");
			(void)fflush(stdout);
		}
	}
	for (unsigned i = 0; i < all.connections; i++)
		if (all.of[i].is_under_way)
			note(&all.of[i], 0, NO_CORE);
}

int main(int argc, char **argv)
{
	double rate = argc == 6 ? strtod(argv[4], NULL) : 0;

	all.to.sin_family = AF_INET;
	all.connections = argc == 6 ? (unsigned)strtoul(argv[3], NULL, 10) : 0;
	if (!all.connections || all.connections > CONNECTIONS_MAX || !(rate > 0 && rate <= RATE_MAX) ||
	    inet_pton(AF_INET, argv[1], &all.to.sin_addr) != 1) {
		(void)fprintf(stderr, "Usage: answers ADDRESS PORT CONNECTIONS RATE FILE (at most %u connections)\n",
			      CONNECTIONS_MAX);
		return 64;
	}
	all.to.sin_port = htons((uint16_t)strtoul(argv[2], NULL, 10));
	all.period_ns = 1e9 * all.connections / rate;
	all.out = fopen(argv[5], "w");
	if (!all.out)
		die(argv[5]);
	run();
	if (fclose(all.out))
		die(argv[5]);
	printf("{\"answers\":%" PRIu64 ",\"errors\":%" PRIu64 ",\"first_error\":\"%s\"}\n", all.answers, all.errors,
	       all.first_error);
	return 0;
}
