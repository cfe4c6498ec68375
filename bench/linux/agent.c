/* SPDX-License-Identifier: MIT */
/*
 * What a distribution's udev rules do when processors of a Linux guest come and go, and no more, so that what is measured is
 * Linux: told by the kernel itself (uevents, without any polling) that one has been added it sets it to work, and when the
 * number of those at work has changed it gives the network card a queue pair for each, unless there are to be all, always.
 *   agent follow|fixed
 */
#define _GNU_SOURCE
#include "bench/linux/queues.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define MESSAGE_BYTES 8192
#define ADDED "add@/devices/system/cpu/cpu"
#define CHANGED "@/devices/system/cpu/cpu"

static _Noreturn void fail(const char *what)
{
	fprintf(stderr, "agent: %s: %s\n", what, strerror(errno));
	_exit(1);
}

static void set_to_work(unsigned long cpu)
{
	char path[96];
	int fd;

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%lu/online", cpu);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "1", 1) != 1)
		fprintf(stderr, "agent: %s: %s\n", path, strerror(errno)); /* it may have been taken back already */
	if (fd >= 0)
		close(fd);
}

static int uevents(void)
{
	struct sockaddr_nl a = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	int s = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);

	if (s < 0 || bind(s, (struct sockaddr *)&a, sizeof(a)))
		fail("uevents");
	return s;
}

int main(int argc, char **argv)
{
	static char message[MESSAGE_BYTES];
	bool is_fixed = argc == 2 && !strcmp(argv[1], "fixed");
	int events = uevents(), s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	mkdir("/sys", 0755);
	if (mount("sysfs", "/sys", "sysfs", 0, NULL))
		fail("/sys");
	for (;;) {
		const char *cpu;
		ssize_t n = recv(events, message, sizeof(message) - 1, 0);

		if (n < 0 && errno != EINTR && errno != ENOBUFS)
			fail("uevents");
		if (n <= 0)
			continue;
		message[n] = 0;
		cpu = message + sizeof(ADDED) - 1;
		if (!strncmp(message, ADDED, sizeof(ADDED) - 1) && !cpu[strspn(cpu, "0123456789")])
			set_to_work(strtoul(cpu, NULL, 10));
		else if (!is_fixed && strstr(message, CHANGED) &&
			 queues_set(s, (unsigned)sysconf(_SC_NPROCESSORS_ONLN)))
			fail("queues");
	}
}
