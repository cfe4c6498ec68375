/* SPDX-License-Identifier: MIT */
/*
 * Stands in for <glib.h>: QEMU's plugin header names two of its types, and the plugin calls three functions, which the
 * glib that QEMU itself is linked with resolves when the plugin is loaded. So no development package is needed.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
	char *data;
	unsigned len; /* elements */
} GArray;

typedef struct {
	uint8_t *data;
	unsigned len; /* bytes */
} GByteArray;

GByteArray *g_byte_array_new(void);
GByteArray *g_byte_array_set_size(GByteArray *array, unsigned length);
char *g_array_free(GArray *array, int free_segment);
