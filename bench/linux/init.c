/* SPDX-License-Identifier: MIT */
/*
 * The first and only process of the Linux guest before the service: the shortest way from the kernel to a TCP server, so
 * that what is measured is Linux and not a distribution. Address by the kernel command line: bench.ip=A.B.C.D (a /24);
 * bench.udp=single or batches: how datagrams are echoed, too; bench.threads=N: an argument of the service; bench.agent=follow
 * or fixed: with a program beside it that looks after processors that come and go; fixed: all queues of the card from the start.
 */
#define _GNU_SOURCE
#include "bench/linux/queues.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <net/if.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NIC_WAIT_MS 5000
#define FILES_MAX 200000u

/* In the order of their needs. */
static const char *const modules[] = {
	"virtio_ring",           "virtio",     "failover",  "net_failover", "virtio_pci_modern_dev",
	"virtio_pci_legacy_dev", "virtio_pci", "virtio_net"
};

static _Noreturn void fail(const char *what)
{
	fprintf(stderr, "init: %s: %s\n", what, strerror(errno));
	_exit(1);
}

static void load_module(const char *name)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/modules/%s.ko", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || syscall(SYS_finit_module, fd, "", 0))
		fail(path);
	close(fd);
}

/* What follows @key in the kernel's command line, NULL if it is not there. */
static const char *word_of_cmdline(const char *key)
{
	static char line[2048];
	const char *word;
	int fd = open("/proc/cmdline", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, line, sizeof(line) - 1);

	if (n <= 0)
		fail("/proc/cmdline");
	close(fd);
	line[n] = 0;
	for (word = strtok(line, " \n"); word; word = strtok(NULL, " \n"))
		if (!strncmp(word, key, strlen(key)))
			return word + strlen(key);
	return NULL;
}

static struct in_addr address_from_cmdline(void)
{
	const char *text = word_of_cmdline("bench.ip=");
	struct in_addr a;

	if (text && inet_pton(AF_INET, text, &a) == 1)
		return a;
	errno = EINVAL;
	fail("bench.ip= on the command line");
}

/* Datagrams are another process's; it sleeps for ever if there are none. */
static void start_udp(void)
{
	const char *how = word_of_cmdline("bench.udp=");

	if (!how || fork())
		return;
	execl("/echo_udp", "echo_udp", how, (char *)NULL);
	fail("/echo_udp");
}

static void start_agent(void)
{
	const char *how = word_of_cmdline("bench.agent=");

	if (!how || fork())
		return;
	execl("/agent", "agent", how, (char *)NULL);
	fail("/agent");
}

/* The device appears some time after its driver. */
static void wait_for_nic(int s)
{
	for (int ms = 0; ms < NIC_WAIT_MS; ms++) {
		struct ifreq r = { .ifr_name = NIC };

		if (!ioctl(s, SIOCGIFINDEX, &r))
			return;
		usleep(1000);
	}
	fail(NIC);
}

/* A queue pair for each CPU, or as many as there are. */
static void set_queues(int s)
{
	const char *how = word_of_cmdline("bench.agent=");
	bool is_fixed = how && !strcmp(how, "fixed");
	cpu_set_t cpus;

	if (sched_getaffinity(0, sizeof(cpus), &cpus) ||
	    queues_set(s, is_fixed ? UINT_MAX : (unsigned)CPU_COUNT(&cpus)))
		fail("channels");
}

static void set_address(int s, unsigned long request, struct in_addr a)
{
	struct ifreq r = { .ifr_name = NIC };
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr = a };

	memcpy(&r.ifr_addr, &in, sizeof(in));
	if (ioctl(s, request, &r))
		fail("address");
}

static void set_up(int s, const char *name)
{
	struct ifreq r = { 0 };

	strcpy(r.ifr_name, name);
	if (ioctl(s, SIOCGIFFLAGS, &r))
		fail(name);
	r.ifr_flags |= IFF_UP;
	if (ioctl(s, SIOCSIFFLAGS, &r))
		fail(name);
}

static void set_number(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, value, strlen(value)) < 0)
		fail(path);
	close(fd);
}

int main(void)
{
	struct rlimit files = { FILES_MAX, FILES_MAX };
	int s;

	mkdir("/proc", 0755);
	if (mount("proc", "/proc", "proc", 0, NULL))
		fail("/proc");
	for (size_t i = 0; i < sizeof(modules) / sizeof(modules[0]); i++)
		load_module(modules[i]);
	s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	wait_for_nic(s);
	set_queues(s);
	set_up(s, "lo");
	set_address(s, SIOCSIFADDR, address_from_cmdline());
	set_address(s, SIOCSIFNETMASK, (struct in_addr){ htonl(0xffffff00u) });
	set_up(s, NIC);
	/* Many clients may connect at once, and no cookie may change what a connection costs. */
	set_number("/proc/sys/net/ipv4/tcp_max_syn_backlog", "8192");
	set_number("/proc/sys/net/core/somaxconn", "8192");
	set_number("/proc/sys/net/ipv4/tcp_syncookies", "0");
	setrlimit(RLIMIT_NOFILE, &files);
	start_udp();
	start_agent();
	execl("/echo", "echo", word_of_cmdline("bench.threads="), (char *)NULL);
	fail("/echo");
}
