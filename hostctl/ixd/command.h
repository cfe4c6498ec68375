/* SPDX-License-Identifier: MIT */
/* A command to a guest, by its page. Private to hostctl/ixd. */
#pragma once
#include "hostctl/ixd/ixd.h"

#define COMMAND_MS 3000
/**
 * command_guest() - have the guest do @op and wait for its answer, COMMAND_MS at most; without the lock
 * Return: 0 with @out, or -1 with @err: no page, busy, no answer, or refused.
 */
int command_guest(const char *name, enum ix_page_op op, const uint64_t arg[4], struct ix_page_answer *out,
		  struct err *err);
/* A command, how long its answer may take, and the answer; if there was none its sequence is 0. */
struct command {
	enum ix_page_op op;
	uint64_t arg[4];
	int64_t ms;
	struct ix_page_answer answer;
};
/** command_do() - the same; of a command that was refused, too, the answer is there. */
int command_do(const char *name, struct command *c, struct err *err);
/** command_bell() - only "look". */
void command_bell(const char *name);
