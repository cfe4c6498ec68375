/* SPDX-License-Identifier: MIT */
/* Open vSwitch's tools and what its database says. Private to hostctl/sw. */
#pragma once
#include "hostctl/sw/sw.h"
#include <jansson.h>

#define OVS_TIMEOUT_S 20
#define OVS_PROTOCOL "OpenFlow14" /* bundles: all flows change at once, or none */
#define OVS_ADDRESS_TEXT 24

/* A port of the bridge. */
struct ovs_port {
	char name[16];
	int32_t number;                   /* OpenFlow port; -1: not taken up by the daemon */
	char guest[33];                   /* "": not a guest's: the host or the world behind it */
	uint8_t mac[6];                   /* a guest's; the host's own port: that of the host's end */
	uint8_t address[4], address6[16]; /* all zero: none */
	bool is_dhcp;                     /* it asks for its address */
	char allow[SW_ALLOWED_MAX][33];
	unsigned allow_count;
};

struct ovs_ports {
	unsigned count;
	struct ovs_port port[]; /* in order of their numbers */
};

/** ovs_vsctl() - `ovs-vsctl WORD...`, the last of them NULL; @out: its stdout on the heap, NULL if not wanted. */
int ovs_vsctl_words(char **out, struct err *err, const char *const *words);
#define ovs_vsctl(out, err, ...) ovs_vsctl_words((out), (err), (const char *const[]){ __VA_ARGS__ })

/** ovs_rows() - `ovs-vsctl list TABLE` as an array of objects by column (new reference); sets and maps are arrays and objects. */
json_t *ovs_rows(const char *table, const char *columns, struct err *err);

/** ovs_ports() - all ports of the bridge, on the heap. NULL with @err. */
struct ovs_ports *ovs_ports(struct err *err);

/** ovs_host_mac() - of the host's end of the veth. False: there is none. */
bool ovs_host_mac(uint8_t mac[6]);
