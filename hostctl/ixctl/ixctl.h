/* SPDX-License-Identifier: MIT */
/*
 * In: words from the command line. Out: an exit status (hostctl/base/err.h). Who calls: nobody, this
 * is the program. Start reading at main.c; each verb is a file.
 */
#pragma once
#include "hostctl/base/err.h"
#include <getopt.h>
#include <stdbool.h>

struct image;
struct verb;

/* hostctl/ixctl/verb.h says what one is; main.c lists them. */
extern const struct verb verb_run, verb_image_build, verb_image_inspect, verb_image_new, verb_help;
extern const struct verb verb_host_setup, verb_host_status, verb_host_teardown;
extern const struct verb verb_replace, verb_rollback, verb_scale;
extern const struct verb verb_up, verb_down, verb_ps, verb_inspect, verb_events;
extern const struct verb verb_top, verb_logs, verb_console, verb_capture, verb_completion;

/**
 * option_next() - getopt_long() whose mistakes end up in @err with the nearest known option
 * Return: the option's value, 0 at the end, -1 with @err.
 */
int option_next(int argc, char **argv, const char *shorts, const struct option *longs, struct err *err);

/** option_unknown_verb() - "unknown command 'rnu', did you mean run?" Return: -1. */
int option_unknown_verb(const char *verb, const char *const *known, unsigned count, struct err *err);

/** help_print() - the page about @topic ("", "run", "image", ...) on stdout. False: no such page. */
bool help_print(const char *topic);

/**
 * target_load() - the image in file @target, or the one built from folder @target with @kernel
 * @app: out: path of the application that went into it, on the heap; NULL: not wanted. Return: 0, or -1 with @err.
 */
int target_load(struct image **out, const char *target, const char *kernel, char **app, struct err *err);
/** target_open() - the same with this build's kernel, as a file without a name. Return: its descriptor, or -1 with @err. */
int target_open(const char *target, struct err *err);

/** path_in_build() - a file of the build that this program belongs to, on the heap. */
char *path_in_build(const char *name);
