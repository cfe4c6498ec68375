/* SPDX-License-Identifier: MIT */
/*
 * In: what guests' ports should be. Out: an Open vSwitch that has them. Through ovs-vsctl, ovs-ofctl and nft, never
 * a shell; every call says all of what should be, so that it may be repeated. Who calls: ixd, host. Start reading at sw.c.
 */
#pragma once
#include "hostctl/base/err.h"
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define SW_BRIDGE "ix0"
#define SW_HOST_LINK "ixhost"    /* the host's end of the veth */
#define SW_HOST_PORT "ixhost-br" /* the bridge's end */
#define SW_ALLOWED_MAX 16u
#define SW_PUBLISH_MAX 32u

/* A port of the host that leads to one of a guest. */
struct sw_publish {
	uint8_t host[4]; /* all zero: any address of the host */
	uint16_t host_port, guest_port;
	bool is_udp;
};

/* What a guest's port should be. */
struct sw_port {
	const char *guest;  /* its name */
	const char *socket; /* that QEMU listens on */
	unsigned queue_pairs;
	uint8_t mac[6];
	uint8_t address[4]; /* IPv4 it may use, all zero: what DHCP gives it, learnt by the switch */
	uint8_t address6
		[16];       /* all zero: its link-local address and what routers advertise under its own interface id */
	uint32_t rate_mbit; /* 0: no limit */
	const char *allow[SW_ALLOWED_MAX]; /* guests it may talk to */
	unsigned allow_count;
};

/* What the switch knows of a port. */
struct sw_state {
	bool is_there, is_linked; /* the port exists; a guest is connected */
	int32_t number;           /* OpenFlow port, -1: none */
	char error[160];          /* what OVS complains about, "" */
	uint64_t rx_frames, rx_bytes, tx_frames, tx_bytes, rx_dropped, tx_dropped;
	uint64_t spoofed;   /* frames refused because their source was not the guest's */
	uint64_t forbidden; /* frames to guests it may not talk to */
};

/** sw_is_up() - whether database and daemon answer and the bridge is there; else -1 with @err that says which is not. */
int sw_is_up(struct err *err);

/** sw_host_setup() - bridge, veth, the host's @address on it ("10.77.0.1/16"). sw_host_teardown(): away with all of it. */
int sw_host_setup(const char *address, struct err *err);
int sw_host_teardown(struct err *err);

/** sw_port_set() - port and its flows as @port says, whatever there was. Return: 0, or -1 with @err. */
int sw_port_set(const struct sw_port *port, struct err *err);
/** sw_port_remove() - port, flows, mirrors; fine if there is none. */
int sw_port_remove(const char *guest, struct err *err);
/** sw_port_state() - 0, or -1 with @err when the switch does not answer. */
int sw_port_state(const char *guest, struct sw_state *out, struct err *err);
/** sw_flows_are_there() - whether the flows of the port of @guest are installed (they are gone after the daemon restarted). */
int sw_flows_are_there(const char *guest, bool *are, struct err *err);

/** sw_mirror_start() - a tap named @link on the bridge that gets a copy of all that @guest sends and receives. sw_mirror_stop(). */
int sw_mirror_start(const char *guest, const char *link, struct err *err);
int sw_mirror_stop(const char *link, struct err *err);

/* A guest whose ports are published. */
struct sw_published {
	uint8_t address[4];
	unsigned count;
	struct sw_publish publish[SW_PUBLISH_MAX];
};
/** sw_publish() - the nftables table `inet ix`, all of it, at once: these @count guests and nothing else. */
int sw_publish(const struct sw_published *guests, unsigned count, struct err *err);
