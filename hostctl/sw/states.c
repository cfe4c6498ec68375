/* SPDX-License-Identifier: MIT */
/* All guests' ports at one look: a list of interfaces, a dump of flows, one of meters: three programs however many guests. */
#include "hostctl/sw/states.h"
#include "hostctl/base/exec.h"
#include "hostctl/base/words.h"
#include "hostctl/sw/flows.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * Without its database OVS does not run its bridges [vswitchd/bridge.c bridge_run]: OpenFlow is not answered then, nor do frames pass
 * ports that no PMD thread polls. So whoever only looks waits less for it than whoever changes something.
 */
#define LOOK_S "--timeout=5"

static uint64_t statistic(const json_t *row, const char *name)
{
	json_int_t n = json_integer_value(json_object_get(json_object_get(row, "statistics"), name));

	return n > 0 ? (uint64_t)n : 0;
}

/* What stands under @key in a row's external_ids, if it fits. */
static bool ids_say(const json_t *row, const char *key, char *text, size_t bytes)
{
	const char *value = json_string_value(json_object_get(json_object_get(row, "external_ids"), key));

	return value != NULL && (size_t)snprintf(text, bytes, "%s", value) < bytes;
}

static void read_state(const json_t *row, struct sw_state *out)
{
	const json_t *number = json_object_get(row, "ofport"), *rate = json_object_get(row, "ingress_policing_rate");
	const char *link = json_string_value(json_object_get(row, "link_state"));
	const char *error = json_string_value(json_object_get(row, "error"));
	json_int_t n = json_is_integer(number) ? json_integer_value(number) : -1;
	char text[20];

	out->is_there = true;
	if (ids_say(row, "ix-dhcp", text, sizeof(text)))
		out->is_dhcp = strcmp(text, "true") == 0;
	if (ids_say(row, "ix-address", text, sizeof(text)) && !words_ipv4(text, out->address))
		memset(out->address, 0, sizeof(out->address));
	out->is_linked = link != NULL && strcmp(link, "up") == 0;
	out->number = n > 0 && n <= INT32_MAX ? (int32_t)n : -1;
	snprintf(out->error, sizeof(out->error), "%s", error != NULL ? error : "");
	out->rx_frames = statistic(row, "rx_packets");
	out->rx_bytes = statistic(row, "rx_bytes");
	out->tx_frames = statistic(row, "tx_packets");
	out->tx_bytes = statistic(row, "tx_bytes");
	out->rx_dropped = statistic(row, "rx_dropped");
	out->tx_dropped = statistic(row, "tx_dropped");
	out->limited = statistic(row, "ovs_rx_qos_drops");
	if (json_is_integer(rate) && json_integer_value(rate) > 0 && json_integer_value(rate) <= UINT32_MAX)
		out->rate_mbit = (uint32_t)(json_integer_value(rate) / SW_KBIT_A_MBIT);
}

/* FNV-1a over what the flows depend on. */
static uint64_t add_to_sum(uint64_t sum, const json_t *row)
{
	const char *name = json_string_value(json_object_get(row, "name"));
	json_int_t number = json_integer_value(json_object_get(row, "ofport"));
	char text[64];

	snprintf(text, sizeof(text), "%.32s=%lld;", name != NULL ? name : "", (long long)number);
	for (const char *p = text; *p != '\0'; p++)
		sum = (sum ^ (uint8_t)*p) * 0x100000001b3ull;
	return sum;
}

static int by_number(const void *a, const void *b)
{
	const struct sw_guest_state *p = a, *q = b;

	return (p->state.number > q->state.number) - (p->state.number < q->state.number);
}

/* The number behind @key in the line from @line to @end, in base @base. False: there is none. */
static bool number_in(const char *line, const char *end, const char *key, int base, uint64_t *out)
{
	const char *at = strstr(line, key);
	char *behind;

	if (at == NULL || at >= end)
		return false;
	at += strlen(key);
	errno = 0;
	*out = strtoull(at, &behind, base);
	return behind > at && behind <= end && errno == 0;
}

/* An address that was offered [flows.c]. */
static void read_offer(struct sw_state *state, const char *line, const char *end)
{
	static const char key[] = "nw_src=";
	const char *at = strstr(line, key);
	char text[16];
	size_t bytes;

	if (at == NULL || at >= end || state->offered_count == SW_OFFERED_MAX)
		return;
	at += strlen(key);
	bytes = strspn(at, "0123456789.");
	if (bytes >= sizeof(text) || (at[bytes] != ' ' && at[bytes] != ','))
		return;
	memcpy(text, at, bytes);
	text[bytes] = '\0';
	if (words_ipv4(text, state->offered[state->offered_count]))
		state->offered_count++;
}

/* One line of the dump: whose count it is stands in its cookie [flows.h]. */
static void read_flow(struct sw_states *s, const char *line, const char *end)
{
	struct sw_guest_state key = { 0 }, *found;
	uint64_t cookie, frames;

	if (!number_in(line, end, "cookie=0x", 16, &cookie) || !number_in(line, end, "n_packets=", 10, &frames))
		return;
	if (cookie == FLOWS_OTHER) {
		s->has_flows = true;
		return;
	}
	key.state.number = (int32_t)(cookie & INT32_MAX);
	if (key.state.number == 0)
		return;
	found = bsearch(&key, s->guest, s->count, sizeof(s->guest[0]), by_number);
	if (found != NULL && cookie == (FLOWS_SPOOFED | (uint32_t)key.state.number))
		found->state.spoofed += frames;
	else if (found != NULL && cookie == (FLOWS_FORBIDDEN | (uint32_t)key.state.number))
		found->state.forbidden += frames;
	else if (found != NULL && cookie == (FLOWS_OFFERED | (uint32_t)key.state.number))
		read_offer(&found->state, line, end);
}

