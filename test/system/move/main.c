/* SPDX-License-Identifier: MIT */
/*
 * A service whose every byte can be checked, for connections that change cores (moves.py, parking.py). A connection
 * begins with four bytes: where in the pattern its stream begins (little endian), what it wants, 0.
 *
 *   'S'  both sides send the pattern until the client finishes; then a trailer: bytes received, errors
 *   'T'  a byte every 100 ms, counting up, by a timer of the core that the connection is on
 *   'H'  the number of the core that the connection is on, a byte; it holds that core for 4.6 s when another byte comes
 *   'X'  the program faults
 *   '?'  the counters as text
 */
#include "lib/ix/ix.h"
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PORT 7
#define PERIOD 65536u
#define PIECE 16384u
#define OURS 1000u /* our stream begins so much further on */
#define TICK_NS 100000000ull
#define HOLD_NS 4600000000ull /* more than ring 0 waits for, less than the watchdog */
#define CORES_MAX 64u

struct client {
	struct ix_conn *conn;
	uint32_t seed;
	uint8_t want; /* 0: not known yet */
	uint8_t tick;
	uint32_t core;
	uint64_t received, sent, errors;
	uint64_t due_ns;
	struct ix_timer timer;
};

static uint8_t pattern[PERIOD + PIECE];
static atomic_uint opened, closed, left, came, misplaced, leaving, back;
static atomic_uint beats[CORES_MAX]; /* of a timer of each core */
static struct ix_timer beat_timers[CORES_MAX];

static uint8_t at(uint64_t i)
{
	return pattern[i % PERIOD];
}

/* ---- timers ---- */
static void tick(struct ix_timer *t)
{
	struct client *c = t->arg;

	if (c->core != ix_core())
		misplaced++;
	ix_write(c->conn, &c->tick, 1);
	c->tick++;
	c->due_ns += TICK_NS;
	ix_timer_start(t, c->due_ns > ix_now_ns() ? c->due_ns - ix_now_ns() : 0);
}

/* ---- streams ---- */
static void fill(struct ix_conn *conn)
{
	struct client *c = ix_user(conn);

	if (c->want != 'S')
		return;
	while (!ix_send(conn, &pattern[(c->seed + OURS + c->sent) % PERIOD], PIECE, NULL, NULL))
		c->sent += PIECE;
}

static void say(struct ix_conn *conn)
{
	char text[768];
	int n = snprintf(text, sizeof(text), "opened %u closed %u left %u came %u misplaced %u leaving %u back %u",
			 opened, closed, left, came, misplaced, leaving, back);

	for (uint32_t core = 0; core < ix_cores(); core++)
		n += snprintf(text + n, sizeof(text) - (size_t)n, " beats%u %u", (unsigned)core, beats[core]);
	text[n++] = '\n';
	ix_write(conn, text, (size_t)n);
	ix_close(conn);
}

static void begin(struct ix_conn *conn, struct client *c)
{
	uint8_t head[4];

	if (ix_unread(conn) < sizeof(head))
		return;
	ix_read(conn, head, sizeof(head));
	c->seed = head[0] | (uint32_t)head[1] << 8;
	c->want = head[2];
	if (c->want == 'T') {
		c->due_ns = ix_now_ns() + TICK_NS;
		ix_timer_start(&c->timer, TICK_NS);
	} else if (c->want == 'H') {
		uint8_t core = (uint8_t)ix_core();

		ix_write(conn, &core, 1);
	} else if (c->want == 'X') {
		__builtin_trap();
	} else if (c->want == '?') {
		say(conn);
	} else {
		fill(conn);
	}
}

static void hold(void)
{
	uint64_t until = ix_now_ns() + HOLD_NS;

	while (ix_now_ns() < until)
		__builtin_ia32_pause();
}

static void on_read(struct ix_conn *conn)
{
	struct client *c = ix_user(conn);
	const uint8_t *data;
	size_t bytes;

	if (c->core != ix_core())
		misplaced++;
	if (!c->want)
		begin(conn, c);
	if (c->want == 'H' && ix_unread(conn))
		hold();
	while (c->want && (data = ix_peek(conn, &bytes)) != NULL) {
		for (size_t i = 0; i < bytes; i++)
			c->errors += data[i] != at(c->seed + c->received + i);
		c->received += bytes;
		ix_consume(conn, bytes);
	}
}

static void on_eof(struct ix_conn *conn)
{
	struct client *c = ix_user(conn);
	uint64_t trailer[2] = { c->received, c->errors };

	ix_timer_stop(&c->timer);
	ix_set_marks(conn, 0, 1u << 20);
	if (c->want == 'S')
		ix_write(conn, trailer, sizeof(trailer));
	c->want = 'E';
	ix_close(conn);
}

/* ---- life ---- */
static void on_open(struct ix_conn *conn)
{
	struct client *c = calloc(1, sizeof(*c));

	if (!c)
		abort();
	c->conn = conn;
	c->core = ix_core();
	c->timer.fn = tick;
	c->timer.arg = c;
	ix_set_user(conn, c);
	opened++;
}

static void on_close(struct ix_conn *conn, enum ix_dead why)
{
	struct client *c = ix_user(conn);

	(void)why;
	if (c->core != ix_core())
		misplaced++;
	ix_timer_stop(&c->timer);
	free(c);
	closed++;
}

static void on_leave(struct ix_conn *conn, uint32_t to)
{
	struct client *c = ix_user(conn);

	if (c->core != ix_core() || to == ix_core())
		misplaced++;
	ix_timer_stop(&c->timer);
	left++;
}

static void on_move(struct ix_conn *conn)
{
	struct client *c = ix_user(conn);
	uint64_t now = ix_now_ns();

	c->core = ix_core();
	if (c->want == 'T')
		ix_timer_start(&c->timer, c->due_ns > now ? c->due_ns - now : 0);
	came++;
}

static const struct ix_handlers handlers = { .on_open = on_open,
					     .on_read = on_read,
					     .on_write = fill,
					     .on_eof = on_eof,
					     .on_close = on_close,
					     .on_leave = on_leave,
					     .on_move = on_move };

static void beat(struct ix_timer *t)
{
	beats[ix_core()]++;
	ix_timer_start(t, TICK_NS);
}

static int start(void *arg)
{
	(void)arg;
	beat_timers[ix_core()].fn = beat;
	ix_timer_start(&beat_timers[ix_core()], TICK_NS);
	return 0;
}

static void on_core(void *arg, int is_leaving)
{
	(void)arg;
	if (is_leaving)
		leaving++;
	else
		back++;
}

int main(void)
{
	static const struct ix_service service = { .start = start, .on_core = on_core };

	for (unsigned i = 0; i < sizeof(pattern); i++)
		pattern[i] = (uint8_t)(i % PERIOD * 7 + (i % PERIOD >> 8));
	if (ix_listen(PORT, &handlers, NULL))
		return 1;
	ix_run(&service);
}
