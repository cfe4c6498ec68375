/* SPDX-License-Identifier: MIT */
/* How a command line is cut into words, and what each key does. */
#include "kernel/conf/cmdline.h"

#include "kernel/base/bytes.h"
#include "kernel/base/err.h"
#include "kernel/base/fmt.h"
#include "kernel/conf/field.h"
#include "kernel/conf/port.h"
#include "kernel/conf/value.h"

struct words {
	const char *at;   /* rest of the command line */
	struct conf *out; /* words are written to out->text */
	uint32_t used;    /* bytes of out->text that are kept */
	char *error;
};

/* What an unknown key is answered with: the keys of its group, or all. */
static const struct {
	const char *prefix;
	const char *keys;
} known_keys[] = {
	{ "net.", "net.address net.dhcp net.gateway net.dns net.mtu net.address6 net.slaac net.gateway6" },
	{ "cores.", "cores.min cores.max" },
	{ "restart.", "restart.on_fault restart.max restart.window_s" },
	{ "tcp.", "tcp.timestamps" },
	{ "", "net.* cores.* restart.* tcp.* ports.* heap_mib connections rx_buffers batch poll_us watchdog_ms "
	      "rto_floor_ms stats_s "
	      "env.*" },
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static int refuse_length(struct words *w)
{
	fmt_text(w->error, CONF_ERROR_BYTES, "command line: longer than %u bytes", CONF_TEXT_BYTES);
	return KERR_INVALID;
}

/*
 * words_take() - the next word, without its quotes, at out->text + used (not kept: the next one comes there too)
 * Return: 1, 0 at the end, KERR_INVALID.
 */
static int words_take(struct words *w, char **word)
{
	uint32_t used = w->used;
	bool is_quoted = false;

	while (is_blank(*w->at))
		w->at++;
	if (!*w->at)
		return 0;
	for (; *w->at && (is_quoted || !is_blank(*w->at)); w->at++) {
		if (*w->at == '"') {
			is_quoted = !is_quoted;
			continue;
		}
		if (is_quoted && *w->at == '\\' && w->at[1])
			w->at++;
		if (used + 1 >= CONF_TEXT_BYTES)
			return refuse_length(w);
		w->out->text[used++] = *w->at;
	}
	if (is_quoted) {
		fmt_text(w->error, CONF_ERROR_BYTES, "command line: a double quote is not closed");
		return KERR_INVALID;
	}
	if (used >= CONF_TEXT_BYTES) /* kept words filled it to the brim, and this one is "" */
		return refuse_length(w);
	w->out->text[used] = 0;
	*word = w->out->text + w->used;
	return 1;
}

static void words_keep(struct words *w)
{
	w->used += (uint32_t)strlen(w->out->text + w->used) + 1;
}

static int refuse(struct words *w, const char *key, const char *text, const char *expected)
{
	fmt_text(w->error, CONF_ERROR_BYTES, "%s: %.40s is not %s", key, text, expected);
	return KERR_INVALID;
}

static int refuse_key(struct words *w, const char *key)
{
	unsigned i = 0;

	while (strncmp(key, known_keys[i].prefix, strlen(known_keys[i].prefix)) != 0)
		i++; /* ends at the empty prefix */
	fmt_text(w->error, CONF_ERROR_BYTES, "%.24s: unknown key; known: %s", key, known_keys[i].keys);
	return KERR_INVALID;
}

static int apply_address(struct words *w, const char *text)
{
	be32_t address;
	uint32_t bits;

	if (!value_ipv4(text, &address, &bits) || !value_is_host(address))
		return refuse(w, "net.address", text, "a host's address and prefix like 10.0.2.15/24");
	w->out->address = address;
	w->out->prefix_bits = bits;
	return 0;
}

/* From DHCP come address, prefix, gateway and name server; what the manifest said of them is off. */
static int apply_dhcp(struct words *w, const char *text)
{
	bool is_on;

	if (!value_flag(text, &is_on))
		return refuse(w, "net.dhcp", text, "true or false");
	if (is_on) {
		w->out->address = 0;
		w->out->prefix_bits = 0;
		w->out->gateway = 0;
		w->out->dns = 0;
	} else if (!w->out->address) {
		return refuse(w, "net.dhcp", text, "possible without net.address=A.B.C.D/LEN before it");
	}
	return 0;
}

static int apply_host(struct words *w, const char *key, const char *text, be32_t *out)
{
	be32_t address;

	if (!value_ipv4(text, &address, NULL) || (address && !value_is_host(address)))
		return refuse(w, key, text, "an IPv4 address like 10.0.2.2, or 0.0.0.0 for none");
	*out = address;
	return 0;
}

/* An address of its own, and then no router's word is needed; "::/0" takes it away. */
static int apply_address6(struct words *w, const char *text)
{
	static const struct ip6 none;
	struct ip6 address;
	uint32_t bits;
	bool is_good = value_ip6(text, &address, &bits), is_none = is_good && !memcmp(&address, &none, sizeof(none));

	if (!is_good || (!is_none && !value_is_host6(&address)))
		return refuse(w, "net.address6", text, "a host's address and prefix like fd00::2/64");
	w->out->address6 = address;
	w->out->prefix6_bits = is_none ? 0 : bits;
	w->out->slaac = is_none;
	return 0;
}

static int apply_gateway6(struct words *w, const char *text)
{
	static const struct ip6 none;
	struct ip6 address;

	if (!value_ip6(text, &address, NULL) ||
	    (memcmp(&address, &none, sizeof(none)) != 0 && !value_is_host6(&address)))
		return refuse(w, "net.gateway6", text, "an IPv6 address like fe80::1, or :: for none");
	w->out->gateway6 = address;
	return 0;
}

/* @setting: NAME=VALUE, in memory that stays. */
static int apply_env(struct words *w, const char *setting)
{
	size_t name_bytes = 0;
	uint32_t i = 0;

	while (setting[name_bytes] != '=')
		name_bytes++;
	if (!name_bytes)
		return refuse(w, "env.", setting, "env.NAME=VALUE");
	while (i < w->out->env_count && strncmp(w->out->env[i], setting, name_bytes + 1) != 0)
		i++;
	if (i == IX_ENV_MAX) {
		fmt_text(w->error, CONF_ERROR_BYTES, "env.: more than %u variables", IX_ENV_MAX);
		return KERR_INVALID;
	}
	w->out->env[i] = setting;
	if (i == w->out->env_count)
		w->out->env_count++;
	return 0;
}

/* @word: KEY=VALUE, not kept yet. */
static int apply_word(struct words *w, char *word)
{
	const struct field *f;
	char *value = word;

	while (*value && *value != '=')
		value++;
	if (!*value)
		return refuse(w, "command line", word, "KEY=VALUE (arguments stand after --)");
	if (!strncmp(word, "env.", 4)) {
		words_keep(w);
		return apply_env(w, word + 4);
	}
	*value++ = 0;
	if (!strncmp(word, "ports.", 6))
		return port_parse(w->out, word + 6, value, w->error);
	f = field_find(word);
	if (f)
		return field_parse(f, w->out, value, w->error);
	if (!strcmp(word, "net.address"))
		return apply_address(w, value);
	if (!strcmp(word, "net.dhcp"))
		return apply_dhcp(w, value);
	if (!strcmp(word, "net.address6"))
		return apply_address6(w, value);
	if (!strcmp(word, "net.gateway6"))
		return apply_gateway6(w, value);
	if (!strcmp(word, "net.gateway"))
		return apply_host(w, word, value, &w->out->gateway);
	if (!strcmp(word, "net.dns"))
		return apply_host(w, word, value, &w->out->dns);
	return refuse_key(w, word);
}

static int apply_args(struct words *w)
{
	char *word;
	int got;

	w->out->arg_count = 0;
	while ((got = words_take(w, &word)) > 0) {
		if (w->out->arg_count == IX_ARGS_MAX) {
			fmt_text(w->error, CONF_ERROR_BYTES, "command line: more than %u arguments after --",
				 IX_ARGS_MAX);
			return KERR_INVALID;
		}
		w->out->args[w->out->arg_count++] = word;
		words_keep(w);
	}
	return got;
}

int cmdline_apply(struct conf *out, const char *cmdline, char *error)
{
	struct words w = { .at = cmdline, .out = out, .error = error };
	char *word;
	int got;

	while ((got = words_take(&w, &word)) > 0) {
		int err;

		if (!strcmp(word, "--"))
			return apply_args(&w);
		err = apply_word(&w, word);
		if (err)
			return err;
	}
	return got;
}
