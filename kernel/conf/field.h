/* SPDX-License-Identifier: MIT */
/*
 * The fields of a manifest that are plain numbers: key, range, and where each stands in the compiled
 * manifest and in struct conf. Both ways in, manifest and command line, go through the same check.
 */
#pragma once
#include "kernel/conf/conf.h"

#define CONF_ERROR_BYTES 160u

enum field_kind {
	FIELD_NUMBER = 0,
	FIELD_FLAG,    /* 0 or 1; bool in struct conf */
	FIELD_AUTO,    /* a number, or UINT32_MAX, written "auto" */
	FIELD_HIDDEN,  /* a number that the command line sets as part of another key */
	FIELD_CHECKED, /* a number that struct conf does not have: the host's business, checked all the same */
};

struct field {
	const char *key;
	enum field_kind kind;
	uint32_t min, max;
	uint32_t multiple; /* of this, at least 1 */
	uint16_t manifest_off, conf_off;
};

#define FIELD_COUNT 19u
extern const struct field field_table[FIELD_COUNT];

/** field_is_settable() - whether the command line may set it by its key. */
static inline bool field_is_settable(const struct field *f)
{
	return f->kind != FIELD_CHECKED && f->kind != FIELD_HIDDEN;
}

/** field_find() - by key, NULL if there is none that the command line may set. */
const struct field *field_find(const char *key);

/** field_set() - check and store. Return: 0, or KERR_INVALID with a sentence in @error. */
int field_set(const struct field *f, struct conf *out, uint32_t value, char *error);

/** field_parse() - from text; as field_set(). */
int field_parse(const struct field *f, struct conf *out, const char *text, char *error);

/** field_from_manifest() - all of them. */
int field_from_manifest(struct conf *out, const struct ix_manifest *m, char *error);
