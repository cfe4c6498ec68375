/* SPDX-License-Identifier: MIT */
/* What the kernel is asked for that. */
#include "bench/linux/listen.h"
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 4096

int listen_on(uint16_t port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port) };
	int s = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;

	if (s < 0)
		return -1;
	setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	setsockopt(s, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
	setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* what it accepts inherits this */
	if (bind(s, (struct sockaddr *)&a, sizeof(a)) == 0 && listen(s, BACKLOG) == 0)
		return s;
	close(s);
	return -1;
}
