/* SPDX-License-Identifier: MIT */
/*
 * What the guest's network device is connected to. Everything that another program or a missing
 * permission could spoil is tried here first, so that the message is ours and names the remedy.
 */
#include "hostctl/base/say.h"
#include "hostctl/base/words.h"
#include "hostctl/machine/argv.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* Where QEMU does not move the frames itself it allows more of them under way; 256 are too few for a busy core. */
#define RINGS ",tx_queue_size=1024"

int machine_parse_net(struct machine *m, const char *text, struct err *err)
{
	static const char *const forms[] = {
		[MACHINE_NET_USER] = "user",
		[MACHINE_NET_TAP] = "tap=",
		[MACHINE_NET_VHOST_USER] = "vhost-user=",
	};

	for (unsigned i = 0; i < 3; i++) {
		size_t n = strlen(forms[i]);
		bool takes_name = forms[i][n - 1] == '=';

		if (strncmp(text, forms[i], n) != 0 || (text[n] != '\0') != takes_name)
			continue;
		m->net = (enum machine_net)i;
		m->net_name = text + n;
		return 0;
	}
	return err_set(err, STATUS_USAGE, "--net: expected user, tap=INTERFACE or vhost-user=SOCKET, got %s", text);
}

int machine_parse_accel(struct machine *m, const char *text, struct err *err)
{
	static const char *const names[] = { "auto", "kvm", "tcg" };

	for (unsigned i = 0; i < 3; i++) {
		if (strcmp(text, names[i]) == 0) {
			m->accel = (enum machine_accel)i;
			return 0;
		}
	}
	return err_set(err, STATUS_USAGE, "--accel: expected auto, kvm or tcg, got %s", text);
}

int machine_parse_forward(struct machine_forward *out, const char *text, struct err *err)
{
	char *copy = strdup(text);
	char *slash, *guest, *host;
	uint8_t addr[4];
	uint64_t host_port = 0, guest_port = 0;
	bool is_good;

	if (copy == NULL)
		return err_set(err, STATUS_MACHINE, "out of memory");
	slash = strchr(copy, '/');
	guest = strrchr(copy, ':');
	is_good = guest != NULL;
	snprintf(out->host, sizeof(out->host), "127.0.0.1");
	out->is_udp = false;
	if (slash != NULL) {
		*slash++ = '\0';
		out->is_udp = strcmp(slash, "udp") == 0;
		is_good &= out->is_udp || strcmp(slash, "tcp") == 0;
	}
	if (is_good) {
		*guest++ = '\0';
		host = strrchr(copy, ':');
		if (host != NULL) {
			*host++ = '\0';
			is_good = words_ipv4(copy, addr);
			snprintf(out->host, sizeof(out->host), "%.15s", copy);
		} else {
			host = copy;
		}
		is_good = is_good && words_number(host, 0, 65535, &host_port) &&
			  words_number(guest, 1, 65535, &guest_port);
	}
	out->host_port = (uint16_t)host_port;
	out->guest_port = (uint16_t)guest_port;
	free(copy);
	if (!is_good)
		return err_set(err, STATUS_USAGE,
			       "-p: expected [ADDRESS:]HOSTPORT:GUESTPORT[/udp], like 7007:7, got %s", text);
	return 0;
}

/* Binds as QEMU will, gives a chosen port back, and lets go again. */
static int check_forward(struct machine_forward *f, struct err *err)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = htons(f->host_port) };
	int fd = socket(AF_INET, (f->is_udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0);
	socklen_t length = sizeof(addr);
	int one = 1;
	int why = 0;

	inet_pton(AF_INET, f->host, &addr.sin_addr);
	if (!f->is_udp)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, length) != 0 || (!f->is_udp && listen(fd, 1) != 0) ||
	    getsockname(fd, (struct sockaddr *)&addr, &length) != 0)
		why = errno;
	if (fd >= 0)
		close(fd);
	if (why == EADDRINUSE)
		return err_set(err, STATUS_USAGE,
			       "port %u/%s of %s is in use (`ss -lp 'sport = :%u'` shows by whom): choose "
			       "another, like -p %u:%u",
			       f->host_port, f->is_udp ? "udp" : "tcp", f->host, f->host_port,
			       f->host_port < 55535 ? f->host_port + 10000 : 7007, f->guest_port);
	if (why != 0)
		return err_set(err, STATUS_USAGE, "cannot listen on %s:%u: %s%s", f->host, f->host_port, strerror(why),
			       why == EACCES ? " (ports below 1024 need root)" : "");
	f->host_port = ntohs(addr.sin_port);
	return 0;
}