struct sw_states *states_read(const json_t *rows, const char *flows)
{
	struct sw_states *s = calloc(1, sizeof(*s) + json_array_size(rows) * sizeof(s->guest[0]));

	if (s == NULL)
		abort();
	s->ports = 0xcbf29ce484222325ull;
	for (size_t i = 0; i < json_array_size(rows); i++) {
		const json_t *row = json_array_get(rows, i);
		const char *guest = json_string_value(
			json_object_get(json_object_get(row, "external_ids"), "ix-guest"));

		s->ports = add_to_sum(s->ports, row);
		if (guest == NULL || *guest == '\0' || strlen(guest) >= sizeof(s->guest[0].name))
			continue;
		memcpy(s->guest[s->count].name, guest, strlen(guest) + 1);
		read_state(row, &s->guest[s->count++].state);
	}
	qsort(s->guest, s->count, sizeof(s->guest[0]), by_number);
	for (const char *line = flows; *line != '\0';) {
		const char *end = line + strcspn(line, "\n");

		read_flow(s, line, end);
		line = end + (*end == '\n');
	}
	return s;
}

static struct sw_state *by_port_number(struct sw_states *s, long number)
{
	for (unsigned i = 0; i < s->count; i++)
		if (s->guest[i].state.number == number)
			return &s->guest[i].state;
	return NULL;
}

void states_read_links(struct sw_states *s, const char *show)
{
	struct sw_state *port = NULL;

	for (const char *line = show; *line != '\0';) {
		const char *end = line + strcspn(line, "\n"), *word = line + strspn(line, " "), *down;
		char *behind;
		long number = strtol(word, &behind, 10);

		if (behind > word && *behind == '(') {
			port = number > 0 ? by_port_number(s, number) : NULL;
		} else if (port != NULL && strncmp(word, "state:", strlen("state:")) == 0) {
			down = strstr(word, "LINK_DOWN");
			port->is_linked = down == NULL || down > end;
			port = NULL;
		}
		line = end + (*end == '\n');
	}
}

/*
 * "meter:NUMBER flow_count:..." and, on the next line, "0: packet_count:FRAMES ..." of the only band that a meter has [meters.c].
 * A guest that floods is worth a figure, whoever else reads the line: what does not look like that is passed over.
 */
void states_read_meters(struct sw_states *s, const char *stats)
{
	struct sw_state *port = NULL;

	for (const char *line = stats; *line != '\0';) {
		const char *end = line + strcspn(line, "\n");
		uint64_t n;

		if (strncmp(line, "meter:", strlen("meter:")) == 0)
			port = number_in(line, end, "meter:", 10, &n) && n > 0 && n <= INT32_MAX
				       ? by_port_number(s, (long)n)
				       : NULL;
		else if (port != NULL && number_in(line, end, "0: packet_count:", 10, &n))
			port->flooded = n;
		line = end + (*end == '\n');
	}
}

static bool has_port_down(const struct sw_states *s)
{
	for (unsigned i = 0; i < s->count; i++)
		if (s->guest[i].state.number > 0 && !s->guest[i].state.is_linked)
			return true;
	return false;
}

/*
 * What the database says of links is written when they change, and OVS 3.1 may miss a change while it starts: frames pass, and
 * the port is said to be disconnected for ever. OpenFlow knows better, and is asked when a port is said to be down.
 */
static void look_at_links(struct sw_states *s, struct err *err)
{
	static const char *const show[] = { "ovs-ofctl", LOOK_S, "show", SW_BRIDGE, NULL };
	char *text = NULL;

	if (has_port_down(s) && exec_ok(show, OVS_TIMEOUT_S, &text, err) == 0)
		states_read_links(s, text);
	free(text);
}

struct sw_states *sw_states(struct err *err)
{
	static const char *const dump[] = { "ovs-ofctl", "-O", OVS_PROTOCOL, LOOK_S, "dump-flows", SW_BRIDGE, NULL };
	static const char *const stats[] = { "ovs-ofctl", "-O", OVS_PROTOCOL, LOOK_S, "meter-stats", SW_BRIDGE, NULL };
	json_t *rows = ovs_rows("Interface", STATES_COLUMNS, err);
	struct sw_states *s = NULL;
	char *flows = NULL, *meters = NULL;

	if (rows != NULL) {
		bool is_alive = exec_ok(dump, OVS_TIMEOUT_S, &flows, err) == 0 &&
				exec_ok(stats, OVS_TIMEOUT_S, &meters, err) == 0;

		s = states_read(rows, is_alive ? flows : "");
		s->is_alive = is_alive;
		states_read_meters(s, is_alive ? meters : "");
		if (is_alive)
			look_at_links(s, err);
	}
	free(flows);
	free(meters);
	json_decref(rows);
	return s;
}

const struct sw_state *sw_states_of(const struct sw_states *states, const char *guest)
{
	static const struct sw_state none = { .number = -1 };

	for (unsigned i = 0; i < states->count; i++)
		if (strcmp(states->guest[i].name, guest) == 0)
			return &states->guest[i].state;
	return &none;
}
