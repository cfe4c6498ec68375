/* SPDX-License-Identifier: MIT */
/* ovs-vsctl and its JSON [RFC 7047 5.1]: a set is ["set",[...]], a map ["map",[[k,v],...]], and a set of one is its element. */
#include "hostctl/sw/ovs.h"
#include "hostctl/base/exec.h"
#include "hostctl/base/name.h"
#include "hostctl/base/words.h"
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define WORDS_MAX 64u

int ovs_vsctl_words(char **out, struct err *err, const char *const *words)
{
	const char *argv[WORDS_MAX] = { "ovs-vsctl", "--timeout=15" };
	unsigned count = 2;

	while (count < WORDS_MAX && (argv[count] = *words++) != NULL)
		count++;
	if (count == WORDS_MAX)
		abort();
	return exec_ok(argv, OVS_TIMEOUT_S, out, err);
}

static json_t *plain(json_t *v)
{
	const char *kind = json_string_value(json_array_get(v, 0));
	json_t *inside = json_array_get(v, 1), *map;

	if (kind != NULL && strcmp(kind, "set") == 0)
		return json_incref(inside);
	if (kind == NULL || strcmp(kind, "map") != 0)
		return json_incref(v);
	map = json_object();
	for (size_t i = 0; i < json_array_size(inside); i++) {
		json_t *pair = json_array_get(inside, i);
		const char *key = json_string_value(json_array_get(pair, 0));

		if (key != NULL)
			json_object_set(map, key, json_array_get(pair, 1));
	}
	return map;
}

/* {"headings": [...], "data": [[...]]} as objects. */
static json_t *objects(const json_t *table)
{
	const json_t *headings = json_object_get(table, "headings"), *data = json_object_get(table, "data");
	json_t *rows = json_array();

	for (size_t r = 0; r < json_array_size(data); r++) {
		json_t *row = json_object();

		for (size_t c = 0; c < json_array_size(headings); c++) {
			const char *name = json_string_value(json_array_get(headings, c));
			json_t *v = json_array_get(json_array_get(data, r), c);

			if (name != NULL && v != NULL)
				json_object_set_new(row, name, plain(v));
		}
		json_array_append_new(rows, row);
	}
	return rows;
}

json_t *ovs_rows(const char *table, const char *columns, struct err *err)
{
	char *text = NULL, *wanted;
	json_error_t why;
	json_t *parsed, *rows;
	int result;

	if (asprintf(&wanted, "--columns=%s", columns) < 0)
		abort();
	result = ovs_vsctl(&text, err, "--format=json", wanted, "list", table, NULL);
	free(wanted);
	if (result != 0)
		return NULL;
	parsed = json_loads(text, 0, &why);
	free(text);
	if (parsed == NULL) {
		err_set(err, STATUS_MACHINE, "ovs-vsctl list %s: what it says is not JSON (%s)", table, why.text);
		return NULL;
	}
	rows = objects(parsed);
	json_decref(parsed);
	return rows;
}

static const char *id_of(const json_t *ids, const char *key)
{
	const char *value = json_string_value(json_object_get(ids, key));

	return value != NULL ? value : "";
}

static bool parse_mac(const char *text, uint8_t mac[6])
{
	unsigned v[6];
	char more;

	if (sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%c", &v[0], &v[1], &v[2], &v[3], &v[4], &v[5], &more) != 6)
		return false;
	for (unsigned i = 0; i < 6; i++)
		mac[i] = (uint8_t)v[i];
	return true;
}

/* "a,b,c" */
static void parse_allow(const char *text, struct ovs_port *p)
{
	while (*text != '\0' && p->allow_count < SW_ALLOWED_MAX) {
		size_t bytes = strcspn(text, ",");

		if (bytes > 0 && bytes < sizeof(p->allow[0]))
			snprintf(p->allow[p->allow_count++], sizeof(p->allow[0]), "%.*s", (int)bytes, text);
		text += bytes + (text[bytes] == ',');
	}
}

bool ovs_host_mac(uint8_t mac[6])
{
	struct ifreq request = { .ifr_name = SW_HOST_LINK };
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool is_there = s >= 0 && ioctl(s, SIOCGIFHWADDR, &request) == 0;

	if (is_there)
		memcpy(mac, request.ifr_hwaddr.sa_data, 6);
	if (s >= 0)
		close(s);
	return is_there;
}

/* What the row of an interface says; a guest's whose ids have been tampered with is nobody's port, and gets no flows. */
static void read_port(const json_t *row, struct ovs_port *p)
{
	const json_t *ids = json_object_get(row, "external_ids"), *number = json_object_get(row, "ofport");
	const char *guest = id_of(ids, "ix-guest");
	struct err err = { 0 };

	memset(p, 0, sizeof(*p));
	snprintf(p->name, sizeof(p->name), "%s", id_of(row, "name"));
	p->number = json_is_integer(number) && json_integer_value(number) > 0 ? (int32_t)json_integer_value(number)
									      : -1;
	if (strcmp(p->name, SW_HOST_PORT) == 0)
		ovs_host_mac(p->mac);
	if (*id_of(ids, "ix-mirror") != '\0')
		p->number = -1; /* it only listens */
	if (*guest == '\0')
		return;
	snprintf(p->guest, sizeof(p->guest), "%s", guest);
	if (name_check(guest, &err) != 0 || !parse_mac(id_of(ids, "ix-mac"), p->mac))
		p->number = -1;
	err_fini(&err);
	words_ipv4(id_of(ids, "ix-address"), p->address);
	if (!words_ipv6(id_of(ids, "ix-address6"), p->address6))
		memset(p->address6, 0, sizeof(p->address6));
	p->is_dhcp = strcmp(id_of(ids, "ix-dhcp"), "true") == 0;
	parse_allow(id_of(ids, "ix-allow"), p);
}

static int by_number(const void *a, const void *b)
{
	const struct ovs_port *p = a, *q = b;

	return (p->number > q->number) - (p->number < q->number);
}

struct ovs_ports *ovs_ports(struct err *err)
{
	json_t *rows;
	char *listed = NULL;
	struct ovs_ports *out = NULL;

	if (ovs_vsctl(&listed, err, "list-ports", SW_BRIDGE, NULL) != 0)
		return NULL;
	rows = ovs_rows("Interface", "name,ofport,external_ids", err);
	if (rows != NULL) {
		out = calloc(1, sizeof(*out) + SW_PORTS_MAX * sizeof(out->port[0]));
		if (out == NULL)
			abort();
	}
	for (size_t i = 0; out != NULL && i < json_array_size(rows) && out->count < SW_PORTS_MAX; i++) {
		struct ovs_port *p = &out->port[out->count];
		size_t bytes;

		read_port(json_array_get(rows, i), p);
		bytes = strlen(p->name);
		/* Of this bridge? It stands on a line of its own among its ports. */
		for (const char *at = listed; at != NULL; at = strchr(at, '\n') != NULL ? strchr(at, '\n') + 1 : NULL)
			if (bytes > 0 && strncmp(at, p->name, bytes) == 0 && (at[bytes] == '\n' || at[bytes] == '\0')) {
				out->count++;
				break;
			}
	}
	if (out != NULL)
		qsort(out->port, out->count, sizeof(out->port[0]), by_number);
	json_decref(rows);
	free(listed);
	return out;
}
