/* SPDX-License-Identifier: MIT */
/*
 * In: what guests' ports should be. Out: an Open vSwitch that has them. Through ovs-vsctl, ovs-ofctl and nft, never a shell.
 * What a port should be is kept in OVS's own database (external_ids of its interface), and all flows of the bridge are made
 * anew from there, so that nothing of it need be remembered here and every call may be repeated. Who calls: ixd, host.
 * Start reading at port.c, then flows.c.
 */
#pragma once
#include "hostctl/base/err.h"
#include <stdbool.h>
#include <stdint.h>

#define SW_BRIDGE "ix0"
#define SW_MANAGED \
	"unix:ix0.mgmt"       /* its OpenFlow socket, in the folder of the switch, whatever file there is of the name */
#define SW_HOST_LINK "ixhost" /* the host's end of the veth */
#define SW_HOST_PORT "ixhost-br" /* the bridge's end */
#define SW_PORTS_MAX 1024u
#define SW_ALLOWED_MAX 16u
#define SW_PUBLISH_MAX 32u
#define SW_OFFERED_MAX 16u
#define SW_KBIT_A_MBIT 1000u

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
	uint8_t mac[6];
	uint8_t address[4], address6[16];  /* it may use, all zero: none; IPv6 beside those of its interface id */
	bool is_dhcp;                      /* it asks a DHCP server for its IPv4 address */
	uint32_t rate_mbit;                /* that it may send, 0: no limit */
	const char *allow[SW_ALLOWED_MAX]; /* guests it may talk to, if they allow it, too */
	unsigned allow_count;
};

/* What the switch knows of a port. */
struct sw_state {
	bool is_there, is_linked; /* the port exists; a guest is connected */
	int32_t number;           /* OpenFlow port, -1: none */
	char error[160];          /* what OVS complains about, "" */
	uint64_t rx_frames, rx_bytes, tx_frames, tx_bytes, rx_dropped, tx_dropped; /* rx: from the guest */
	bool is_dhcp;       /* it asks a DHCP server for its address */
	uint8_t address[4]; /* that it may use, all zero: none yet */
	unsigned offered_count;
	uint8_t offered[SW_OFFERED_MAX][4]; /* to it, lately, by a DHCP server that is no guest */
	uint64_t spoofed;                   /* frames from the guest refused because their source was not its own */
	uint64_t forbidden;                 /* frames from the guest to guests that it may not talk to */
	uint64_t flooded;                   /* frames from the guest to everybody that were too many */
	uint64_t limited;                   /* frames from the guest above its rate */
	uint32_t rate_mbit;                 /* that it may send, 0: no limit */
};

/** sw_is_up() - whether database and daemon answer and the bridge is there; else -1 with @err that says which is not. */
int sw_is_up(struct err *err);

/**
 * sw_host_setup() - bridge and veth, with @address of the host on it ("10.77.0.1/16"); checksums of what it sends are made in
 * software, since what OVS takes from a veth by AF_PACKET has none otherwise. sw_host_teardown(): away with all of it.
 */
int sw_host_setup(const char *address, struct err *err);
int sw_host_teardown(struct err *err);

/**
 * sw_port_set() - port and flows as @port says, whatever there was before
 * A socket where nobody listens yet is tried again once a second [DPDK rte_vhost, vhost_user_client_reconnect()].
 */
int sw_port_set(const struct sw_port *port, struct err *err);
/** sw_port_announce() - the port stands in the database, for who looks for it there, and has neither device nor flows. */
int sw_port_announce(const struct sw_port *port, struct err *err);
/** sw_port_address() - @guest may use @address from now on; what else its port is stays. */
int sw_port_address(const char *guest, const uint8_t address[4], struct err *err);
/** sw_port_remove() - the port and its flows; fine if there is none. */
int sw_port_remove(const char *guest, struct err *err);
/** sw_flows() - make all flows of the bridge what the database says; after the daemon was away they are gone. */
int sw_flows(struct err *err);

/* All guests' ports at one moment. */
struct sw_states {
	bool is_alive;  /* the daemon answers; else only its database does, no frame passes, and nothing is counted */
	bool has_flows; /* false: sw_flows() has to make them again */
	uint64_t ports; /* which ports have which numbers, as a sum: when it changes, sw_flows() is due, too */
	unsigned count;
	struct sw_guest_state {
		char name[33];
		struct sw_state state;
	} guest[];
};
/** sw_states() - on the heap, or NULL with @err when the database does not answer. Three programs are started, however many guests,
 * and a fourth while a port is said to be down. */
struct sw_states *sw_states(struct err *err);
/** sw_states_of() - that of @guest; without a port: one that is not there. Valid as long as @states. */
const struct sw_state *sw_states_of(const struct sw_states *states, const char *guest);

/** sw_mirror_start() - a tap @link on the bridge gets a copy of what @guest sends and receives. sw_mirror_stop(): fine if none. */
int sw_mirror_start(const char *guest, const char *link, struct err *err);
int sw_mirror_stop(const char *link, struct err *err);
/** sw_mirror_sweep() - away with all mirrors but those whose link begins with @ours. */
int sw_mirror_sweep(const char *ours, struct err *err);

/* A guest whose ports are published. */
struct sw_published {
	uint8_t address[4];
	unsigned count;
	struct sw_publish publish[SW_PUBLISH_MAX];
};
/** sw_publish() - the nftables table `ip ix`, all of it at once: these @count guests' ports and nothing else. */
int sw_publish(const struct sw_published *guests, unsigned count, struct err *err);

/** sw_pollers() - CPUs of the threads that poll, as the database has them ("0x2"), on the heap; "": the switch's own choice. NULL with @err. */
char *sw_pollers(struct err *err);
