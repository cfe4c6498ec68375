/* SPDX-License-Identifier: MIT */
/*
 * KEY=VALUE on a guest's command line, checked by the same table as the manifest, and the table
 * itself for people to read.
 */
#include "hostctl/image/image.h"
#include "hostctl/image/ports.h"
#include "hostctl/image/schema.h"
#include <stdlib.h>
#include <string.h>

static int apply(struct source *s, const char *key, const char *value, struct err *err)
{
	char words[512];
	int index = schema_find(key);

	if (strncmp(key, "env.", 4) == 0 && key[4] != '\0')
		return 0;
	if (strncmp(key, "ports.", 6) == 0)
		return ports_override(&s->m, key + 6, value, err);
	if (index < 0) {
		schema_unknown(key, words, sizeof(words));
		return err_set(err, STATUS_USAGE, "%s: %s", key, words);
	}
	if (!schema_keys[index].is_override)
		return err_set(err, STATUS_USAGE,
			       "%s: cannot be changed when it runs; change image.yaml and build again", key);
	if (schema_set(s, index, value))
		return 0;
	schema_expected(index, words, sizeof(words));
	return err_set(err, STATUS_USAGE, "%s: expected %s, got %s", key, words, *value != '\0' ? value : "nothing");
}

int image_override(struct ix_manifest *m, const char *word, struct err *err)
{
	const char *equal = strchr(word, '=');
	struct source *s = calloc(1, sizeof(*s));
	char *key = strdup(word);
	int result = -1;

	if (s == NULL || key == NULL) {
		err_set(err, STATUS_MACHINE, "out of memory");
	} else if (equal == NULL) {
		err_set(err, STATUS_USAGE, "%s: expected KEY=VALUE, like poll_us=0", word);
	} else {
		key[equal - word] = '\0';
		s->m = *m;
		result = apply(s, key, equal + 1, err);
		if (s->dhcp != 0)
			memset(s->m.address, 0, sizeof(s->m.address));
		*m = s->m;
	}
	free(key);
	free(s);
	return result;
}

void image_fields(FILE *out)
{
	for (unsigned i = 0; i < schema_count; i++) {
		const struct schema_key *key = &schema_keys[i];
		char expected[128];

		if (key->kind == SCHEMA_GROUP)
			continue;
		schema_expected((int)i, expected, sizeof(expected));
		fprintf(out, "  %-17s %s\n  %-17s   %s", key->name, key->doc, "", expected);
		if (key->is_required)
			fputs("; required", out);
		else if (key->fallback != NULL)
			fprintf(out, "; default %s", key->fallback);
		fputs(key->is_override ? "; --set\n" : "\n", out);
		if (key->kind == SCHEMA_PORTS)
			ports_fields(out);
	}
}
