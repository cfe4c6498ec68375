/* SPDX-License-Identifier: MIT */
/*
 * The same service as ix.c for Linux, as one writes it for a machine whose processors come and go: as many threads as it may
 * ever have processors, each with a listening socket and an epoll set of its own, none pinned: the scheduler spreads them over
 * the processors that are there, and takes them off one that goes.
 *   which THREADS
 */
#define _GNU_SOURCE
#include "bench/linux/listen.h"
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define PORT 7
#define MESSAGE_BYTES 64
#define EVENTS 64
#define THREADS_MAX 64

struct connection {
	int fd;
	size_t have;
	unsigned char message[MESSAGE_BYTES];
};

struct worker {
	int epoll_fd, listener;
};

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void watch(int epoll_fd, int fd, void *p)
{
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = p };

	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &e))
		fail("epoll_ctl");
}

static void accept_all(const struct worker *w)
{
	for (;;) {
		int fd = accept4(w->listener, NULL, NULL, SOCK_NONBLOCK);
		struct connection *c;

		if (fd < 0)
			return;
		c = calloc(1, sizeof(*c));
		if (!c)
			fail("calloc");
		c->fd = fd;
		watch(w->epoll_fd, fd, c);
	}
}

static void serve(struct connection *c)
{
	ssize_t got = read(c->fd, c->message + c->have, sizeof(c->message) - c->have);

	if (got < 0 && errno == EAGAIN)
		return;
	if (got > 0) {
		c->have += (size_t)got;
		if (c->have < sizeof(c->message))
			return;
		c->have = 0;
		c->message[MESSAGE_BYTES - 1] = (unsigned char)sched_getcpu();
		if (write(c->fd, c->message, sizeof(c->message)) == sizeof(c->message))
			return;
	}
	close(c->fd); /* or it asked so often without reading an answer: no client of ours */
	free(c);
}

static void *work(void *arg)
{
	const struct worker *w = arg;
	struct epoll_event events[EVENTS];

	for (;;) {
		int n = epoll_wait(w->epoll_fd, events, EVENTS, -1);

		for (int i = 0; i < n; i++) {
			if (events[i].data.ptr)
				serve(events[i].data.ptr);
			else
				accept_all(w);
		}
	}
	return NULL;
}

int main(int argc, char **argv)
{
	static struct worker workers[THREADS_MAX];
	long threads = argc == 2 ? strtol(argv[1], NULL, 10) : 0;
	pthread_t thread;

	if (threads < 1 || threads > THREADS_MAX) {
		(void)fprintf(stderr, "Usage: which THREADS (1 to %d)\n", THREADS_MAX);
		return 64;
	}
	signal(SIGPIPE, SIG_IGN);
	for (long i = 0; i < threads; i++) {
		workers[i] = (struct worker){ .epoll_fd = epoll_create1(0), .listener = listen_on(PORT) };
		if (workers[i].epoll_fd < 0)
			fail("epoll_create1");
		if (workers[i].listener < 0)
			fail("listen");
		watch(workers[i].epoll_fd, workers[i].listener, NULL);
	}
	for (long i = 1; i < threads; i++)
		if (pthread_create(&thread, NULL, work, &workers[i]))
			fail("pthread_create");
	work(&workers[0]);
}
