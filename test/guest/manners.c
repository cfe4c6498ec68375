/* SPDX-License-Identifier: MIT */
/*
 * A service whose ports behave as some services do: what test/system/outage.py, memory.py and reuse.py
 * need on the other side.
 */
#include "lib/ix/ix.h"
#include <stdio.h>
#include <stdlib.h>

#define ECHO 7       /* echo */
#define ECHO_EAGER 8 /* echo; the manifest gives it an RTO floor of 5 ms */
#define CLOSER 13    /* says a line and closes first */
#define HOARDER 14   /* reads nothing, ever */
#define WATCHER 15   /* echo, with a keepalive of a second */
#define SOURCE 19    /* sends without end */
#define KEEPALIVE_MS 1000

static char page[65536];

static void echo_read(struct ix_conn *c)
{
	ix_forward(c, SIZE_MAX);
}

static void closer_open(struct ix_conn *c)
{
	ix_write(c, "bye\n", 4);
	ix_close(c);
}

static void hoarder_open(struct ix_conn *c)
{
	ix_pause(c);
}

static void watcher_open(struct ix_conn *c)
{
	ix_set_option(c, IX_SET_KEEPALIVE, KEEPALIVE_MS);
}

static void source_write(struct ix_conn *c)
{
	while (!ix_send(c, page, sizeof(page), NULL, NULL))
		;
}

static const struct ix_handlers echo = { .on_read = echo_read, .on_eof = ix_close };
static const struct ix_handlers closer = { .on_open = closer_open };
static const struct ix_handlers hoarder = { .on_open = hoarder_open };
static const struct ix_handlers watcher = { .on_open = watcher_open, .on_read = echo_read, .on_eof = ix_close };
static const struct ix_handlers source = { .on_open = source_write, .on_write = source_write };

static void serve(uint16_t port, const struct ix_handlers *on)
{
	if (!ix_listen(port, on, NULL))
		return;
	(void)fprintf(stderr, "manners: cannot serve port %u\n", port);
	exit(EXIT_FAILURE);
}

int main(void)
{
	static const struct ix_service service;

	for (unsigned i = 0; i < sizeof(page); i++)
		page[i] = (char)('a' + i % 26);
	serve(ECHO, &echo);
	serve(ECHO_EAGER, &echo);
	serve(CLOSER, &closer);
	serve(HOARDER, &hoarder);
	serve(WATCHER, &watcher);
	serve(SOURCE, &source);
	ix_run(&service);
}
