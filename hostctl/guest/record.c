/* SPDX-License-Identifier: MIT */
/*
 * A guest as JSON: what ixctl asks for and what lies on disk are the same fields. Words go into an XML file and onto a
 * kernel's command line, so they are text without control characters, here, once.
 */
#include "hostctl/base/name.h"
#include "hostctl/base/words.h"
#include "hostctl/guest/guest.h"
#include "hostctl/machine/machine.h"
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CPUS_MAX 64
#define MEMORY_MIB_MAX (1 << 20)
#define RATE_MBIT_MAX 1000000

/* One field: how it is read, and written. */
struct field {
	const char *name;
	int (*read)(struct guest *g, const json_t *v, const char *name, struct err *err);
};

static int expected(struct err *err, const char *field, const char *what)
{
	return err_set(err, STATUS_USAGE, "%s: expected %s", field, what);
}

/* Text that can stand in XML and on a command line: UTF-8 (jansson's) without control characters. */
static bool is_text(const char *s, size_t bytes_max)
{
	size_t bytes = strnlen(s, bytes_max + 1);

	for (size_t i = 0; i < bytes; i++)
		if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f)
			return false;
	return bytes <= bytes_max;
}

static int read_name(struct guest *g, const json_t *v, const char *name, struct err *err)
{
	(void)name;
	if (!json_is_string(v))
		return expected(err, "name", "a guest's name");
	if (name_check(json_string_value(v), err) != 0)
		return -1;
	snprintf(g->name, sizeof(g->name), "%s", json_string_value(v));
	return 0;
}

static int read_number(uint32_t *out, const json_t *v, const char *name, json_int_t max, struct err *err)
{
	json_int_t n = json_integer_value(v);

	if (!json_is_integer(v) || n < 0 || n > max)
		return err_set(err, STATUS_USAGE, "%s: expected a number from 0 to %lld", name, (long long)max);
	*out = (uint32_t)n;
	return 0;
}

static int read_cpus(struct guest *g, const json_t *v, const char *name, struct err *err)
{
	if (!json_is_object(v) || json_object_size(v) != 2)
		return expected(err, name, "{min, max}");
	if (read_number(&g->cpus_min, json_object_get(v, "min"), "cpus.min", CPUS_MAX, err) != 0 ||
	    read_number(&g->cpus_max, json_object_get(v, "max"), "cpus.max", CPUS_MAX, err) != 0)
		return -1;
	if ((g->cpus_min == 0) != (g->cpus_max == 0) || g->cpus_min > g->cpus_max)
		return expected(err, name, "MIN:MAX with 1 <= MIN <= MAX");
	return 0;
}

static int read_memory(struct guest *g, const json_t *v, const char *name, struct err *err)
{
	return read_number(&g->memory_mib, v, name, MEMORY_MIB_MAX, err);
}

static int read_rate(struct guest *g, const json_t *v, const char *name, struct err *err)
{
	return read_number(&g->rate_mbit, v, name, RATE_MBIT_MAX, err);
}

static int read_generation(struct guest *g, const json_t *v, const char *name, struct err *err)
{
	return read_number(&g->generation, v, name, UINT32_MAX, err);
}

static int read_uid(struct guest *g, const json_t *v, const char *name, struct err *err)
{
	if (read_number(&g->uid, v, name, GUEST_UID_FIRST + GUEST_UIDS - 1, err) != 0)
		return -1;
	return g->uid == 0 || g->uid >= GUEST_UID_FIRST ? 0 : expected(err, name, "one that guests have");
}

static int read_address(struct guest *g, const json_t *v, const char *name, struct err *err)
{
	if (!json_is_string(v) || !words_ipv4_prefix(json_string_value(v), g->address, &g->prefix))
		return expected(err, name, "a host's address with its prefix, like 10.77.0.5/16");
	return 0;
}

