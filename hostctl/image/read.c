/* SPDX-License-Identifier: MIT */
/*
 * From YAML to struct source. libyaml gives nodes with line numbers; every refusal says
 * FILE:LINE: FIELD: expected this, got that. Anchors may make the document a graph, even a circle:
 * the walk goes by the schema, which is two levels deep, so it ends.
 */
#include "hostctl/base/words.h"
#include "hostctl/image/ports.h"
#include "hostctl/image/schema.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#define MANIFEST_BYTES_MAX 262144u
#define FIELD_MAX 96

struct reader {
	struct source *s;
	const char *path;
	yaml_document_t *doc;
	struct err *err;
};

static unsigned line_of(const yaml_node_t *node)
{
	return (unsigned)node->start_mark.line + 1;
}

/* What a node is, for "got ...". Long scalars are cut. */
static void got(const yaml_node_t *node, char *out, size_t bytes)
{
	const char *text;

	switch (node->type) {
	case YAML_SCALAR_NODE:
		text = (const char *)node->data.scalar.value;
		if (*text == '\0')
			snprintf(out, bytes, "nothing");
		else
			snprintf(out, bytes, "%.60s%s", text, strlen(text) > 60 ? "..." : "");
		break;
	case YAML_SEQUENCE_NODE:
		snprintf(out, bytes, "a list");
		break;
	case YAML_MAPPING_NODE:
		snprintf(out, bytes, "a mapping");
		break;
	case YAML_NO_NODE:
		snprintf(out, bytes, "nothing");
		break;
	}
}

static int refuse(struct reader *r, const yaml_node_t *node, const char *field, const char *expected)
{
	char have[80];

	got(node, have, sizeof(have));
	return err_set(r->err, STATUS_DATA, "%s:%u: %s: expected %s, got %s", r->path, line_of(node), field, expected,
		       have);
}

static int refuse_key(struct reader *r, const yaml_node_t *node, int index)
{
	char expected[128];

	schema_expected(index, expected, sizeof(expected));
	return refuse(r, node, schema_keys[index].name, expected);
}

/* The text of a scalar without zero bytes inside, NULL for anything else. */
static const char *scalar(const yaml_node_t *node)
{
	const char *text;

	if (node->type != YAML_SCALAR_NODE)
		return NULL;
	text = (const char *)node->data.scalar.value;
	return strlen(text) == node->data.scalar.length ? text : NULL;
}

static bool is_line(const char *text)
{
	if (strlen(text) > SOURCE_TEXT_MAX)
		return false;
	for (; *text != '\0'; text++)
		if ((unsigned char)*text < ' ' && *text != '\t')
			return false;
	return true;
}

/* {port: 7/tcp, OPTION: VALUE ...}: the port first, wherever it stands, then its options. */
static int read_port_mapping(struct reader *r, const yaml_node_t *item, struct ix_manifest_port *port)
{
	yaml_node_pair_t *p, *pairs = item->data.mapping.pairs.start, *end = item->data.mapping.pairs.top;
	char expected[128];

	for (p = pairs; p < end; p++) {
		const char *key = scalar(yaml_document_get_node(r->doc, p->key));
		const char *value = scalar(yaml_document_get_node(r->doc, p->value));

		if (key != NULL && strcmp(key, "port") == 0 &&
		    (port->port != 0 || value == NULL || !ports_parse(value, port)))
			return refuse(r, yaml_document_get_node(r->doc, p->value), "ports",
				      "PORT/tcp or PORT/udp once");
	}
	if (port->port == 0)
		return refuse(r, item, "ports", "port: PORT/tcp among the options");
	for (p = pairs; p < end; p++) {
		const yaml_node_t *value_node = yaml_document_get_node(r->doc, p->value);
		const char *key = scalar(yaml_document_get_node(r->doc, p->key));
		const char *value = scalar(value_node);

		if (key != NULL && strcmp(key, "port") == 0)
			continue;
		if (!ports_set(port, key != NULL ? key : "", value != NULL ? value : "", expected, sizeof(expected)))
			return refuse(r, value_node, "ports", expected);
	}
	return 0;
}

static int read_port(struct reader *r, const yaml_node_t *item)
{
	struct ix_manifest *m = &r->s->m;
	struct ix_manifest_port port = { 0 };
	const char *text = scalar(item);

	if (item->type == YAML_MAPPING_NODE) {
		if (read_port_mapping(r, item, &port) != 0)
			return -1;
	} else if (text == NULL || !ports_parse(text, &port)) {
		return refuse(r, item, "ports", "PORT/tcp or PORT/udp, like 7/tcp");
	}
	if (m->port_count == IX_PORTS_MAX)
		return refuse(r, item, "ports", "at most 16 ports");
	for (uint32_t i = 0; i < m->port_count; i++)
		if (m->ports[i].port == port.port && m->ports[i].protocol == port.protocol)
			return refuse(r, item, "ports", "each port once");
	m->ports[m->port_count++] = port;
	return 0;
}

