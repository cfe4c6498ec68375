/* SPDX-License-Identifier: MIT */
/*
 * TCP on port 7: 64 bytes come back when the core has been at work for as many ns as their first four say, little end first. Work is
 * looking at the clock: a core does as much of it on a slow host as on a fast one, and nothing else meanwhile.
 */
#include "lib/ix/ix.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PORT 7
#define MESSAGE_BYTES 64
#define WORK_MAX_NS 1200000000u /* 12 times the longest mean of bench/load/shaped.c */

static void toil(const unsigned char *message)
{
	uint32_t ns;
	uint64_t end;

	memcpy(&ns, message, sizeof(ns));
	end = ix_now_ns() + (ns < WORK_MAX_NS ? ns : WORK_MAX_NS);
	while (ix_now_ns() < end)
		;
}

static void answer(struct ix_conn *c)
{
	unsigned char message[MESSAGE_BYTES];

	while (ix_unread(c) >= sizeof(message)) {
		ix_read(c, message, sizeof(message));
		toil(message);
		message[MESSAGE_BYTES - 1] = (unsigned char)ix_core();
		if (ix_write(c, message, sizeof(message)) == sizeof(message))
			continue;
		ix_abort(c); /* asked so often without reading an answer: no client of ours */
		return;
	}
}

int main(void)
{
	static const struct ix_handlers on = { .on_read = answer, .on_eof = ix_close };
	static const struct ix_service service;
	int err = ix_listen(PORT, &on, NULL);

	if (err) {
		(void)fprintf(stderr, "toil: cannot serve port %d (%d)\n", PORT, err);
		return EXIT_FAILURE;
	}
	ix_run(&service);
}
