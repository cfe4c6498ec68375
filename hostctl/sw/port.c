/* SPDX-License-Identifier: MIT */
/* A guest's port: what it should be goes into the database in one transaction, its flows follow from there. */
#include "hostctl/base/exec.h"
#include "hostctl/base/name.h"
#include "hostctl/base/say.h"
#include "hostctl/sw/flows.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROTOCOL "OpenFlow14" /* bundles: all flows change at once, or none */
#define BURST_PART 10u        /* of a second, at the rate */

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
	char list[SW_ALLOWED_MAX * (NAME_MAX_BYTES + 1) + 1] = "";

	for (unsigned i = 0; i < p->allow_count; i++)
		snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s%s", i > 0 ? "," : "", p->allow[i]);
	return id_word("ix-allow", list);
}

static char *number_word(const char *key, uint64_t value)
{
	char *word;

	if (asprintf(&word, "%s=%" PRIu64, key, value) < 0)
		abort();
	return word;
}

int sw_port_set(const struct sw_port *p, struct err *err)
{
	char name[13], mac[18], address[20];
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
	words[4] = number_word("ingress_policing_rate", p->rate_mbit * 1000ull); /* kbit/s */
	words[5] = number_word("ingress_policing_burst", p->rate_mbit * 1000ull / BURST_PART);
	if (asprintf(&path, "options:vhost-server-path=\"%s\"", p->socket) < 0)
		abort();
	result = ovs_vsctl(NULL, err, "--may-exist", "add-port", SW_BRIDGE, name, "--", "set", "Interface", name,
			   "type=dpdkvhostuserclient", path, "other_config:tx-steering=hash", words[0], words[1],
			   words[2], words[3], words[4], words[5], NULL);
	for (unsigned i = 0; i < 6; i++)
		free(words[i]);
	free(path);
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

int sw_flows(struct err *err)
{
	static const char *const argv[] = { "ovs-ofctl",     "--bundle", "-O", PROTOCOL, "--timeout=15",
					    "replace-flows", SW_BRIDGE,  "-",  NULL };
	struct ovs_ports *ports = ovs_ports(err);
	char *flows = ports != NULL ? flows_write(ports) : NULL;
	struct exec e = { .argv = argv, .input = flows, .timeout_s = OVS_TIMEOUT_S };
	int result = -1;

	if (flows != NULL && exec_run(&e, err) == 0) {
		result = e.status == 0 ? 0
				       : err_set(err, STATUS_MACHINE, "ovs-ofctl does not take the flows: %.200s",
						 (const char *)e.error.data);
		exec_fini(&e);
	}
	free(flows);
	free(ports);
	return result;
}

/* Lines of `ovs-ofctl dump-flows`. On the heap. */
static char *dump_flows(struct err *err)
{
	static const char *const argv[] = {
		"ovs-ofctl", "-O", PROTOCOL, "--timeout=15", "dump-flows", SW_BRIDGE, NULL
	};
	char *out = NULL;

	return exec_ok(argv, OVS_TIMEOUT_S, &out, err) == 0 ? out : NULL;
}

int sw_flows_are_there(struct err *err)
{
	char *text = dump_flows(err);
	char mark[48];
	int result;

	if (text == NULL)
		return -1;
	snprintf(mark, sizeof(mark), "cookie=0x%llx,", FLOWS_OTHER);
	result = strstr(text, mark) != NULL;
	free(text);
	return result;
}

/* Frames that met flows with @cookie. */
static uint64_t count_of(const char *flows, uint64_t cookie)
{
	uint64_t sum = 0;
	char mark[48];

	snprintf(mark, sizeof(mark), "cookie=0x%" PRIx64 ",", cookie);
	for (const char *at = strstr(flows, mark); at != NULL; at = strstr(at + 1, mark)) {
		const char *count = strstr(at, "n_packets="), *end = strchr(at, '\n');

		if (count != NULL && (end == NULL || count < end))
			sum += strtoull(count + strlen("n_packets="), NULL, 10);
	}
	return sum;
}

static uint64_t statistic(const json_t *row, const char *name)
{
	json_int_t n = json_integer_value(json_object_get(json_object_get(row, "statistics"), name));

	return n > 0 ? (uint64_t)n : 0;
}

static void read_state(const json_t *row, struct sw_state *out)
{
	const json_t *number = json_object_get(row, "ofport");
	const char *link = json_string_value(json_object_get(row, "link_state"));
	const char *error = json_string_value(json_object_get(row, "error"));

	out->is_there = true;
	out->is_linked = link != NULL && strcmp(link, "up") == 0;
	out->number = json_is_integer(number) ? (int32_t)json_integer_value(number) : -1;
	snprintf(out->error, sizeof(out->error), "%s", error != NULL ? error : "");
	out->rx_frames = statistic(row, "rx_packets");
	out->rx_bytes = statistic(row, "rx_bytes");
	out->tx_frames = statistic(row, "tx_packets");
	out->tx_bytes = statistic(row, "tx_bytes");
	out->rx_dropped = statistic(row, "rx_dropped");
	out->tx_dropped = statistic(row, "tx_dropped");
}

int sw_port_state(const char *guest, struct sw_state *out, struct err *err)
{
	char name[13], *flows;
	json_t *rows = ovs_rows("Interface", "name,ofport,link_state,error,statistics", err);

	memset(out, 0, sizeof(*out));
	out->number = -1;
	if (rows == NULL)
		return -1;
	name_port(guest, name);
	for (size_t i = 0; i < json_array_size(rows); i++) {
		const json_t *row = json_array_get(rows, i);
		const char *found = json_string_value(json_object_get(row, "name"));

		if (found != NULL && strcmp(found, name) == 0)
			read_state(row, out);
	}
	json_decref(rows);
	if (out->number <= 0)
		return 0;
	flows = dump_flows(err);
	if (flows == NULL)
		return -1;
	out->spoofed = count_of(flows, FLOWS_SPOOFED | (uint32_t)out->number);
	out->forbidden = count_of(flows, FLOWS_FORBIDDEN | (uint32_t)out->number);
	free(flows);
	return 0;
}