static int read_arg(struct reader *r, const yaml_node_t *item)
{
	const char *text = scalar(item);

	if (text == NULL || !is_line(text))
		return refuse(r, item, "args", "a text of at most 1024 bytes in one line");
	if (r->s->m.arg_count == IX_ARGS_MAX)
		return refuse(r, item, "args", "at most 32 arguments");
	r->s->args[r->s->m.arg_count++] = strdup(text);
	return 0;
}

/* Paths inside the image are relative, without "..", so that whoever unpacks them stays inside. */
static bool is_inside(const char *path)
{
	const char *p = path;

	if (*path == '\0' || *path == '/' || !is_line(path))
		return false;
	while (p != NULL) {
		size_t n = strcspn(p, "/");

		if (n == 0 || (n == 1 && p[0] == '.') || (n == 2 && p[0] == '.' && p[1] == '.'))
			return false;
		p = p[n] == '/' ? p + n + 1 : NULL;
	}
	return true;
}

static int read_file(struct reader *r, const yaml_node_t *item)
{
	struct source *s = r->s;
	const char *from = scalar(item);
	const char *to = from;

	if (item->type == YAML_MAPPING_NODE) {
		yaml_node_pair_t *p = item->data.mapping.pairs.start;

		for (; p < item->data.mapping.pairs.top; p++) {
			const char *key = scalar(yaml_document_get_node(r->doc, p->key));
			const char *value = scalar(yaml_document_get_node(r->doc, p->value));

			if (key != NULL && strcmp(key, "from") == 0)
				from = value;
			else if (key != NULL && strcmp(key, "to") == 0)
				to = value;
			else
				return refuse(r, item, "files", "only the keys from and to");
		}
	}
	if (from == NULL || to == NULL || *from == '\0')
		return refuse(r, item, "files", "PATH or {from: PATH, to: PATH}");
	to += *to == '/';
	if (!is_inside(to))
		return err_set(r->err, STATUS_DATA,
			       "%s:%u: files: expected a path in the image without '.' and '..', "
			       "got %s; say {from: PATH, to: PATH}",
			       r->path, line_of(item), to);
	if (s->file_count == SOURCE_FILES_MAX)
		return refuse(r, item, "files", "at most 256 files");
	for (uint32_t i = 0; i < s->file_count; i++)
		if (strcmp(s->files[i].to, to) == 0)
			return refuse(r, item, "files", "each path once");
	s->files[s->file_count++] = (struct source_file){ strdup(from), strdup(to) };
	return 0;
}

static int read_list(struct reader *r, const yaml_node_t *node, int index,
		     int (*read_item)(struct reader *, const yaml_node_t *))
{
	yaml_node_item_t *item;

	if (node->type != YAML_SEQUENCE_NODE)
		return refuse_key(r, node, index);
	for (item = node->data.sequence.items.start; item < node->data.sequence.items.top; item++)
		if (read_item(r, yaml_document_get_node(r->doc, *item)) != 0)
			return -1;
	return 0;
}

static int read_pairs(struct reader *r, const yaml_node_t *node, int index)
{
	struct ix_manifest *m = &r->s->m;
	yaml_node_pair_t *p;

	if (node->type != YAML_MAPPING_NODE)
		return refuse_key(r, node, index);
	for (p = node->data.mapping.pairs.start; p < node->data.mapping.pairs.top; p++) {
		const yaml_node_t *name_node = yaml_document_get_node(r->doc, p->key);
		const yaml_node_t *value_node = yaml_document_get_node(r->doc, p->value);
		const char *name = scalar(name_node);
		const char *value = scalar(value_node);

		if (name == NULL || *name == '\0' || strchr(name, '=') != NULL || !is_line(name))
			return refuse(r, name_node, "env", "a name without '='");
		if (value == NULL || !is_line(value))
			return refuse(r, value_node, "env", "a text in one line");
		if (m->env_count == IX_ENV_MAX)
			return refuse(r, name_node, "env", "at most 32 variables");
		for (uint32_t i = 0; i < m->env_count; i++)
			if (strncmp(r->s->env[i], name, strlen(name)) == 0 && r->s->env[i][strlen(name)] == '=')
				return refuse(r, name_node, "env", "each name once");
		if (asprintf(&r->s->env[m->env_count], "%s=%s", name, value) < 0)
			return err_set(r->err, STATUS_MACHINE, "out of memory");
		m->env_count++;
	}
	return 0;
}

static int read_value(struct reader *r, const yaml_node_t *node, int index)
{
	const char *text;

	switch (schema_keys[index].kind) {
	case SCHEMA_PORTS:
		return read_list(r, node, index, read_port);
	case SCHEMA_TEXTS:
		return read_list(r, node, index, read_arg);
	case SCHEMA_FILES:
		return read_list(r, node, index, read_file);
	case SCHEMA_PAIRS:
		return read_pairs(r, node, index);
	default:
		break;
	}
	text = scalar(node);
	if (text == NULL || !schema_set(r->s, index, text))
		return refuse_key(r, node, index);
	return 0;
}