static int read_address6(struct guest *g, const json_t *v, const char *name, struct err *err)
{
	if (!json_is_string(v) || !words_ipv6_prefix(json_string_value(v), g->address6, &g->prefix6))
		return expected(err, name, "a host's address with its prefix, like fd07::5/64");
	return 0;
}

static int read_gateway(struct guest *g, const json_t *v, const char *name, struct err *err)
{
	if (!json_is_string(v) || !words_ipv4(json_string_value(v), g->gateway))
		return expected(err, name, "an address, like 10.77.0.1");
	return 0;
}

static int read_bool(bool *out, const json_t *v, const char *name, struct err *err)
{
	if (!json_is_boolean(v))
		return expected(err, name, "true or false");
	*out = json_is_true(v);
	return 0;
}

static int read_dhcp(struct guest *g, const json_t *v, const char *name, struct err *err)
{
	return read_bool(&g->is_dhcp, v, name, err);
}

static int read_autostart(struct guest *g, const json_t *v, const char *name, struct err *err)
{
	return read_bool(&g->is_autostart, v, name, err);
}

static int read_wanted(struct guest *g, const json_t *v, const char *name, struct err *err)
{
	return read_bool(&g->is_wanted, v, name, err);
}

static int read_previous(struct guest *g, const json_t *v, const char *name, struct err *err)
{
	return read_number(&g->previous, v, name, UINT32_MAX, err);
}

static int read_older(struct guest *g, const json_t *v, const char *name, struct err *err)
{
	return read_number(&g->older, v, name, UINT32_MAX, err);
}

static int read_trying(struct guest *g, const json_t *v, const char *name, struct err *err)
{
	return read_bool(&g->is_trying, v, name, err);
}

static int read_mode(struct guest *g, const json_t *v, const char *name, struct err *err)
{
	const char *word = json_string_value(v);

	if (word == NULL || (strcmp(word, "auto") != 0 && strcmp(word, "manual") != 0))
		return expected(err, name, "auto or manual");
	g->is_auto = strcmp(word, "auto") == 0;
	return 0;
}

static int read_priority(struct guest *g, const json_t *v, const char *name, struct err *err)
{
	struct err ignored = { 0 };
	int result = read_number(&g->priority, v, name, GUEST_PRIORITY_MAX, &ignored);

	err_fini(&ignored);
	return result == 0 && g->priority > 0
		       ? 0
		       : err_set(err, STATUS_USAGE, "%s: expected a number from 1 to %u", name, GUEST_PRIORITY_MAX);
}

static int read_cores(struct guest *g, const json_t *v, const char *name, struct err *err)
{
	return read_number(&g->cores, v, name, CPUS_MAX, err);
}

static int read_scaling(struct guest *g, const json_t *v, const char *name, struct err *err)
{
	const char *word = json_string_value(v);

	if (word == NULL || strlen(word) >= sizeof(g->scaling) || !is_text(word, sizeof(g->scaling)))
		return expected(err, name, "hand, policy, virsh or nothing");
	snprintf(g->scaling, sizeof(g->scaling), "%s", word);
	return 0;
}

static int read_vcpus(struct guest *g, const json_t *v, const char *name, struct err *err)
{
	(void)name;
	return guest_vcpus_from_json(&g->vcpus, v, err);
}

static int read_words(struct guest_words *out, const json_t *v, const char *name, struct err *err)
{
	size_t count = json_array_size(v);

	if (!json_is_array(v) || count > GUEST_WORDS_MAX)
		return err_set(err, STATUS_USAGE, "%s: expected a list of at most %u words", name, GUEST_WORDS_MAX);
	for (size_t i = 0; i < count; i++) {
		const char *word = json_string_value(json_array_get(v, i));

		if (word == NULL || !is_text(word, GUEST_WORD_BYTES))
			return err_set(err, STATUS_USAGE,
				       "%s: expected words of at most %u bytes without control characters", name,
				       GUEST_WORD_BYTES);
		out->word[out->count] = strdup(word);
		if (out->word[out->count++] == NULL)
			abort();
	}
	return 0;
}

