/* SPDX-License-Identifier: MIT */
/* Connections from a thread's epoll: how they open, what keeps requests under way on them, what ends them. */
#define _GNU_SOURCE
#include "bench/load/client.h"
#include "bench/load/stream.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <netinet/tcp.h>
#include <time.h>
#include <unistd.h>

#define EVENTS 256
#define INPUT_BYTES (1u << 20)
#define ORDERLY_MAX 4096u
#define GOLDEN_PERMILLE 618u

enum state { OPENING, UP, FINISHED }; /* FINISHED: our FIN is sent */

struct connection {
	int fd;
	uint8_t state;     /* enum state */
	bool wants_out;    /* its last send was short */
	uint64_t sent;     /* bytes of the stream */
	uint64_t received; /* bytes, all of them right */
	uint64_t started;  /* requests, the last of them perhaps not sent whole */
};

/* Of the calling thread. */
static __thread const struct client_config *config;
static __thread struct connection *all;
static __thread uint64_t *start_ns; /* of request n of connection c at [c * depth + n % depth] */
static __thread int epoll_fd = -1;
static __thread uint8_t *input;
static __thread unsigned begun_count, up_count;
static __thread bool is_started;
static __thread unsigned turn, turn_step; /* whose turn it is, of those that take turns */
static __thread uint64_t turns_left = UINT64_MAX;
static __thread struct open_loop *paced; /* NULL: a closed loop */

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

static unsigned index_of(const struct connection *c)
{
	return (unsigned)(c - all);
}

static unsigned number_of(const struct connection *c)
{
	return config->first + index_of(c);
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
		uint64_t piece = target - c->sent < STREAM_PIECE ? target - c->sent : STREAM_PIECE;
		ssize_t n = send(c->fd, stream_at(number_of(c), c->sent), piece, MSG_NOSIGNAL);

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

static uint64_t *started_at(const struct connection *c, uint64_t request)
{
	return &start_ns[(uint64_t)index_of(c) * config->depth + request % config->depth];
}

/* As many new requests as keep the depth. */
static void start_requests(struct connection *c)
{
	uint64_t done = c->received / config->message_bytes, now = clock_ns();

	while (c->started - done < config->depth)
		*started_at(c, c->started++) = now;
	send_pending(c);
}

/* The next connection whose turn it is; all get one before the first gets another, and neighbours not one after the other. */
static void pass_on(void)
{
	struct connection *c;

	if (!turns_left)
		return;
	turns_left--;
	do {
		c = &all[turn];
		turn = (turn + turn_step) % config->connections;
	} while (c->received / config->message_bytes != c->started);
	start_requests(c);
}

/* Of the open loop: all that can go out by now. Latency is from when they were due. */
static void send_due(void)
{
	unsigned slot;
	uint64_t due;

	while (open_next(paced, clock_ns(), &slot, &due)) {
		struct connection *c = &all[slot];

		*started_at(c, c->started++) = due;
		send_pending(c);
	}
}

static unsigned common_divisor(unsigned a, unsigned b)
{
	return b ? common_divisor(b, a % b) : a;
}

/* ---- receiving ---- */

static void check(const struct connection *c, const uint8_t *data, size_t bytes)
{
	uint64_t offset = c->received;

	if (offset + bytes > c->sent)
		die("connection %u: %zu bytes came that were never sent", number_of(c),
		    (size_t)(offset + bytes - c->sent));
	if (!stream_is_right(number_of(c), offset, data, bytes))
		die("connection %u: wrong bytes in the %zu that follow byte %llu of its stream", number_of(c), bytes,
		    (unsigned long long)offset);
}

static void begin_connect(struct connection *c);

/* The other side has closed after us: the connection is complete, the next one takes its place. */
static uint64_t replace(struct connection *c, struct histogram *latency)
{
	if (latency)
		histogram_add(latency, clock_ns() - *started_at(c, 0));
	close(c->fd);
	up_count--;
	begin_connect(c);
	return 1;
}

static void finish(struct connection *c)
{
	if (shutdown(c->fd, SHUT_WR))
		die("connection %u: shutdown: %s", number_of(c), strerror(errno));
	c->state = FINISHED;
}

/* Return: requests that this read completed. */
static uint64_t receive(struct connection *c, struct histogram *latency)
{
	ssize_t n = recv(c->fd, input, INPUT_BYTES, 0);
	uint64_t first, last, now;

	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n == 0 && c->state == FINISHED)
		return replace(c, latency);
	if (n <= 0)
		die("connection %u: %s", number_of(c), n ? strerror(errno) : "closed by the other side");
	check(c, input, (size_t)n);
	first = c->received / config->message_bytes;
	c->received += (uint64_t)n;
	last = c->received / config->message_bytes;
	if (config->is_churn) {
		if (last)
			finish(c);
		return 0;
	}
	now = clock_ns();
	for (uint64_t i = first; paced && i < last; i++)
		open_reply(paced, index_of(c), *started_at(c, i), now);
	for (uint64_t i = first; latency && i < last; i++)
		histogram_add(latency, now - *started_at(c, i));
	if (paced)
		send_due();
	else if (last != first && !config->active)
		start_requests(c);
	else if (last == c->started && config->active)
		pass_on();
	return last - first;
}

