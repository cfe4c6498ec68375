/* SPDX-License-Identifier: MIT */
/* What all verbs that talk to ixd have in common. Private to hostctl/ixctl. */
#pragma once
#include "hostctl/client/client.h"
#include <stdbool.h>

/** ask_request() - {"verb": @verb} and, if it is not NULL, "name": @name (new reference). */
json_t *ask_request(const char *verb, const char *name);

/** ask_one_name() - the only plain word of a command line. NULL with @err: there are more or none. */
const char *ask_one_name(const char *verb, int first, int argc, char **argv, struct err *err);

/** ask_say() - progress for people, as client.on_say. */
void ask_say(const char *text);

/** ask_put() - one line of JSON on stdout, at once. ask_put_row() is the same as client.on_row. */
void ask_put(const json_t *o);
int ask_put_row(void *arg, const json_t *row);

/** ask_text(), ask_number() - a member of @o; "" or 0 if it is not there. */
const char *ask_text(const json_t *o, const char *key);
json_int_t ask_number(const json_t *o, const char *key);