/* Words of the form NAME=VALUE. */
static int read_pairs(struct guest_words *out, const json_t *v, const char *name, struct err *err)
{
	if (read_words(out, v, name, err) != 0)
		return -1;
	for (unsigned i = 0; i < out->count; i++) {
		const char *equals = strchr(out->word[i], '=');

		if (equals == NULL || equals == out->word[i] ||
		    strcspn(out->word[i], " \t\"") < (size_t)(equals - out->word[i]))
			return err_set(err, STATUS_USAGE, "%s: expected NAME=VALUE, got %.80s", name, out->word[i]);
	}
	return 0;
}

static int read_env(struct guest *g, const json_t *v, const char *name, struct err *err)
{
	return read_pairs(&g->env, v, name, err);
}

static int read_set(struct guest *g, const json_t *v, const char *name, struct err *err)
{
	return read_pairs(&g->set, v, name, err);
}

static int read_args(struct guest *g, const json_t *v, const char *name, struct err *err)
{
	g->has_args = true;
	return read_words(&g->args, v, name, err);
}

static int read_allow(struct guest *g, const json_t *v, const char *name, struct err *err)
{
	if (read_words(&g->allow, v, name, err) != 0)
		return -1;
	if (g->allow.count > SW_ALLOWED_MAX)
		return err_set(err, STATUS_USAGE, "%s: expected at most %u guests", name, SW_ALLOWED_MAX);
	for (unsigned i = 0; i < g->allow.count; i++)
		if (name_check(g->allow.word[i], err) != 0)
			return -1;
	return 0;
}

static int read_publish(struct guest *g, const json_t *v, const char *name, struct err *err)
{
	size_t count = json_array_size(v);

	if (!json_is_array(v) || count > SW_PUBLISH_MAX)
		return err_set(err, STATUS_USAGE, "%s: expected a list of at most %u ports", name, SW_PUBLISH_MAX);
	for (size_t i = 0; i < count; i++) {
		const char *word = json_string_value(json_array_get(v, i));
		struct sw_publish *p = &g->publish[i];
		struct machine_forward f;

		if (word == NULL || machine_parse_forward(&f, word, err) != 0)
			return word == NULL ? expected(err, name, "ports as text, like 8080:80") : -1;
		if (f.host_port == 0)
			return err_set(err, STATUS_USAGE, "%s: %s names no port of the host", name, word);
		/* Without an address it means any of the host's: it is the world that is to reach the guest. */
		if (strchr(word, ':') != strrchr(word, ':'))
			inet_pton(AF_INET, f.host, p->host);
		p->host_port = f.host_port;
		p->guest_port = f.guest_port;
		p->is_udp = f.is_udp;
		for (size_t k = 0; k < i; k++)
			if (g->publish[k].host_port == p->host_port && g->publish[k].is_udp == p->is_udp &&
			    memcmp(g->publish[k].host, p->host, 4) == 0)
				return err_set(err, STATUS_USAGE, "%s: port %u is said twice", name, p->host_port);
		g->publish_count++;
	}
	return 0;
}

/* A relative path of plain characters. */
static bool is_file_name(const char *s)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
	size_t bytes = strlen(s);

	return bytes >= 1 && bytes <= GUEST_FILE_NAME_MAX && strspn(s, plain) == bytes && s[0] != '.';
}