/* ---- connecting ---- */

static void bind_source(const struct connection *c)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	int on = 1;

	/* The port is chosen by connect(), which knows that those of other connections may be used again. */
	a.sin_addr.s_addr = htonl(config->first_source + number_of(c) % config->sources);
	if (setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on)) ||
	    bind(c->fd, (const struct sockaddr *)&a, sizeof(a)))
		die("connection %u: bind: %s", number_of(c), strerror(errno));
}

static void begin_connect(struct connection *c)
{
	int on = 1;

	*c = (struct connection){ .fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0) };
	if (c->fd < 0 || setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)))
		die("socket: %s", strerror(errno));
	if (config->sources)
		bind_source(c);
	if (config->is_churn)
		*started_at(c, 0) = clock_ns();
	if (connect(c->fd, (const struct sockaddr *)&config->to, sizeof(config->to)) && errno != EINPROGRESS)
		die("connection %u: connect: %s", number_of(c), strerror(errno));
	watch(c, EPOLL_CTL_ADD, EPOLLOUT);
}

static void begin_more(void)
{
	while (begun_count < config->connections && begun_count - up_count < config->opening)
		begin_connect(&all[begun_count++]);
}

static void send_first(struct connection *c)
{
	c->started = 1;
	send_pending(c);
}

static void finish_connect(struct connection *c)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len) || error)
		die("connection %u: connect: %s", number_of(c), strerror(error ? error : errno));
	c->state = UP;
	up_count++;
	watch(c, EPOLL_CTL_MOD, EPOLLIN);
	if (is_started)
		send_first(c); /* in the place of one that is complete */
	else
		begin_more();
}

/* ---- the loop ---- */

static uint64_t handle(const struct epoll_event *e, struct histogram *latency)
{
	struct connection *c = e->data.ptr;

	if (c->state == OPENING) {
		finish_connect(c);
		return 0;
	}
	if (e->events & EPOLLOUT)
		send_pending(c);
	return e->events & (EPOLLIN | EPOLLHUP | EPOLLERR) ? receive(c, latency) : 0;
}

/* What has happened by @until_ns. Return: requests completed. */
static uint64_t step(uint64_t until_ns, struct histogram *latency)
{
	static __thread struct epoll_event events[EVENTS];
	uint64_t now = clock_ns(), left = now < until_ns ? until_ns - now : 0, done = 0;
	struct timespec t = { .tv_sec = left >= 1000000000, .tv_nsec = left < 1000000000 ? (long)left : 0 };
	int n = epoll_pwait2(epoll_fd, events, EVENTS, &t, NULL);

	if (n < 0 && errno != EINTR)
		die("epoll_pwait2: %s", strerror(errno));
	for (int i = 0; i < n; i++)
		done += handle(&events[i], latency);
	return done;
}

