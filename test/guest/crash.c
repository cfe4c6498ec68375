/* SPDX-License-Identifier: MIT */
/* A service that echoes on port 7 and falls over port 13: what test/system/crash.py looks for in its core file. */
#include "lib/ix/ix.h"
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define ECHO 7
#define FALL 13

static volatile uint64_t *volatile nowhere;

/* Falls with @depth frames of its own on the stack. */
__attribute__((noinline)) static uint64_t fall(uint64_t depth)
{
	volatile uint64_t marker = 0xc0ffee00 + depth;

	if (depth == 0)
		*nowhere = marker; /* at address 0 nothing is mapped */
	else
		marker += fall(depth - 1);
	return marker;
}

static void on_echo(struct ix_conn *c)
{
	ix_forward(c, SIZE_MAX);
}

static void on_fall(struct ix_conn *c)
{
	printf("crash: %llu\n", (unsigned long long)fall(3));
	ix_close(c);
}

static const struct ix_handlers echo = { .on_read = on_echo, .on_eof = ix_close };
static const struct ix_handlers edge = { .on_open = on_fall };

int main(void)
{
	static const struct ix_service service;

	if (ix_listen(ECHO, &echo, NULL) || ix_listen(FALL, &edge, NULL))
		return EXIT_FAILURE;
	ix_run(&service);
}
