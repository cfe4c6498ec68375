/* SPDX-License-Identifier: MIT */
/* A guest's port: what it should be goes into the database in one transaction, its flows follow from there. */
#include "hostctl/base/exec.h"
#include "hostctl/base/name.h"
#include "hostctl/base/say.h"
#include "hostctl/sw/flows.h"
#include "hostctl/sw/meters.h"
#include <arpa/inet.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BURST_PART 10u /* of a second, at the rate */
#define DIFFERENT 2    /* of diff-flows */

/* "external_ids:KEY=\"VALUE\"", on the heap: no value can become two. */
static char *id_word(const char *key, const char *value)
{
	char *word;

	if (asprintf(&word, "external_ids:%s=\"%s\"", key, value) < 0)
		abort();
	return word;
}

static char *allow_word(const struct sw_port *p)
{
	struct blob list = { 0 };
	char *word;

	for (unsigned i = 0; i < p->allow_count; i++) {
		blob_add(&list, ",", i > 0 ? 1 : 0);
		blob_add(&list, p->allow[i], strlen(p->allow[i]));
	}
	blob_add(&list, "", 1);
	word = id_word("ix-allow", (const char *)list.data);
	blob_fini(&list);
	return word;
}

static char *number_word(const char *key, uint64_t value)
{
	char *word;

	if (asprintf(&word, "%s=%" PRIu64, key, value) < 0)
		abort();
	return word;
}

/* What stands in the database. A type that OVS does not know has no device. */
static int put(const struct sw_port *p, const char *type, struct err *err)
{
	char name[13], mac[18], address[20], address6[INET6_ADDRSTRLEN];
	char *words[8], *path;
	int result;

	name_port(p->guest, name);
	snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", p->mac[0], p->mac[1], p->mac[2], p->mac[3],
		 p->mac[4], p->mac[5]);
	snprintf(address, sizeof(address), "%u.%u.%u.%u", p->address[0], p->address[1], p->address[2], p->address[3]);
	words[0] = id_word("ix-guest", p->guest);
	words[1] = id_word("ix-mac", mac);
	words[2] = id_word("ix-address", address);
	words[3] = allow_word(p);
	words[6] = id_word("ix-address6", inet_ntop(AF_INET6, p->address6, address6, sizeof(address6)));
	words[7] = id_word("ix-dhcp", p->is_dhcp ? "true" : "false");
	words[4] = number_word("ingress_policing_rate", (uint64_t)p->rate_mbit * SW_KBIT_A_MBIT);
	words[5] = number_word("ingress_policing_burst", (uint64_t)p->rate_mbit * SW_KBIT_A_MBIT / BURST_PART);
	if (asprintf(&path, "options:vhost-server-path=\"%s\"", p->socket) < 0)
		abort();
	result = ovs_vsctl(NULL, err, "--may-exist", "add-port", SW_BRIDGE, name, "--", "set", "Interface", name, type,
			   path, "other_config:tx-steering=hash", words[0], words[1], words[2], words[3], words[4],
			   words[5], words[6], words[7], NULL);
	for (unsigned i = 0; i < 8; i++)
		free(words[i]);
	free(path);
	return result;
}

int sw_port_set(const struct sw_port *p, struct err *err)
{
	return put(p, "type=dpdkvhostuserclient", err) == 0 ? sw_flows(err) : -1;
}

int sw_port_announce(const struct sw_port *p, struct err *err)
{
	return put(p, "type=announced", err);
}

int sw_port_address(const char *guest, const uint8_t address[4], struct err *err)
{
	char name[13], text[20], *word;
	int result;

	name_port(guest, name);
	snprintf(text, sizeof(text), "%u.%u.%u.%u", address[0], address[1], address[2], address[3]);
	word = id_word("ix-address", text);
	result = ovs_vsctl(NULL, err, "set", "Interface", name, word, NULL);
	free(word);
	return result == 0 ? sw_flows(err) : -1;
}

int sw_port_remove(const char *guest, struct err *err)
{
	char name[13];

	name_port(guest, name);
	if (ovs_vsctl(NULL, err, "--if-exists", "del-port", SW_BRIDGE, name, NULL) != 0)
		return -1;
	return sw_flows(err);
}

/* ovs-ofctl with @input, which may end with 0 or with @also. @out: what it said, on the heap, if wanted. */
static int ofctl(const char *const *argv, const char *input, int also, char **out, struct err *err)
{
	struct exec e = { .argv = argv, .input = input, .timeout_s = OVS_TIMEOUT_S };
	int result = -1;

	if (exec_run(&e, err) == 0) {
		result = e.status == 0 || e.status == also
				 ? 0
				 : err_set(err, STATUS_MACHINE, "ovs-ofctl does not take the flows: %.200s",
					   (const char *)e.error.data);
		if (result == 0 && out != NULL) {
			*out = (char *)e.out.data;
			e.out.data = NULL;
		}
		exec_fini(&e);
	}
	return result;
}

static int change_flows(const struct ovs_ports *ports, struct err *err)
{
#define ARGV(...) ((const char *const[]){ "ovs-ofctl", "-O", OVS_PROTOCOL, "--timeout=15", __VA_ARGS__, NULL })
	char *flows = flows_write(ports), *diff = NULL, *change = NULL;
	int result = ofctl(ARGV("--no-names", "diff-flows", SW_MANAGED, "/dev/stdin"), flows, DIFFERENT, &diff, err);

	if (result == 0)
		change = flows_change(diff, ports);
	if (result == 0 && *change != '\0')
		result = ofctl(ARGV("--bundle", "add-flows", SW_MANAGED, "-"), change, 0, NULL, err);
	free(change);
	free(diff);
	free(flows);
	return result;
#undef ARGV
}

int sw_flows(struct err *err)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* else who looked first could write last */
	struct ovs_ports *ports;
	struct meters *meters;
	int result = -1;

	pthread_mutex_lock(&lock);
	ports = ovs_ports(err);
	meters = ports != NULL ? meters_list(err) : NULL;
	if (meters != NULL && meters_add(meters, ports, err) == 0 && change_flows(ports, err) == 0)
		result = meters_sweep(meters, ports, err);
	pthread_mutex_unlock(&lock);
	free(meters);
	free(ports);
	return result;
}
