/* SPDX-License-Identifier: MIT */
/*
 * A connection's stream is a walk through one table of pseudo-random bytes whose length is a prime, begun at another place
 * by each connection: a byte that is lost, doubled, swapped or from another connection shows at once, whatever the size of
 * a message and wherever a read ends, and checking is one memcmp.
 */
#define _GNU_SOURCE
#include "bench/load/client.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <netinet/tcp.h>
#include <time.h>
#include <unistd.h>

#define TABLE_BYTES 65521u
#define TABLE_STEP 4099u /* between the first bytes of two connections */
#define EVENTS 256
#define OPENING_MAX 64u

struct connection {
	int fd;
	bool is_up;
	bool wants_out;     /* its last send was short */
	uint32_t begin;     /* its first byte in the table */
	uint64_t sent;      /* bytes of the stream */
	uint64_t received;  /* bytes, all of them right */
	uint64_t started;   /* requests, the last of them perhaps not sent whole */
	uint64_t *start_ns; /* of request n at [n % depth] */
};

static const struct client_config *config;
static struct connection *all;
static int epoll_fd = -1;
static uint8_t table[2 * TABLE_BYTES]; /* twice, so that a piece never wraps */
static uint8_t input[1 << 20];
static unsigned up_count;
static bool is_stopping;

uint64_t clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

_Noreturn void die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("loadgen: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	exit(1);
}

static unsigned number_of(const struct connection *c)
{
	return (unsigned)(c - all);
}

static const uint8_t *table_at(const struct connection *c, uint64_t offset)
{
	return table + (c->begin + offset) % TABLE_BYTES;
}

static void watch(struct connection *c, int op, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.ptr = c };

	if (epoll_ctl(epoll_fd, op, c->fd, &e))
		die("epoll_ctl: %s", strerror(errno));
}

/* ---- sending ---- */

static void set_wants_out(struct connection *c, bool wants)
{
	if (c->wants_out == wants)
		return;
	c->wants_out = wants;
	watch(c, EPOLL_CTL_MOD, EPOLLIN | (wants ? EPOLLOUT : 0u));
}

static void send_pending(struct connection *c)
{
	uint64_t target = c->started * config->message_bytes;

	while (c->sent < target) {
		uint64_t piece = target - c->sent < TABLE_BYTES ? target - c->sent : TABLE_BYTES;
		ssize_t n = send(c->fd, table_at(c, c->sent), piece, MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN) {
			set_wants_out(c, true);
			return;
		}
		if (n < 0)
			die("connection %u: send: %s", number_of(c), strerror(errno));
		c->sent += (uint64_t)n;
	}
	set_wants_out(c, false);
}

/* As many new requests as keep the depth. */
static void start_requests(struct connection *c)
{
	uint64_t done = c->received / config->message_bytes, now = clock_ns();

	if (is_stopping)
		return;
	while (c->started - done < config->depth)
		c->start_ns[c->started++ % config->depth] = now;
	send_pending(c);
}

/* ---- receiving ---- */

static void check(const struct connection *c, const uint8_t *data, size_t bytes)
{
	uint64_t offset = c->received;

	if (offset + bytes > c->sent)
		die("connection %u: %zu bytes came that were never sent", number_of(c),
		    (size_t)(offset + bytes - c->sent));
	while (bytes) {
		size_t piece = bytes < TABLE_BYTES ? bytes : TABLE_BYTES;

		if (memcmp(data, table_at(c, offset), piece))
			die("connection %u: wrong bytes in the %zu that follow byte %llu of its stream", number_of(c),
			    piece, (unsigned long long)offset);
		data += piece;
		offset += piece;
		bytes -= piece;
	}
}

/* Return: requests that this read completed. */
static uint64_t receive(struct connection *c, struct histogram *latency)
{
	ssize_t n = recv(c->fd, input, sizeof(input), 0);
	uint64_t first, last, now;

	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n <= 0)
		die("connection %u: %s", number_of(c), n ? strerror(errno) : "closed by the other side");
	check(c, input, (size_t)n);
	now = clock_ns();
	first = c->received / config->message_bytes;
	c->received += (uint64_t)n;
	last = c->received / config->message_bytes;
	for (uint64_t i = first; latency && i < last; i++)
		histogram_add(latency, now - c->start_ns[i % config->depth]);
	if (last != first)
		start_requests(c);
	return last - first;
}

/* ---- the loop ---- */

static void finish_connect(struct connection *c)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len) || error)
		die("connection %u: connect: %s", number_of(c), strerror(error ? error : errno));
	c->is_up = true;
	up_count++;
	watch(c, EPOLL_CTL_MOD, EPOLLIN);
	start_requests(c);
}

static uint64_t handle(const struct epoll_event *e, struct histogram *latency)
{
	struct connection *c = e->data.ptr;

	if (!c->is_up) {
		finish_connect(c);
		return 0;
	}
	if (e->events & EPOLLOUT)
		send_pending(c);
	return e->events & (EPOLLIN | EPOLLHUP | EPOLLERR) ? receive(c, latency) : 0;
}

uint64_t client_run(uint64_t requests, double seconds, struct histogram *latency)
{
	uint64_t until = clock_ns() + (uint64_t)(seconds * 1e9), done = 0, now;
	static struct epoll_event events[EVENTS];

	while (done < requests && (now = clock_ns()) < until) {
		uint64_t ms = (until - now) / 1000000 + 1;
		int n = epoll_wait(epoll_fd, events, EVENTS, ms < 1000 ? (int)ms : 1000);

		if (n < 0 && errno != EINTR)
			die("epoll_wait: %s", strerror(errno));
		for (int i = 0; i < n; i++)
			done += handle(&events[i], latency);
	}
	return done;
}

static void begin_connect(struct connection *c)
{
	int on = 1;

	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	c->start_ns = calloc(config->depth, sizeof(*c->start_ns));
	c->begin = (uint32_t)((uint64_t)number_of(c) * TABLE_STEP % TABLE_BYTES);
	if (c->fd < 0 || !c->start_ns || setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)))
		die("socket: %s", strerror(errno));
	if (connect(c->fd, (const struct sockaddr *)&config->to, sizeof(config->to)) && errno != EINPROGRESS)
		die("connection %u: connect: %s", number_of(c), strerror(errno));
	watch(c, EPOLL_CTL_ADD, EPOLLOUT);
}

static void fill_table(void)
{
	uint64_t x = 0x9e3779b97f4a7c15u;

	for (unsigned i = 0; i < TABLE_BYTES; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		table[i] = table[i + TABLE_BYTES] = (uint8_t)(x >> 32);
	}
}

void client_open(const struct client_config *settings)
{
	uint64_t last_ns = clock_ns();
	unsigned begun = 0, up = 0;

	config = settings;
	fill_table();
	all = calloc(config->connections, sizeof(*all));
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (!all || epoll_fd < 0)
		die("%s", strerror(errno));
	while (up_count < config->connections) {
		while (begun < config->connections && begun - up_count < OPENING_MAX)
			begin_connect(&all[begun++]);
		client_run(UINT64_MAX, 0.005, NULL);
		if (up_count != up)
			last_ns = clock_ns();
		else if (clock_ns() - last_ns > CLIENT_CONNECT_S * 1000000000ull)
			die("only %u of %u connections were accepted", up_count, config->connections);
		up = up_count;
	}
}

void client_close(void)
{
	is_stopping = true;
	for (unsigned i = 0; i < config->connections; i++) {
		close(all[i].fd);
		free(all[i].start_ns);
	}
	free(all);
	close(epoll_fd);
}
