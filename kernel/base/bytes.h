/* SPDX-License-Identifier: MIT */
/* Memory and string primitives of a freestanding build, with the C library's names and meanings. */
#pragma once
#include "kernel/base/types.h"

void *memcpy(void *restrict to, const void *restrict from, size_t bytes);
void *memmove(void *to, const void *from, size_t bytes);
void *memset(void *to, int value, size_t bytes);
int memcmp(const void *a, const void *b, size_t bytes);
size_t strlen(const char *s);
size_t strnlen(const char *s, size_t max);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t max);

/*
 * A freestanding build forgets what the compiler knows of these, and six bytes become a call of 38
 * instructions. Said again here; what is not small and constant still ends in the functions above.
 */
#ifndef BYTES_AS_FUNCTIONS
#define memcpy(to, from, bytes) __builtin_memcpy(to, from, bytes)
#define memset(to, value, bytes) __builtin_memset(to, value, bytes)
#define memcmp(a, b, bytes) __builtin_memcmp(a, b, bytes)
#endif
