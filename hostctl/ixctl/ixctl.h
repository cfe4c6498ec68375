/* SPDX-License-Identifier: MIT */
/*
 * In: words from the command line. Out: an exit status (hostctl/base/err.h). Who calls: nobody, this
 * is the program. Start reading at main.c; each verb is a file.
 */
#pragma once
#include "hostctl/base/err.h"
#include <getopt.h>
#include <stdbool.h>

/* What a verb is called with: argv[0] is the verb itself. Return: exit status, or -1 with @err. */
int verb_image(int argc, char **argv, struct err *err);
int verb_image_build(int argc, char **argv, struct err *err);
int verb_image_inspect(int argc, char **argv, struct err *err);
int verb_image_new(int argc, char **argv, struct err *err);
int verb_run(int argc, char **argv, struct err *err);
int verb_help(int argc, char **argv, struct err *err);

/**
 * option_next() - getopt_long() whose mistakes end up in @err with the nearest known option
 * Return: the option's value, 0 at the end, -1 with @err.
 */
int option_next(int argc, char **argv, const char *shorts, const struct option *longs, struct err *err);

/** option_unknown_verb() - "unknown command 'rnu', did you mean run?" Return: -1. */
int option_unknown_verb(const char *verb, const char *const *known, unsigned count, struct err *err);

/** help_print() - the page about @topic ("", "run", "image", ...) on stdout. False: no such page. */
bool help_print(const char *topic);

/** path_in_build() - a file of the build that this program belongs to, on the heap. */
char *path_in_build(const char *name);
