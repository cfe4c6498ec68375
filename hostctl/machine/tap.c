/* SPDX-License-Identifier: MIT */
/*
 * Tap interfaces are opened here and handed to QEMU as descriptors, one a queue. Opening a tap that
 * does not exist would make one, and a multi-queue tap opens only as such; both are settled before
 * QEMU starts. [Linux Documentation/networking/tuntap]
 */
#include "hostctl/base/say.h"
#include "hostctl/machine/argv.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* Return: a descriptor or -errno. */
static int open_queue(const char *name, bool is_multi)
{
	struct ifreq request = { 0 };
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return -errno;
	memcpy(request.ifr_name, name, strlen(name));
	request.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
	if (is_multi)
		request.ifr_flags |= IFF_MULTI_QUEUE;
	if (ioctl(fd, TUNSETIFF, &request) != 0) {
		int why = errno;

		close(fd);
		return -why;
	}
	return fd;
}

static int refuse(const char *name, int why, struct err *err)
{
	switch (why) {
	case EPERM:
	case EACCES:
		return err_set(err, STATUS_USAGE,
			       "--net tap=%s: not permitted: run as root, or let root make it yours: "
			       "ip tuntap add %s mode tap user $USER multi_queue",
			       name, name);
	case EBUSY:
		return err_set(err, STATUS_USAGE,
			       "--net tap=%s: in use by another program: stop that, or use another tap", name);
	case ENOENT:
	case ENODEV:
		return err_set(err, STATUS_USAGE,
			       "--net tap=%s: there is no /dev/net/tun: load the module tun (modprobe tun)", name);
	case EINVAL:
		return err_set(err, STATUS_USAGE, "--net tap=%s: expected a tap interface, got another kind", name);
	default:
		return err_set(err, STATUS_USAGE, "--net tap=%s: %s", name, strerror(why));
	}
}

static void warn_if_down(const char *name)
{
	struct ifreq request = { 0 };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	memcpy(request.ifr_name, name, strlen(name));
	if (fd >= 0 && ioctl(fd, SIOCGIFFLAGS, &request) == 0 && (request.ifr_flags & IFF_UP) == 0)
		say("%s is down, nothing will reach the guest before `ip link set %s up`", name, name);
	if (fd >= 0)
		close(fd);
}

int tap_open(const char *name, unsigned want, int *fds, struct err *err)
{
	unsigned count = 0;
	bool is_multi = want > 1;
	int fd;

	if (strlen(name) >= IFNAMSIZ || if_nametoindex(name) == 0)
		return err_set(err, STATUS_USAGE,
			       "--net tap=%s: there is no such interface: ip tuntap add %s mode tap "
			       "multi_queue && ip link set %s up",
			       name, name, name);
	fd = open_queue(name, is_multi);
	if (fd == -EINVAL) {
		is_multi = !is_multi;
		fd = open_queue(name, is_multi);
	}
	if (fd < 0)
		return refuse(name, -fd, err);
	fds[count++] = fd;
	while (is_multi && count < want) {
		fd = open_queue(name, true);
		if (fd < 0) {
			while (count > 0)
				close(fds[--count]);
			return refuse(name, -fd, err);
		}
		fds[count++] = fd;
	}
	warn_if_down(name);
	return (int)count;
}