static int add_user(struct command *c, struct machine *m, struct err *err)
{
	char *text = strdup("user,id=net0,ipv6=off");

	for (unsigned i = 0; i < m->forward_count; i++) {
		struct machine_forward *f = &m->forwards[i];
		char *more = NULL;

		for (unsigned j = 0; j < i; j++) {
			struct machine_forward *g = &m->forwards[j];

			if (g->host_port == f->host_port && g->host_port != 0 && g->is_udp == f->is_udp &&
			    strcmp(g->host, f->host) == 0) {
				free(text);
				return err_set(err, STATUS_USAGE, "-p: host port %u is given twice", f->host_port);
			}
		}
		if (check_forward(f, err) != 0 ||
		    asprintf(&more, "%s,hostfwd=%s:%s:%u-:%u", text, f->is_udp ? "udp" : "tcp", f->host, f->host_port,
			     f->guest_port) < 0) {
			free(text);
			return err_set(err, STATUS_MACHINE, "out of memory");
		}
		free(text);
		text = more;
	}
	argv_add(&c->argv, "-netdev", "%s", text);
	free(text);
	return 0;
}

static int add_tap(struct command *c, struct machine *m, struct err *err)
{
	int *fds = c->argv.fds + c->argv.fd_count;
	struct blob list = { 0 };
	int n;

	if (c->argv.fd_count + m->cpus > ARGV_FDS_MAX)
		return err_set(err, STATUS_USAGE, "--cpus: too many for a tap");
	n = tap_open(m->net_name, m->cpus, fds, err);
	if (n < 0)
		return -1;
	c->argv.fd_count += (unsigned)n;
	for (int i = 0; i < n; i++) {
		char digits[16];

		snprintf(digits, sizeof(digits), "%s%d", i == 0 ? "" : ":", fds[i]);
		blob_add(&list, digits, strlen(digits));
	}
	c->queues = (unsigned)n;
	if (c->queues < m->cpus)
		say("%s has one queue, core 0 will hand packets over to the others; for one a core: "
		    "ip tuntap add %s mode tap multi_queue",
		    m->net_name, m->net_name);
	argv_add(&c->argv, "-netdev", "tap,id=net0,%s=%.*s", n == 1 ? "fd" : "fds", (int)list.bytes,
		 (const char *)list.data);
	blob_fini(&list);
	return 0;
}

/* QEMU listens, the switch connects: OVS calls such a port dpdkvhostuserclient. */
static int add_vhost_user(struct command *c, struct machine *m, struct err *err)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	const char *path = m->net_name;
	struct stat st;

	if (strlen(path) >= sizeof(addr.sun_path) || strchr(path, ',') != NULL)
		return err_set(err, STATUS_USAGE,
			       "--net vhost-user: expected a path of at most %zu bytes without commas, "
			       "got %s",
			       sizeof(addr.sun_path) - 1, path);
	if (lstat(path, &st) == 0) {
		int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		bool is_live;

		memcpy(addr.sun_path, path, strlen(path));
		is_live = connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0;
		close(fd);
		if (!S_ISSOCK(st.st_mode) || is_live)
			return err_set(err, STATUS_USAGE,
				       "--net vhost-user: %s %s; QEMU makes this socket and the switch "
				       "connects to it (OVS: type=dpdkvhostuserclient)",
				       path, is_live ? "is in use" : "is no socket");
		unlink(path);
	}
	c->socket = strdup(path);
	c->queues = m->cpus;
	argv_add(&c->argv, "-chardev", "socket,id=vhost0,path=%s,server=on", path);
	argv_add(&c->argv, "-netdev", "vhost-user,id=net0,chardev=vhost0,queues=%u", c->queues);
	say("waiting for the switch to connect to %s", path);
	return 0;
}

int net_add(struct command *c, struct machine *m, struct err *err)
{
	unsigned char digest[SHA256_DIGEST_LENGTH] = { 0x12, 0x34, 0x56 };
	char multi[40] = "";
	int result = -1;

	c->queues = 1;
	switch (m->net) {
	case MACHINE_NET_USER:
		result = add_user(c, m, err);
		break;
	case MACHINE_NET_TAP:
		result = add_tap(c, m, err);
		break;
	case MACHINE_NET_VHOST_USER:
		result = add_vhost_user(c, m, err);
		break;
	}
	if (result != 0)
		return -1;
	/* The same interface gives the same address, so that neighbours need not learn a new one. */
	if (m->net != MACHINE_NET_USER)
		SHA256((const unsigned char *)m->net_name, strlen(m->net_name), digest);
	if (c->queues > 1)
		snprintf(multi, sizeof(multi), ",mq=on,vectors=%u", 2 * c->queues + 2);
	argv_add(&c->argv, "-device",
		 "virtio-net-pci,netdev=net0,disable-legacy=on,romfile=,mac=52:54:00:%02x:%02x:%02x%s%s", digest[0],
		 digest[1], digest[2], multi, m->net == MACHINE_NET_VHOST_USER ? RINGS : "");
	return 0;
}
