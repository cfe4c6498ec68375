/* SPDX-License-Identifier: MIT */
/*
 * Echo, discard and chargen over TCP and UDP [RFC 862, RFC 863, RFC 864]. After the build:
 *
 *   build/bin/ixctl image build images/echo -o echo.ix
 *   build/bin/ixctl run echo.ix -p 7007:7 -p 7007:7/udp
 *   printf 'hello\n' | nc -q1 127.0.0.1 7007
 */
#include "lib/ix/ix.h"
#include <stdio.h>
#include <stdlib.h>

#define ECHO_PORT 7
#define DISCARD_PORT 9
#define CHARGEN_PORT 19

/* ---- echo: what came in goes out from the memory it came in ---- */

static void echo_read(struct ix_conn *c)
{
	ix_forward(c, SIZE_MAX);
}

/* The peer has finished; ix_close() sends what is still queued before it finishes too. */
static const struct ix_handlers echo = { .on_read = echo_read, .on_eof = ix_close };

static void echo_datagram(struct ix_udp *u, const struct ix_datagram *d)
{
	ix_udp_send(u, d->remote, d->data, d->bytes);
}

/* ---- discard: without on_read libix consumes, without on_eof it closes ---- */

static const struct ix_handlers discard = { .on_read = NULL };

static void discard_datagram(struct ix_udp *u, const struct ix_datagram *d)
{
	(void)u;
	(void)d;
}

/* ---- chargen: 72 of 95 characters a line, each line begins one further ---- */

#define FIRST ' '
#define CHARACTERS 95
#define LINE_CHARACTERS 72
#define LINE_BYTES (LINE_CHARACTERS + 2) /* CR LF */
#define UDP_LINES 6                      /* 444 bytes: at most 512 are allowed */

static char page[CHARACTERS * LINE_BYTES]; /* the pattern repeats after 95 lines; sent from here, uncopied */

static void draw_page(void)
{
	char *at = page;

	for (int line = 0; line < CHARACTERS; line++) {
		for (int i = 0; i < LINE_CHARACTERS; i++)
			*at++ = (char)(FIRST + (line + i) % CHARACTERS);
		*at++ = '\r';
		*at++ = '\n';
	}
}

/* Up to the high mark; a peer that does not read is sent no more than that. */
static void chargen_write(struct ix_conn *c)
{
	while (!ix_send(c, page, sizeof(page), NULL, NULL))
		;
}

static const struct ix_handlers chargen = { .on_open = chargen_write, .on_write = chargen_write };

/* Never more than was received, so that a forged sender gains nothing by asking us. */
static void chargen_datagram(struct ix_udp *u, const struct ix_datagram *d)
{
	size_t bytes = d->bytes < UDP_LINES * LINE_BYTES ? d->bytes : UDP_LINES * LINE_BYTES;

	ix_udp_send(u, d->remote, page, bytes);
}

/* ---- the program ---- */

static void serve(uint16_t port, const struct ix_handlers *on,
		  void (*on_datagram)(struct ix_udp *u, const struct ix_datagram *d))
{
	struct ix_udp *socket;
	int tcp = ix_listen(port, on, NULL), udp = ix_udp_bind(port, on_datagram, NULL, &socket);

	if (!tcp && !udp)
		return;
	(void)fprintf(stderr, "echo: cannot serve port %d (TCP %d, UDP %d)\n", port, tcp, udp);
	exit(EXIT_FAILURE);
}

int main(void)
{
	static const struct ix_service service;

	draw_page();
	serve(ECHO_PORT, &echo, echo_datagram);
	serve(DISCARD_PORT, &discard, discard_datagram);
	serve(CHARGEN_PORT, &chargen, chargen_datagram);
	ix_run(&service);
}
