/* SPDX-License-Identifier: MIT */
/* The options of a port that the manifest names: a table, and the check of their ranges. Private to kernel/conf. */
#pragma once
#include "kernel/conf/conf.h"

/** port_is_good() - number, protocol and every option. */
bool port_is_good(const struct ix_manifest_port *p);

/**
 * port_parse() - a command-line word ports.PORT.OPTION=VALUE, of a TCP port that the manifest names
 * @key: PORT.OPTION. Return: 0, or KERR_INVALID with a sentence in @error.
 */
int port_parse(struct conf *out, const char *key, const char *value, char *error);
