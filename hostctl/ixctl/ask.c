/* SPDX-License-Identifier: MIT */
/* Requests to ixd and its answers, for verbs. */
#include "hostctl/ixctl/ask.h"
#include "hostctl/base/clean.h"
#include "hostctl/base/say.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

json_t *ask_request(const char *verb, const char *name)
{
	json_t *o = json_pack("{s:s}", "verb", verb);

	/* What is no UTF-8 is no name, and ixd says so. */
	if (name != NULL && json_object_set_new(o, "name", json_string(name)) != 0)
		json_object_set_new(o, "name", json_string("?"));
	return o;
}

const char *ask_one_name(const char *verb, int first, int argc, char **argv, struct err *err)
{
	if (argc - first == 1)
		return argv[first];
	err_set(err, STATUS_USAGE, "%s: expected the name of one guest, got %d words (`ixctl ps` lists guests)", verb,
		argc - first);
	return NULL;
}

void ask_say(const char *text)
{
	char *copy = strdup(text);

	if (copy == NULL)
		abort();
	clean_text(copy, strlen(copy));
	say("%s", copy);
	free(copy);
}

void ask_put(const json_t *o)
{
	json_dumpf(o, stdout, JSON_COMPACT | JSON_ENCODE_ANY | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(9));
	putchar('\n');
	(void)fflush(stdout); /* who calls looks at ferror() */
}

int ask_put_row(void *arg, const json_t *row)
{
	(void)arg;
	ask_put(row);
	return ferror(stdout);
}

const char *ask_text(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	return text != NULL ? text : "";
}

json_int_t ask_number(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}
