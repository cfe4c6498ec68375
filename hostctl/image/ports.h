/* SPDX-License-Identifier: MIT */
/* The options of a port, as a manifest and a command line write them. */
#pragma once
#include "hostctl/base/err.h"
#include "kernel/abi/manifest.h"
#include <stdbool.h>
#include <stdio.h>

/** ports_parse() - "7/tcp" or "7/udp". Return: false if @text is anything else. */
bool ports_parse(const char *text, struct ix_manifest_port *port);

/**
 * ports_set() - one option of a TCP port. @expected: what it takes, on failure
 * Return: false if there is no such option, @value is not in its range, or @port is not TCP.
 */
bool ports_set(struct ix_manifest_port *port, const char *option, const char *value, char *expected, size_t bytes);

/** ports_override() - "7.OPTION" = @value, of a TCP port that @m names. Return: 0, or -1 with @err (STATUS_USAGE). */
int ports_override(struct ix_manifest *m, const char *key, const char *value, struct err *err);

/**
 * ports_option() - name and value of option @i of a port; NULL behind the last one. Value 0: not set.
 * @word: what it is written as, NULL: a number.
 */
const char *ports_option(const struct ix_manifest_port *port, unsigned i, uint32_t *value, const char **word);

/** ports_fields() - the options, for people. */
void ports_fields(FILE *out);