static int unknown_field(struct reader *r, unsigned line, const char *name)
{
	char words[512];

	schema_unknown(name, words, sizeof(words));
	return err_set(r->err, STATUS_DATA, "%s:%u: %s: %s", r->path, line, name, words);
}

/* @group: "" at the top, else "net." and the like. */
static int read_mapping(struct reader *r, const yaml_node_t *node, const char *group)
{
	yaml_node_pair_t *p;

	for (p = node->data.mapping.pairs.start; p < node->data.mapping.pairs.top; p++) {
		const yaml_node_t *key = yaml_document_get_node(r->doc, p->key);
		const yaml_node_t *value = yaml_document_get_node(r->doc, p->value);
		const char *word = scalar(key);
		char name[FIELD_MAX];
		int index;

		if (word == NULL || strlen(word) > FIELD_MAX / 2)
			return refuse(r, key, *group == '\0' ? "manifest" : group, "a field");
		snprintf(name, sizeof(name), "%s%s", group, word);
		index = strchr(word, '.') == NULL ? schema_find(name) : -1;
		if (index < 0)
			return unknown_field(r, line_of(key), name);
		if (r->s->line[index] != 0)
			return err_set(r->err, STATUS_DATA, "%s:%u: %s: expected once, but line %u has it too", r->path,
				       line_of(key), name, r->s->line[index]);
		r->s->line[index] = line_of(key);
		if (schema_keys[index].kind != SCHEMA_GROUP) {
			if (read_value(r, value, index) != 0)
				return -1;
			continue;
		}
		if (value->type != YAML_MAPPING_NODE)
			return refuse_key(r, value, index);
		snprintf(name, sizeof(name), "%s.", word);
		if (read_mapping(r, value, name) != 0)
			return -1;
	}
	return 0;
}

static int fill_defaults(struct reader *r)
{
	for (unsigned i = 0; i < schema_count; i++) {
		if (r->s->line[i] != 0)
			continue;
		if (schema_keys[i].is_required)
			return err_set(r->err, STATUS_DATA,
				       "%s:1: %s: expected this field, got "
				       "none",
				       r->path, schema_keys[i].name);
		if (schema_keys[i].fallback != NULL && !schema_set(r->s, (int)i, schema_keys[i].fallback))
			return err_set(r->err, STATUS_MACHINE, "out of memory");
	}
	if (r->s->m.cores_max == 0)
		r->s->m.cores_max = r->s->m.cores_min;
	return 0;
}

static int read_document(struct reader *r)
{
	const yaml_node_t *root = yaml_document_get_root_node(r->doc);

	if (root == NULL)
		return err_set(r->err, STATUS_DATA, "%s:1: manifest: expected fields, got an empty file", r->path);
	if (root->type != YAML_MAPPING_NODE)
		return refuse(r, root, "manifest", "fields like `name: echo`");
	if (read_mapping(r, root, "") != 0 || fill_defaults(r) != 0)
		return -1;
	return source_check(r->s, r->path, r->err);
}

int source_read(struct source **out, const char *path, struct err *err)
{
	yaml_parser_t parser;
	yaml_document_t doc;
	struct reader r = { .path = path, .doc = &doc, .err = err };
	struct blob text;
	int result = -1;

	if (blob_read(&text, path, MANIFEST_BYTES_MAX, err) != 0)
		return -1;
	r.s = calloc(1, sizeof(*r.s));
	if (r.s == NULL || !yaml_parser_initialize(&parser)) {
		free(r.s);
		blob_fini(&text);
		return err_set(err, STATUS_MACHINE, "out of memory");
	}
	blob_add(&text, "\n", 1); /* libyaml takes no empty input */
	yaml_parser_set_input_string(&parser, text.data, text.bytes);
	if (!yaml_parser_load(&parser, &doc)) {
		err_set(err, STATUS_DATA, "%s:%zu: manifest: expected YAML, got this: %s", path,
			parser.problem_mark.line + 1,
			parser.problem != NULL ? parser.problem : "bytes that are no text");
	} else {
		result = read_document(&r);
		yaml_document_delete(&doc);
	}
	yaml_parser_delete(&parser);
	blob_fini(&text);
	*out = r.s;
	if (result != 0) {
		source_free(r.s);
		*out = NULL;
	}
	return result;
}

void source_free(struct source *s)
{
	if (s == NULL)
		return;
	free(s->name);
	free(s->version);
	free(s->app);
	for (uint32_t i = 0; i < IX_ARGS_MAX; i++)
		free(s->args[i]);
	for (uint32_t i = 0; i < IX_ENV_MAX; i++)
		free(s->env[i]);
	for (uint32_t i = 0; i < s->file_count; i++) {
		free(s->files[i].from);
		free(s->files[i].to);
	}
	free(s);
}
