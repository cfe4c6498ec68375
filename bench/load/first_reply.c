/* SPDX-License-Identifier: MIT */
/*
 * How long a service takes to its first reply: begins a connection every few milliseconds from before the guest can answer
 * and leaves them open, so that no answer is lost to an impatient client and no retransmission timer adds to the time.
 *   first_reply ADDRESS PORT BEGIN-NS SECONDS [udp]     BEGIN-NS: CLOCK_MONOTONIC when the guest was started
 * udp: a datagram every few milliseconds instead, for a guest that has no connections. Writes one line of JSON; status 1
 * when nothing answered in time.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define EVERY_MS 4
#define TRIES 512u /* under way at a time; the oldest gives its place to a new one */
#define MESSAGE_BYTES 64u

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Return: a connection that is being made, -1 if it could not even be begun. */
static int begin(const struct sockaddr_in *to)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd >= 0)
		(void)connect(fd, (const struct sockaddr *)to, sizeof(*to));
	return fd;
}

static int is_connected(int fd)
{
	int error = 0;
	socklen_t len = sizeof(error);

	return !getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) && !error;
}

/* Waits for one of the tries; a refused one gives its place back. Return: the connected one or -1. */
static int wait_connected(struct pollfd *tries, unsigned count)
{
	if (poll(tries, count, EVERY_MS) <= 0)
		return -1;
	for (unsigned i = 0; i < count; i++) {
		if (!tries[i].revents)
			continue;
		if (is_connected(tries[i].fd))
			return tries[i].fd;
		close(tries[i].fd);
		tries[i].fd = -1;
	}
	return -1;
}

static int exchange(int fd, uint64_t until_ns)
{
	char sent[MESSAGE_BYTES], got[MESSAGE_BYTES];
	struct pollfd p = { .fd = fd, .events = POLLIN };
	size_t have = 0;

	for (unsigned i = 0; i < MESSAGE_BYTES; i++)
		sent[i] = (char)(i * 7 + 1);
	if (send(fd, sent, sizeof(sent), MSG_NOSIGNAL) != (ssize_t)sizeof(sent))
		return -1;
	while (have < sizeof(got)) {
		uint64_t now = now_ns();
		ssize_t n;

		if (now >= until_ns || poll(&p, 1, (int)((until_ns - now) / 1000000)) <= 0)
			return -1;
		n = recv(fd, got + have, sizeof(got) - have, 0);
		if (n <= 0)
			return -1;
		have += (size_t)n;
	}
	return memcmp(sent, got, sizeof(got)) ? -1 : 0;
}

/* Return: connected socket, -1 if none was made in time. */
static int connect_within(const struct sockaddr_in *to, uint64_t until_ns)
{
	static struct pollfd tries[TRIES];
	unsigned next = 0;
	int fd = -1;

	for (unsigned i = 0; i < TRIES; i++)
		tries[i] = (struct pollfd){ .fd = -1, .events = POLLOUT };
	while (fd < 0 && now_ns() < until_ns) {
		struct pollfd *t = &tries[next++ % TRIES];

		if (t->fd >= 0)
			close(t->fd);
		t->fd = begin(to);
		fd = wait_connected(tries, next < TRIES ? next : TRIES);
	}
	return fd;
}

/* The same datagram again and again until it comes back. Return: 0, -1 if it did not in time or another came. */
static int exchange_datagrams(const struct sockaddr_in *to, uint64_t until_ns)
{
	struct pollfd p = { .fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), .events = POLLIN };
	char sent[MESSAGE_BYTES], got[MESSAGE_BYTES + 1];

	for (unsigned i = 0; i < MESSAGE_BYTES; i++)
		sent[i] = (char)(i * 7 + 1);
	if (p.fd < 0 || connect(p.fd, (const struct sockaddr *)to, sizeof(*to)))
		return -1;
	while (now_ns() < until_ns) {
		ssize_t n;

		(void)!send(p.fd, sent, sizeof(sent), 0); /* refused, or nothing there yet: then the next one */
		if (poll(&p, 1, EVERY_MS) <= 0)
			continue;
		n = recv(p.fd, got, sizeof(got), 0);
		if (n >= 0)
			return n == (ssize_t)sizeof(sent) && !memcmp(sent, got, sizeof(sent)) ? 0 : -1;
		usleep(EVERY_MS * 1000);
	}
	return -1;
}

int main(int argc, char **argv)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	bool is_udp = argc == 6 && !strcmp(argv[5], "udp");
	uint64_t begin_ns, until_ns;
	int fd = -1;

	if ((argc != 5 && !is_udp) || inet_pton(AF_INET, argv[1], &to.sin_addr) != 1) {
		fputs("Usage: first_reply ADDRESS PORT BEGIN-NS SECONDS [udp]\n", stderr);
		return 64;
	}
	to.sin_port = htons((uint16_t)atoi(argv[2]));
	begin_ns = strtoull(argv[3], NULL, 10);
	until_ns = begin_ns + strtoull(argv[4], NULL, 10) * 1000000000u;
	if (!is_udp)
		fd = connect_within(&to, until_ns);
	if (is_udp ? exchange_datagrams(&to, until_ns) : fd < 0 || exchange(fd, until_ns)) {
		fprintf(stderr, "first_reply: %s:%s did not answer within %s s of its start\n", argv[1], argv[2],
			argv[4]);
		return 1;
	}
	printf("{\"reply_s\":%.4f}\n", (double)(now_ns() - begin_ns) / 1e9);
	return 0;
}