uint64_t client_run(uint64_t requests, double seconds, struct histogram *latency)
{
	uint64_t until = clock_ns() + (uint64_t)(seconds * 1e9), done = 0;

	while (done < requests && clock_ns() < until)
		done += step(until, latency);
	return done;
}

void client_start(void)
{
	is_started = true;
	for (unsigned i = 0; config->active && i < config->active; i++)
		pass_on();
	for (unsigned i = 0; !config->active && i < config->connections; i++) {
		if (config->is_churn)
			send_first(&all[i]);
		else
			start_requests(&all[i]);
	}
}

uint64_t client_once(double seconds, struct histogram *latency)
{
	uint64_t replies = (uint64_t)config->connections * config->depth, got;

	turns_left = config->connections;
	client_start();
	got = client_run(replies, seconds, latency);
	if (got != replies)
		die("only %llu of %llu replies came in %.1f s", (unsigned long long)got, (unsigned long long)replies,
		    seconds);
	return got;
}

void client_pace(struct open_loop *o)
{
	is_started = true;
	paced = o;
	prctl(PR_SET_TIMERSLACK, 1); /* ns: a request goes out when it is due, not 50 us later */
}

void client_run_paced(uint64_t until_ns)
{
	uint64_t now, wake;

	while ((now = clock_ns()) < until_ns && !open_is_over(paced, now)) {
		send_due();
		wake = open_wake(paced, now);
		step(wake < until_ns ? wake : until_ns, NULL);
	}
}

void client_end_paced(void)
{
	uint64_t now = clock_ns();

	for (unsigned i = 0; i < config->connections; i++) {
		struct connection *c = &all[i];

		for (uint64_t r = c->received / config->message_bytes; r < c->started; r++)
			open_give_up(paced, i, *started_at(c, r), now);
	}
	open_end(paced, now);
	paced = NULL;
}

void client_idle(double seconds)
{
	uint64_t until = clock_ns() + (uint64_t)(seconds * 1e9);
	struct epoll_event e;

	while (clock_ns() < until) {
		int n = epoll_wait(epoll_fd, &e, 1, 100);

		if (n < 0 && errno != EINTR)
			die("epoll_wait: %s", strerror(errno));
		if (n > 0)
			die("connection %u: something happened while it was idle", number_of(e.data.ptr));
	}
}

/* ---- life ---- */

void client_open(const struct client_config *settings)
{
	uint64_t last_ns = clock_ns();
	unsigned up = 0;

	config = settings;
	input = malloc(INPUT_BYTES);
	all = calloc(config->connections, sizeof(*all));
	start_ns = calloc((size_t)config->connections * config->depth, sizeof(*start_ns));
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (!input || !all || !start_ns || epoll_fd < 0)
		die("%s", strerror(errno));
	turn_step = (unsigned)((uint64_t)config->connections * GOLDEN_PERMILLE / 1000) | 1;
	while (common_divisor(turn_step, config->connections) != 1)
		turn_step++;
	begin_more();
	while (up_count < config->connections) {
		step(clock_ns() + 10000000, NULL);
		if (up_count != up)
			last_ns = clock_ns();
		else if (clock_ns() - last_ns > CLIENT_CONNECT_S * 1000000000ull)
			die("only %u of %u connections were accepted", up_count, config->connections);
		up = up_count;
	}
}

void client_close(void)
{
	struct linger at_once = { .l_onoff = 1 };

	for (unsigned i = 0; i < config->connections; i++) {
		if (config->connections > ORDERLY_MAX)
			setsockopt(all[i].fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
		close(all[i].fd);
	}
	free(input);
	free(all);
	free(start_ns);
	close(epoll_fd);
}