static int read_files(struct guest *g, const json_t *v, const char *name, struct err *err)
{
	size_t count = json_array_size(v);

	if (!json_is_array(v) || count > GUEST_FILES_MAX)
		return err_set(err, STATUS_USAGE, "%s: expected a list of at most %u files", name, GUEST_FILES_MAX);
	for (size_t i = 0; i < count; i++) {
		const json_t *f = json_array_get(v, i);
		const char *word = json_string_value(json_object_get(f, "name"));

		if (word == NULL || !is_file_name(word))
			return err_set(err, STATUS_USAGE,
				       "%s: expected names of letters, digits, '.', '_' and '-', not '.' first, at "
				       "most %u; got %.60s",
				       name, GUEST_FILE_NAME_MAX, word != NULL ? word : "none");
		for (size_t k = 0; k < i; k++)
			if (strcmp(g->files[k].name, word) == 0)
				return err_set(err, STATUS_USAGE, "%s: %s is said twice", name, word);
		snprintf(g->files[i].name, sizeof(g->files[i].name), "%s", word);
		g->files[i].is_secret = json_is_true(json_object_get(f, "secret"));
		g->file_count++;
	}
	return 0;
}

static int read_image(struct guest *g, const json_t *v, const char *name, struct err *err)
{
	const char *n = json_string_value(json_object_get(v, "name"));
	const char *version = json_string_value(json_object_get(v, "version"));
	const char *sha = json_string_value(json_object_get(v, "sha256"));

	if (n == NULL || version == NULL || sha == NULL || strlen(sha) != 64 || !is_text(n, 63) ||
	    !is_text(version, 63))
		return expected(err, name, "{name, version, sha256}");
	snprintf(g->image_name, sizeof(g->image_name), "%s", n);
	snprintf(g->image_version, sizeof(g->image_version), "%s", version);
	snprintf(g->image_sha256, sizeof(g->image_sha256), "%s", sha);
	return 0;
}

static const struct field fields[] = {
	{ "name", read_name },       { "cpus", read_cpus },         { "memory_mib", read_memory },
	{ "address", read_address }, { "address6", read_address6 }, { "gateway", read_gateway },
	{ "dhcp", read_dhcp },       { "publish", read_publish },   { "allow", read_allow },
	{ "rate_mbit", read_rate },  { "env", read_env },           { "set", read_set },
	{ "args", read_args },       { "files", read_files },       { "autostart", read_autostart },
	{ "wanted", read_wanted },   { "uid", read_uid },           { "generation", read_generation },
	{ "image", read_image },     { "previous", read_previous }, { "older", read_older },
	{ "trying", read_trying },   { "mode", read_mode },         { "priority", read_priority },
	{ "cores", read_cores },     { "scaling", read_scaling },   { "vcpus", read_vcpus },
};
#define FIELD_COUNT (sizeof(fields) / sizeof(fields[0]))

static int read_field(struct guest *out, const char *key, const json_t *value, struct err *err)
{
	const char *known[FIELD_COUNT], *near;

	for (size_t i = 0; i < FIELD_COUNT; i++) {
		known[i] = fields[i].name;
		if (strcmp(key, fields[i].name) == 0)
			return fields[i].read(out, value, key, err);
	}
	near = words_nearest(key, known, FIELD_COUNT);
	return err_set(err, STATUS_USAGE, "unknown field '%.40s'%s%s", key, near != NULL ? ", did you mean " : "",
		       near != NULL ? near : "");
}

int guest_from_json(struct guest *out, const json_t *from, struct err *err)
{
	void *at;

	memset(out, 0, sizeof(*out));
	out->is_autostart = true;
	out->priority = GUEST_PRIORITY;
	if (!json_is_object(from))
		return expected(err, "guest", "a JSON object");
	for (at = json_object_iter((json_t *)(uintptr_t)from); at != NULL;
	     at = json_object_iter_next((json_t *)(uintptr_t)from, at))
		if (read_field(out, json_object_iter_key(at), json_object_iter_value(at), err) != 0)
			return -1;
	if (json_object_get(from, "mode") == NULL) /* a record of before there were modes, too */
		out->is_auto = out->cpus_min < out->cpus_max;
	if (out->name[0] == '\0')
		return expected(err, "name", "a guest's name");
	if (out->is_dhcp && out->prefix != 0)
		return err_set(err, STATUS_USAGE, "address and dhcp: say one of them");
	return 0;
}

