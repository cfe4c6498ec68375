/* SPDX-License-Identifier: MIT */
/* What `ixctl up` was told, as the fields of a guest's record. Private to hostctl/ixctl. */
#pragma once
#include "hostctl/guest/guest.h"
#include "hostctl/ixctl/verb.h"
#include <jansson.h>

struct up_words {
	json_t *guest;                      /* the record's fields [hostctl/guest/record.c]; owned */
	const char *image;                  /* image or folder; NULL: --help was said, and the page is printed */
	const char *paths[GUEST_FILES_MAX]; /* of guest.files, in their order */
	unsigned path_count;
	bool is_json;
};

extern const struct verb_option up_options[];

/**
 * up_words() - take the command line apart; every field is checked as ixd will check it
 * @out: all of it is written; up_words_fini() in every case. Return: 0, or -1 with @err.
 */
int up_words(struct up_words *out, int argc, char **argv, struct err *err);
void up_words_fini(struct up_words *w);
