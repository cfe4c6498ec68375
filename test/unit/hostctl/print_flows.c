/* SPDX-License-Identifier: MIT */
/*
 * print_flows [world] [change FILE]: the flow table of a small host, which test/system/flows.py gives to an Open vSwitch to send frames
 * through; with "change" what makes it so, when FILE has the differences.
 */
#include "hostctl/sw/flows.h"
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct ovs_port *add_port(struct ovs_ports *ports, int32_t number, const char *name, const char *guest)
{
	struct ovs_port *p = &ports->port[ports->count++];

	p->number = number;
	snprintf(p->name, sizeof(p->name), "%s", name);
	snprintf(p->guest, sizeof(p->guest), "%s", guest);
	memcpy(p->mac, (uint8_t[]){ 2, 0x49, 0x58, 0, 0, (uint8_t)number }, 6);
	if (*guest != '\0')
		memcpy(p->address, (uint8_t[]){ 10, 77, 0, (uint8_t)number }, 4);
	return p;
}

static void allow(struct ovs_port *p, const char *guest)
{
	snprintf(p->allow[p->allow_count++], sizeof(p->allow[0]), "%s", guest);
}

static char *change(const char *path, const struct ovs_ports *ports)
{
	struct err err = { 0 };
	struct blob diff = { 0 };
	char *text;

	if (blob_read(&diff, path, 1 << 20, &err) != 0)
		exit(1);
	blob_add(&diff, "", 1);
	text = flows_change((const char *)diff.data, ports);
	blob_fini(&diff);
	return text;
}

int main(int argc, char **argv)
{
	struct ovs_ports *ports = calloc(1, sizeof(*ports) + 8 * sizeof(ports->port[0]));
	struct ovs_port *web, *db;
	char *flows;

	if (ports == NULL)
		return 1;
	add_port(ports, 1, SW_HOST_PORT, "");
	web = add_port(ports, 2, "ix02", "web");
	db = add_port(ports, 3, "ix03", "db");
	add_port(ports, 4, "ix04", "other");
	inet_pton(AF_INET6, "fd07::abc", ports->port[3].address6);
	add_port(ports, 5, "ix05", "lease")->is_dhcp = true;
	memset(ports->port[4].address, 0, 4);
	allow(web, "db");
	allow(db, "web");
	allow(web, "other"); /* which does not allow it */
	if (argc > 1 && strcmp(argv[1], "world") == 0)
		add_port(ports, 9, "eth0", "");
	flows = argc > 2 && strcmp(argv[argc - 2], "change") == 0 ? change(argv[argc - 1], ports) : flows_write(ports);
	fputs(flows, stdout);
	free(flows);
	free(ports);
	return 0;
}
