/* SPDX-License-Identifier: MIT */
/*
 * In: a table of cases. Out: a TCP service on port 7, on the bare arrays, that runs the case a client
 * names. A case that ends the partition is judged by its report on the console; after the restart the
 * next one is asked for over a new connection. Who calls: main() of each program here; test/guest/hostile.py
 * is the client.
 */
#pragma once
#include <stdbool.h>
#include "lib/libc/libc.h"

struct test_case {
	const char *name;
	const char *expect;             /* "pass", "fault 14", "fault 6,13", "watchdog", "exit 3" */
	const char *(*run)(uint64_t n); /* NULL: as expected; else what went wrong */
	uint64_t argument;              /* of the first variant */
	unsigned variants;              /* 0 or 1: one; else run with argument, argument + 1, ... */
};

/** serve() - answer clients for ever. With arguments: run the case argv[1] (variant argv[2]) at once, for use by hand. */
int serve(int argc, char **argv, const struct test_case *cases, unsigned count);

/** serve_turn() - one IX_RUN_IO and its events, for cases that last; commands that arrive wait for their turn. */
void serve_turn(void);

/** serve_take() - the events of an IX_RUN_IO that the case made itself; @n: what it returned. */
void serve_take(long n);

/** serve_sleep_ms() - let the dataplane run for a while. */
void serve_sleep_ms(uint64_t ms);

/** serve_call() - one descriptor by IX_CALL, through slot 0. Return: its status; result in @handle and @len if not NULL. */
int serve_call(struct ix_call call, ix_handle_t *handle, uint64_t *len);

/** serve_lent() - where the receive buffer with the command that is being run lies. */
uint64_t serve_lent(void);

/* Connections of this core that said "hold": cases may do with them what they like. What they received is lent, never given back. */
#define SERVE_HELD_MAX 16u
struct serve_held {
	ix_handle_t handle;
	uint64_t lent_va, lent_bytes; /* their first data after "hold", 0 if none has come */
};
unsigned serve_held(struct serve_held *out);
/** serve_own() - the connection whose command is being run. serve_listener() - the one that took it in. */
ix_handle_t serve_own(void);
ix_handle_t serve_listener(void);

/**
 * serve_job() - have another core, which serves connections like this one, run @run(@argument) between two turns
 * serve_job_is_done() - whether it came back.
 */
void serve_job(uint32_t core, void (*run)(uintptr_t argument), uintptr_t argument);
bool serve_job_is_done(uint32_t core);

/** serve_text() - a formatted text that lives until the next call. */
const char *serve_text(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/** serve_random() - seeded by serve_seed(); the same sequence in every run. */
void serve_seed(uint64_t seed);
uint64_t serve_random(void);
