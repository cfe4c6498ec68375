/* SPDX-License-Identifier: MIT */
/*
 * UDP echo on port 7 as one writes it for Linux: a blocking recvfrom() and a sendto() for each datagram, or, when called with
 * "batches", recvmmsg() and sendmmsg() for as many as wait. Static, no allocation.
 */
#define _GNU_SOURCE
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define PORT 7
#define BATCH 64
#define BYTES 2048 /* more than any frame brings */

static char data[BATCH][BYTES];
static struct sockaddr_in from[BATCH];

static void one_by_one(int s)
{
	for (;;) {
		socklen_t len = sizeof(from[0]);
		ssize_t n = recvfrom(s, data[0], BYTES, 0, (struct sockaddr *)&from[0], &len);

		if (n >= 0)
			(void)!sendto(s, data[0], (size_t)n, 0, (struct sockaddr *)&from[0], len);
	}
}

static void in_batches(int s)
{
	static struct mmsghdr messages[BATCH];
	static struct iovec iov[BATCH];

	for (;;) {
		int n;

		for (int i = 0; i < BATCH; i++) {
			iov[i] = (struct iovec){ data[i], BYTES };
			messages[i].msg_hdr = (struct msghdr){ .msg_name = &from[i],
							       .msg_namelen = sizeof(from[i]),
							       .msg_iov = &iov[i],
							       .msg_iovlen = 1 };
		}
		n = recvmmsg(s, messages, BATCH, MSG_WAITFORONE, NULL);
		for (int i = 0; i < n; i++)
			iov[i].iov_len = messages[i].msg_len;
		if (n > 0)
			(void)!sendmmsg(s, messages, (unsigned)n, 0);
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	int s = socket(AF_INET, SOCK_DGRAM, 0);

	if (s < 0 || bind(s, (struct sockaddr *)&a, sizeof(a))) {
		perror("echo_udp");
		return 1;
	}
	if (argc > 1 && !strcmp(argv[1], "batches"))
		in_batches(s);
	one_by_one(s);
}
