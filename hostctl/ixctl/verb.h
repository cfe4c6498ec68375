/* SPDX-License-Identifier: MIT */
/*
 * A verb as one table: what getopt takes, what `--help` and the man page say and what a shell completes are the same words.
 * Private to hostctl/ixctl.
 */
#pragma once
#include "hostctl/base/err.h"
#include <stdbool.h>

#define VERB_OPTIONS_MAX 24u

/* What a word is, for a shell that completes it. */
enum verb_word {
	WORD_OTHER = 0, /* nothing to offer */
	WORD_GUEST,
	WORD_FILE,
	WORD_CHOICE, /* one of those between '|' in `value` or `words` */
};

struct verb_option {
	const char *name;  /* without its dashes */
	char letter;       /* '\0': none */
	const char *value; /* what stands behind it, like "MIB"; NULL: nothing does */
	enum verb_word word;
	const char *text; /* what it does, one sentence without its full stop */
};

struct verb {
	const char *name;                  /* "up", "image build" */
	const char *words;                 /* what stands behind it: "NAME IMAGE|FOLDER [-- ARGUMENT...]" */
	const char *summary;               /* one line without a full stop */
	const char *about;                 /* paragraphs, with an empty line between two */
	const char *examples;              /* command lines, each with its newline */
	enum verb_word word[2];            /* the first two plain words */
	const struct verb_option *options; /* up to a NULL name; --help is in each and in none of these */
	int (*run)(int argc, char **argv,
		   struct err *err); /* argv[0] is the verb's last word; exit status, or -1 with @err */
};

#define VERB_JSON                                                                  \
	{                                                                          \
		"json", '\0', NULL, WORD_OTHER, "one JSON object a line on stdout" \
	}
#define VERB_OPTIONS_END                           \
	{                                          \
		NULL, '\0', NULL, WORD_OTHER, NULL \
	}

/* One option with its value (NULL: takes none). Return: 0, or -1 with @err. */
typedef int verb_take(void *arg, const struct verb_option *option, char *value, struct err *err);

/* A command line. */
struct words {
	int argc;
	char **argv;
	verb_take *take; /* NULL for a verb without options */
	void *arg;       /* of @take */
	int first;       /* out: index of the first plain word; they have been moved behind all options */
};

/**
 * verb_options() - take a command line apart
 * Return: 0, 1 when it was --help and the page has been printed, or -1 with @err.
 */
int verb_options(const struct verb *v, struct words *words, struct err *err);

/** verb_take_flag() - a verb_take whose @arg is a bool, for verbs that have --json and nothing else. */
int verb_take_flag(void *arg, const struct verb_option *option, char *value, struct err *err);

/** verb_find() - by its name; NULL: there is none. verb_at(): the one at @index, NULL behind the last. */
const struct verb *verb_find(const char *name);
const struct verb *verb_at(unsigned index);

/** verb_page() - its help page on stdout, for 80 columns. */
void verb_page(const struct verb *v);
