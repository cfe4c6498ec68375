/* SPDX-License-Identifier: MIT */
/* A guest's words are a stranger's: what a terminal would obey in them is not passed on. */
#pragma once
#include <stddef.h>

/**
 * clean_text() - control characters, also those of two bytes in UTF-8 (U+0080 to U+009F), become '?'; tab, CR and LF stay
 * In place; the length stays what it is.
 */
void clean_text(char *text, size_t bytes);

/** clean_utf8() - bytes that are not UTF-8 become '?', and NUL, too: then it can be a JSON string. */
void clean_utf8(char *text, size_t bytes);
