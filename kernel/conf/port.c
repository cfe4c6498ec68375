/* SPDX-License-Identifier: MIT */
/*
 * What may be said of a single port. Options are for TCP; each is a number in a range, and 0 leaves it
 * to what holds for all ports.
 */
#include "kernel/conf/port.h"

#include "kernel/base/bytes.h"
#include "kernel/base/err.h"
#include "kernel/base/fmt.h"
#include "kernel/conf/field.h"
#include "kernel/conf/value.h"

#define AT(name) offsetof(struct ix_manifest_port, name)
#define OPTION_KEYS "rto_floor_ms backlog half_open ecn"
#define ECN_WORDS "off classic dctcp"

static const struct {
	const char *key;
	uint32_t min, max;
	size_t off;
} options[] = {
	{ "rto_floor_ms", 5, 1000, AT(rto_floor_ms) },
	{ "backlog", 1, 65536, AT(backlog) },
	{ "half_open", 1, 65536, AT(half_open) },
	{ "ecn", 0, IX_ECN_NR - 1, AT(ecn) }, /* written as a word */
};

static bool value_ecn(const char *text, uint32_t *value)
{
	static const char *const words[IX_ECN_NR] = { "off", "classic", "dctcp" };

	for (*value = 0; *value < IX_ECN_NR; ++*value)
		if (!strcmp(text, words[*value]))
			return true;
	return false;
}

bool port_is_good(const struct ix_manifest_port *p)
{
	if (!p->port || p->reserved || (p->protocol != IX_PORT_TCP && p->protocol != IX_PORT_UDP))
		return false;
	for (unsigned i = 0; i < ARRAY_COUNT(options); i++) {
		uint32_t value;

		memcpy(&value, (const uint8_t *)p + options[i].off, sizeof(value));
		if (value && (value < options[i].min || value > options[i].max || p->protocol != IX_PORT_TCP))
			return false;
	}
	return true;
}

/* Return: conf->port_count if there is none. */
static uint32_t index_of(const struct conf *conf, uint8_t protocol, uint32_t port)
{
	uint32_t i = 0;

	while (i < conf->port_count && (conf->ports[i].port != port || conf->ports[i].protocol != protocol))
		i++;
	return i;
}

const struct ix_manifest_port *conf_port(const struct conf *conf, uint8_t protocol, uint16_t port)
{
	uint32_t i = index_of(conf, protocol, port);

	return i < conf->port_count ? &conf->ports[i] : NULL;
}

/* "7.backlog": the port it names. NULL if the manifest has no such port. */
static struct ix_manifest_port *port_of(struct conf *conf, const char *key, const char **option)
{
	uint32_t number = 0, i;

	for (*option = key; **option >= '0' && **option <= '9' && number < 65536; ++*option)
		number = number * 10 + (uint32_t)(**option - '0');
	i = index_of(conf, IX_PORT_TCP, number);
	if (**option != '.' || i == conf->port_count)
		return NULL;
	++*option;
	return &conf->ports[i];
}

int port_parse(struct conf *out, const char *key, const char *value, char *error)
{
	const char *option;
	struct ix_manifest_port *p = port_of(out, key, &option);
	uint32_t number;

	if (!p) {
		fmt_text(error, CONF_ERROR_BYTES, "ports.%.24s: not ports.PORT.OPTION of a TCP port in the manifest",
			 key);
		return KERR_INVALID;
	}
	for (unsigned i = 0; i < ARRAY_COUNT(options); i++) {
		if (strcmp(option, options[i].key) != 0)
			continue;
		if (options[i].off == AT(ecn)) {
			if (!value_ecn(value, &number)) {
				fmt_text(error, CONF_ERROR_BYTES, "ports.%.24s: %.20s is none of %s", key, value,
					 ECN_WORDS);
				return KERR_INVALID;
			}
		} else if (!value_number(value, &number) || number < options[i].min || number > options[i].max) {
			fmt_text(error, CONF_ERROR_BYTES, "ports.%.24s: %.20s is not a number in %u..%u", key, value,
				 options[i].min, options[i].max);
			return KERR_INVALID;
		}
		memcpy((uint8_t *)p + options[i].off, &number, sizeof(number));
		return 0;
	}
	fmt_text(error, CONF_ERROR_BYTES, "ports.%.24s: unknown option; known: %s", key, OPTION_KEYS);
	return KERR_INVALID;
}