static json_t *words_json(const struct guest_words *w)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < w->count; i++)
		json_array_append_new(list, json_string(w->word[i]));
	return list;
}

static json_t *publish_json(const struct guest *g)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < g->publish_count; i++) {
		const struct sw_publish *p = &g->publish[i];
		char text[48], host[20] = "";

		if (memcmp(p->host, (const uint8_t[4]){ 0 }, 4) != 0)
			snprintf(host, sizeof(host), "%u.%u.%u.%u:", p->host[0], p->host[1], p->host[2], p->host[3]);
		snprintf(text, sizeof(text), "%s%u:%u%s", host, p->host_port, p->guest_port, p->is_udp ? "/udp" : "");
		json_array_append_new(list, json_string(text));
	}
	return list;
}

static json_t *files_json(const struct guest *g)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < g->file_count; i++)
		json_array_append_new(
			list, json_pack("{s:s, s:b}", "name", g->files[i].name, "secret", g->files[i].is_secret));
	return list;
}

json_t *guest_to_json(const struct guest *g)
{
	json_t *o = json_pack(
		"{s:s, s:{s:i, s:i}, s:i, s:b, s:o, s:o, s:i, s:o, s:o, s:o, s:b, s:b, s:I, s:I, s:I, s:b}", "name",
		g->name, "cpus", "min", (int)g->cpus_min, "max", (int)g->cpus_max, "memory_mib", (int)g->memory_mib,
		"dhcp", g->is_dhcp, "publish", publish_json(g), "allow", words_json(&g->allow), "rate_mbit",
		(int)g->rate_mbit, "env", words_json(&g->env), "set", words_json(&g->set), "files", files_json(g),
		"autostart", g->is_autostart, "wanted", g->is_wanted, "generation", (json_int_t)g->generation,
		"previous", (json_int_t)g->previous, "older", (json_int_t)g->older, "trying", g->is_trying);
	char text[32];

	if (g->prefix != 0) {
		snprintf(text, sizeof(text), "%u.%u.%u.%u/%u", g->address[0], g->address[1], g->address[2],
			 g->address[3], g->prefix);
		json_object_set_new(o, "address", json_string(text));
	}
	if (g->prefix6 != 0) {
		char text6[INET6_ADDRSTRLEN + 5];

		inet_ntop(AF_INET6, g->address6, text6, INET6_ADDRSTRLEN);
		snprintf(text6 + strlen(text6), 5, "/%u", g->prefix6);
		json_object_set_new(o, "address6", json_string(text6));
	}
	if (memcmp(g->gateway, (const uint8_t[4]){ 0 }, 4) != 0) {
		snprintf(text, sizeof(text), "%u.%u.%u.%u", g->gateway[0], g->gateway[1], g->gateway[2], g->gateway[3]);
		json_object_set_new(o, "gateway", json_string(text));
	}
	json_object_set_new(o, "uid", json_integer(g->uid));
	json_object_set_new(o, "mode", json_string(g->is_auto ? "auto" : "manual"));
	json_object_set_new(o, "priority", json_integer(g->priority));
	json_object_set_new(o, "cores", json_integer(g->cores));
	if (g->scaling[0] != '\0')
		json_object_set_new(o, "scaling", json_string(g->scaling));
	if (g->vcpus.pid != 0)
		json_object_set_new(o, "vcpus", guest_vcpus_to_json(&g->vcpus));
	if (g->has_args)
		json_object_set_new(o, "args", words_json(&g->args));
	if (g->image_name[0] != '\0')
		json_object_set_new(o, "image",
				    json_pack("{s:s, s:s, s:s}", "name", g->image_name, "version", g->image_version,
					      "sha256", g->image_sha256));
	return o;
}

static void words_fini(struct guest_words *w)
{
	while (w->count > 0)
		free(w->word[--w->count]);
}

void guest_fini(struct guest *g)
{
	words_fini(&g->allow);
	words_fini(&g->env);
	words_fini(&g->set);
	words_fini(&g->args);
}
