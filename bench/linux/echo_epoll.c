/* SPDX-License-Identifier: MIT */
/*
 * TCP echo on port 7 as one writes it for Linux: level-triggered epoll, a read and a write for each ready connection, static,
 * no allocation while it serves. A peer that does not read is not read from. On several CPUs a process for each, which share
 * nothing, not even a table of files; a new connection goes to the one on the CPU that its SYN came to, and so stays with its queue.
 */
#define _GNU_SOURCE
#include "bench/linux/listen.h"
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <errno.h>
#include <linux/filter.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define PORT 7
#define BUFFER_BYTES (256u * 1024)
#define EVENTS 256
#define ACCEPTS 64 /* at most, in one turn */
#define CPUS_MAX 64

struct connection {
	int fd;
	unsigned begin, end; /* of what could not be written yet, in unsent */
	char *unsent;
};

static int epoll_fd, listener;
static char buffer[BUFFER_BYTES];

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void watch(int op, int fd, uint32_t events, void *p)
{
	struct epoll_event e = { .events = events, .data.ptr = p };

	if (epoll_ctl(epoll_fd, op, fd, &e))
		fail("epoll_ctl");
}

static void drop(struct connection *c)
{
	close(c->fd);
	free(c->unsent);
	free(c);
}

static void accept_some(void)
{
	for (int i = 0; i < ACCEPTS; i++) {
		int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
		struct connection *c;

		if (fd < 0)
			return;
		c = calloc(1, sizeof(*c));
		if (!c)
			fail("calloc");
		c->fd = fd;
		watch(EPOLL_CTL_ADD, fd, EPOLLIN, c);
	}
}

/* Keeps what a full socket buffer refused, and waits for room instead of for input. */
static void keep(struct connection *c, const char *data, unsigned bytes)
{
	c->unsent = malloc(bytes);
	if (!c->unsent)
		fail("malloc");
	memcpy(c->unsent, data, bytes);
	c->begin = 0;
	c->end = bytes;
	watch(EPOLL_CTL_MOD, c->fd, EPOLLOUT, c);
}

static void serve(struct connection *c)
{
	ssize_t got = read(c->fd, buffer, sizeof(buffer)), put;

	if (got < 0 && errno == EAGAIN)
		return;
	if (got <= 0) {
		drop(c);
		return;
	}
	put = write(c->fd, buffer, (size_t)got);
	if (put < 0 && errno != EAGAIN)
		drop(c);
	else if (put < got)
		keep(c, buffer + (put > 0 ? put : 0), (unsigned)(got - (put > 0 ? put : 0)));
}

static void write_unsent(struct connection *c)
{
	ssize_t put = write(c->fd, c->unsent + c->begin, c->end - c->begin);

	if (put < 0) {
		if (errno != EAGAIN)
			drop(c);
		return;
	}
	c->begin += (unsigned)put;
	if (c->begin < c->end)
		return;
	free(c->unsent);
	c->unsent = NULL;
	watch(EPOLL_CTL_MOD, c->fd, EPOLLIN, c);
}

/* Listener n, in the order in which they began to listen, gets what comes in on CPU n. */
static void steer(int s)
{
	struct sock_filter code[] = { { BPF_LD | BPF_W | BPF_ABS, 0, 0, (unsigned)(SKF_AD_OFF + SKF_AD_CPU) },
				      { BPF_RET | BPF_A, 0, 0, 0 } };
	struct sock_fprog program = { sizeof(code) / sizeof(code[0]), code };

	if (setsockopt(s, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof(program)))
		fail("steering");
}

/* Goes on in a process on each CPU; they are numbered from 0 without a gap. */
static void start(void)
{
	int listeners[CPUS_MAX], count, cpu = 0;
	cpu_set_t cpus;

	signal(SIGPIPE, SIG_IGN);
	if (sched_getaffinity(0, sizeof(cpus), &cpus))
		fail("sched_getaffinity");
	count = CPU_COUNT(&cpus);
	if (count > CPUS_MAX)
		count = CPUS_MAX;
	for (int i = 0; i < count; i++) {
		listeners[i] = listen_on(PORT);
		if (listeners[i] < 0)
			fail("listen");
	}
	if (count > 1)
		steer(listeners[0]);
	while (cpu + 1 < count && fork())
		cpu++;
	CPU_ZERO(&cpus);
	CPU_SET(cpu, &cpus);
	if (sched_setaffinity(0, sizeof(cpus), &cpus))
		fail("sched_setaffinity");
	for (int i = 0; i < count; i++)
		if (i != cpu)
			close(listeners[i]);
	listener = listeners[cpu];
	epoll_fd = epoll_create1(0);
	if (epoll_fd < 0)
		fail("epoll_create1");
	watch(EPOLL_CTL_ADD, listener, EPOLLIN, NULL);
}

int main(void)
{
	static struct epoll_event events[EVENTS];

	start();
	for (;;) {
		int n = epoll_wait(epoll_fd, events, EVENTS, -1);

		for (int i = 0; i < n; i++) {
			struct connection *c = events[i].data.ptr;

			if (!c)
				accept_some();
			else if (c->unsent)
				write_unsent(c);
			else
				serve(c);
		}
	}
}
