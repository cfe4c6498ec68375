/* SPDX-License-Identifier: MIT */
/* The fields of a manifest as a table: what each is called, takes, defaults to and means. */
#pragma once
#include "hostctl/image/source.h"

enum schema_kind {
	SCHEMA_GROUP = 0, /* a mapping of the keys that begin with its name and a dot */
	SCHEMA_NAME,      /* lower-case letters, digits, '-', '_', '.' */
	SCHEMA_TEXT,
	SCHEMA_NUMBER,
	SCHEMA_NUMBER_OR_AUTO, /* auto is UINT32_MAX */
	SCHEMA_BOOL,
	SCHEMA_PREFIX, /* a.b.c.d/len */
	SCHEMA_IPV4,
	SCHEMA_PREFIX6, /* ADDRESS/len [RFC 4291 2.3] */
	SCHEMA_IPV6,
	SCHEMA_PORTS, /* list of 7/tcp, 7/udp */
	SCHEMA_TEXTS, /* list of strings */
	SCHEMA_PAIRS, /* mapping of strings */
	SCHEMA_FILES, /* list of paths, or of {from, to} */
	SCHEMA_NR
};

struct schema_key {
	const char *name; /* dotted */
	enum schema_kind kind;
	bool is_required;
	bool is_override;        /* the kernel takes it on its command line too */
	uint32_t min, max, step; /* of a number; step: it must be a multiple of */
	size_t at;               /* where in struct source */
	const char *fallback;    /* as it would be written; NULL: absent, empty or said in doc */
	const char *doc;
};

extern const struct schema_key schema_keys[];
extern const unsigned schema_count;

/** schema_find() - index of a dotted name, -1 if there is none. */
int schema_find(const char *name);

/** schema_set() - store the scalar @text as key @index says. Return: false if it is not acceptable. */
bool schema_set(struct source *s, int index, const char *text);

/** schema_expected() - what key @index takes, as words: "a number 1..64". */
void schema_expected(int index, char *out, size_t bytes);

/**
 * schema_unknown() - the words after the name of an unknown field: what was probably meant, else
 * what is known in its group. @name: dotted.
 */
void schema_unknown(const char *name, char *out, size_t bytes);
