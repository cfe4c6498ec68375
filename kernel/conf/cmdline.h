/* SPDX-License-Identifier: MIT */
/*
 * The kernel command line: words of KEY=VALUE that override the manifest, then "--" and the
 * application's arguments. Words are parted by blanks; inside double quotes a blank is a character and
 * a backslash makes the next one so too.
 */
#pragma once
#include "kernel/conf/conf.h"

/** cmdline_apply() - Return: 0, or KERR_INVALID with a sentence in @error. */
int cmdline_apply(struct conf *out, const char *cmdline, char *error);
