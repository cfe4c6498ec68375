/* SPDX-License-Identifier: MIT */
/* A tap of Linux: a system call a frame. Its offloads are asked for as a virtual machine's device would. */
#include "bench/native/client/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "bench/load/client.h"

#define TCP_START 34
#define SUM_OFFSET 16
#define PATIENCE_NS 2000000000u

struct packet {
	struct virtio_net_hdr header;
	uint8_t frame[WIRE_FRAME_MAX];
};

static int tap;
static struct packet in[WIRE_BURST], out_packet;

/* Frames are taken in by a kernel thread; said before the first one, for one that is under way then would be forgotten. */
static void want_thread(const char *name)
{
	char path[64];
	int fd;

	(void)snprintf(path, sizeof(path), "/sys/class/net/%s/threaded", name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "1", 1) != 1)
		die("%s: %s", path, strerror(errno));
	close(fd);
}

int wire_open(int argc, char **argv, bool has_checksums)
{
	struct ifreq r = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	bool is_napi = argc > 3 && !strcmp(argv[2], "napi");
	int words = is_napi ? 3 : 2;

	if (argc <= words || strcmp(argv[words], "--"))
		die("the name of the tap comes first, perhaps 'napi', then --");
	if (is_napi)
		r.ifr_flags |= IFF_NAPI; /* as a card's, with GRO */
	(void)snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", argv[1]);
	tap = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (tap < 0 || ioctl(tap, TUNSETIFF, &r) || ioctl(tap, TUNSETOFFLOAD, has_checksums ? TUN_F_CSUM : 0))
		die("%s: %s", r.ifr_name, strerror(errno));
	if (is_napi)
		want_thread(r.ifr_name);
	if (has_checksums)
		out_packet.header = (struct virtio_net_hdr){ .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
							     .csum_start = TCP_START,
							     .csum_offset = SUM_OFFSET };
	return words;
}

unsigned wire_receive(struct wire_frame *out, unsigned max)
{
	unsigned n = 0;

	while (n < max && n < WIRE_BURST) {
		ssize_t got = read(tap, &in[n], sizeof(in[n]));

		if (got < (ssize_t)sizeof(in[n].header))
			break;
		out[n] = (struct wire_frame){ in[n].frame, (uint32_t)got - (uint32_t)sizeof(in[n].header) };
		n++;
	}
	return n;
}

uint8_t *wire_room(void)
{
	return out_packet.frame;
}

void wire_send(uint32_t bytes)
{
	ssize_t all = (ssize_t)(offsetof(struct packet, frame) + bytes);
	uint64_t since = clock_ns();

	while (write(tap, &out_packet, (size_t)all) != all)
		if ((errno != EAGAIN && errno != EINTR) || clock_ns() - since > PATIENCE_NS)
			die("the tap takes no frame: %s", strerror(errno));
}

void wire_flush(void)
{
}
