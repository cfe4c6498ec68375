/* SPDX-License-Identifier: MIT */
/*
 * A port is written 7/tcp, or as a mapping {port: 7/tcp, OPTION: VALUE ...}. The options are this table;
 * the kernel has its own and checks again.
 */
#include "hostctl/image/ports.h"
#include "hostctl/base/words.h"
#include <stdlib.h>
#include <string.h>

#define AT(field) offsetof(struct ix_manifest_port, field)

static const char *const ecn_words[] = { "off", "classic", "dctcp", NULL };

static const struct {
	const char *name;
	uint32_t min, max;
	size_t at;
	const char *doc;
	const char *const *words; /* instead of a number: its names, from 0 on */
} options[] = {
	{ "rto_floor_ms", 5, 1000, AT(rto_floor_ms), "shortest retransmission timeout (default: rto_floor_ms)", NULL },
	{ "backlog", 1, 65536, AT(backlog),
	  "connections that wait to be accepted, on each core; further requests are dropped (default 1024)", NULL },
	{ "half_open", 1, 65536, AT(half_open),
	  "half-open connections on each core; beyond it SYN cookies (default: an eighth of connections)", NULL },
	{ "ecn", 0, IX_ECN_NR - 1, AT(ecn), "congestion marks: classic halves the window, dctcp goes by their share",
	  ecn_words },
};
#define OPTIONS (sizeof(options) / sizeof(options[0]))

bool ports_parse(const char *text, struct ix_manifest_port *port)
{
	const char *slash = strchr(text, '/');
	char digits[6];
	uint64_t number;

	if (slash == NULL || (size_t)(slash - text) >= sizeof(digits))
		return false;
	memcpy(digits, text, (size_t)(slash - text));
	digits[slash - text] = '\0';
	if (!words_number(digits, 1, 65535, &number))
		return false;
	port->port = (uint16_t)number;
	port->protocol = strcmp(slash, "/tcp") == 0 ? IX_PORT_TCP : IX_PORT_UDP;
	return port->protocol == IX_PORT_TCP || strcmp(slash, "/udp") == 0;
}

/* Which of the words it is. */
static bool word_number(const char *const *words, const char *value, uint64_t *number)
{
	for (*number = 0; words[*number] != NULL; ++*number)
		if (strcmp(words[*number], value) == 0)
			return true;
	return false;
}

static void known_options(char *out, size_t bytes)
{
	size_t n = (size_t)snprintf(out, bytes, "one of");

	for (unsigned i = 0; i < OPTIONS && n < bytes; i++)
		n += (size_t)snprintf(out + n, bytes - n, " %s", options[i].name);
}

bool ports_set(struct ix_manifest_port *port, const char *option, const char *value, char *expected, size_t bytes)
{
	uint64_t number;
	uint32_t field;

	for (unsigned i = 0; i < OPTIONS; i++) {
		if (strcmp(option, options[i].name) != 0)
			continue;
		if (port->protocol != IX_PORT_TCP) {
			snprintf(expected, bytes, "%s only of a TCP port", option);
			return false;
		}
		if (options[i].words != NULL) {
			if (!word_number(options[i].words, value, &number)) {
				snprintf(expected, bytes, "%s: off, classic or dctcp", option);
				return false;
			}
		} else if (!words_number(value, options[i].min, options[i].max, &number)) {
			snprintf(expected, bytes, "%s: a number %u..%u", option, options[i].min, options[i].max);
			return false;
		}
		field = (uint32_t)number;
		memcpy((uint8_t *)port + options[i].at, &field, sizeof(field));
		return true;
	}
	known_options(expected, bytes);
	return false;
}

int ports_override(struct ix_manifest *m, const char *key, const char *value, struct err *err)
{
	char *option = NULL;
	unsigned long number = strtoul(key, &option, 10);
	char expected[128];

	for (uint32_t i = 0; i < m->port_count && i < IX_PORTS_MAX && *option == '.'; i++) {
		if (m->ports[i].port != number || m->ports[i].protocol != IX_PORT_TCP)
			continue;
		if (ports_set(&m->ports[i], option + 1, value, expected, sizeof(expected)))
			return 0;
		return err_set(err, STATUS_USAGE, "ports.%s: expected %s, got %s", key, expected,
			       *value != '\0' ? value : "nothing");
	}
	return err_set(err, STATUS_USAGE, "ports.%s: expected ports.PORT.OPTION of a TCP port in the manifest", key);
}

const char *ports_option(const struct ix_manifest_port *port, unsigned i, uint32_t *value, const char **word)
{
	if (i >= OPTIONS)
		return NULL;
	memcpy(value, (const uint8_t *)port + options[i].at, sizeof(*value));
	*word = options[i].words != NULL && *value <= options[i].max ? options[i].words[*value] : NULL;
	return options[i].name;
}

void ports_fields(FILE *out)
{
	for (unsigned i = 0; i < OPTIONS; i++) {
		fprintf(out, "  ports.PORT.%-14s %s\n  %-17s   ", options[i].name, options[i].doc, "");
		if (options[i].words != NULL)
			fprintf(out, "off, classic or dctcp; --set\n");
		else
			fprintf(out, "a number %u..%u; --set\n", options[i].min, options[i].max);
	}
}
