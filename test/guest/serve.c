/* SPDX-License-Identifier: MIT */
/*
 * The service of all programs here, written against kernel/abi alone: commands are lines.
 *   hello           hello RESTARTS
 *   list            NAME VARIANTS EXPECT, a line a case, then END
 *   hold            held CORE; from then on cases of that core may abuse the connection
 *   run NAME N      PASS or FAIL and why, if it comes back
 */
#include "test/guest/serve.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PEERS_MAX 64u
#define CORES 4u
#define LINE_MAX 200u
#define REPLY_MAX 16384u
#define TIMER_COOKIE (1ull << 32)
#define LISTENER_COOKIE (2ull << 32)

struct peer {
	ix_handle_t handle; /* 0: free */
	bool is_held;
	bool has_line;
	uint64_t lent_va, lent_bytes; /* of the last data, not given back before its line was run */
	unsigned used;
	char line[LINE_MAX];
};

/* What a core asks of another. */
struct job {
	void (*volatile run)(uintptr_t argument); /* NULL: none */
	uintptr_t argument;
	volatile bool is_done;
};

/* One a core: connections belong to the core they came in on. */
static struct server {
	struct peer peers[PEERS_MAX];
	struct peer *current;
	bool timer_fired;
	char reply[REPLY_MAX];
	struct job job;
} servers[CORES];

/* A case always runs on core 0, whichever core its command came in on. */
static struct {
	const char *volatile line; /* NULL: none */
	struct peer *from;
	char answer[REPLY_MAX];
	volatile bool is_done;
} request;

static struct peer *requester;
static ix_handle_t listener;
static uint64_t random_state;
static const struct test_case *cases;
static unsigned case_count;

static struct server *self(void)
{
	return &servers[libc_core()];
}

static void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *fmt, ...)
{
	static char text[REPLY_MAX];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	for (int at = 0; at < n; at += 4096)
		ix_entry(IX_CONSOLE, (uintptr_t)text + (uint64_t)at, (uint64_t)(n - at), 0);
}

const char *serve_text(const char *fmt, ...)
{
	static char text[300];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return text;
}

void serve_seed(uint64_t seed)
{
	random_state = seed;
}

uint64_t serve_random(void) /* SplitMix64 [Steele, Lea, Flood 2014] */
{
	uint64_t z = random_state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

int serve_call(struct ix_call call, ix_handle_t *handle, uint64_t *len)
{
	struct ix_call_array *array = libc_calls();

	call.status = IX_PENDING;
	array->calls[0] = call;
	array->count = 1;
	ix_entry(IX_CALL, 0, 0, 0);
	if (handle)
		*handle = array->calls[0].handle;
	if (len)
		*len = array->calls[0].len;
	return array->calls[0].status;
}

uint64_t serve_lent(void)
{
	return requester ? requester->lent_va : 0;
}

ix_handle_t serve_own(void)
{
	return requester ? requester->handle : 0;
}

ix_handle_t serve_listener(void)
{
	return listener;
}

unsigned serve_held(struct serve_held *out)
{
	const struct peer *peers = self()->peers;
	unsigned n = 0;

	for (unsigned i = 0; i < PEERS_MAX && n < SERVE_HELD_MAX; i++)
		if (peers[i].handle && peers[i].is_held)
			out[n++] = (struct serve_held){ peers[i].handle, peers[i].lent_va, peers[i].lent_bytes };
	return n;
}

static void answer(struct peer *p, const char *text)
{
	size_t bytes = strlen(text);
	char *reply = self()->reply;

	memmove(reply, text, bytes);
	serve_call((struct ix_call){ .op = IX_OP_SENDV, .handle = p->handle, .arg = (uintptr_t)reply, .len = bytes },
		   NULL, NULL);
}

static void give_back(struct peer *p)
{
	if (p->lent_bytes)
		serve_call((struct ix_call){ .op = IX_OP_RECV_DONE, .handle = p->handle, .len = p->lent_bytes }, NULL,
			   NULL);
	p->lent_bytes = 0;
}

static void take_knock(const struct ix_event *e)
{
	struct peer *peers = self()->peers;

	for (unsigned i = 0; i < PEERS_MAX; i++) {
		if (peers[i].handle)
			continue;
		peers[i] = (struct peer){ .handle = e->handle };
		if (serve_call((struct ix_call){ .op = IX_OP_ACCEPT, .handle = e->handle, .arg = i + 1 }, NULL, NULL))
			peers[i].handle = 0;
		return;
	}
	serve_call((struct ix_call){ .op = IX_OP_REJECT, .handle = e->handle }, NULL, NULL);
}

static void take_data(struct peer *p, const struct ix_event *e)
{
	const char *data = (const char *)e->addr;

	if (p->is_held) {
		if (!p->lent_bytes) {
			p->lent_va = e->addr;
			p->lent_bytes = e->len;
		}
		return;
	}
	if (p->has_line) { /* nobody reads a second one */
		serve_call((struct ix_call){ .op = IX_OP_RECV_DONE, .handle = p->handle, .len = e->len }, NULL, NULL);
		return;
	}
	give_back(p);
	p->lent_va = e->addr;
	p->lent_bytes = e->len;
	for (uint32_t i = 0; i < e->len && !p->has_line; i++) {
		if (data[i] == '\n') {
			p->line[p->used] = '\0';
			p->has_line = true;
		} else if (p->used < LINE_MAX - 1) {
			p->line[p->used++] = data[i];
		}
	}
}

static void take_event(const struct ix_event *e)
{
	struct peer *p = e->cookie >= 1 && e->cookie <= PEERS_MAX ? &self()->peers[e->cookie - 1] : NULL;

	if (e->kind == IX_EV_KNOCK && e->cookie == LISTENER_COOKIE)
		take_knock(e);
	else if (e->kind == IX_EV_KNOCK) /* of a listener that a case made */
		serve_call((struct ix_call){ .op = IX_OP_REJECT, .handle = e->handle }, NULL, NULL);
	else if (e->kind == IX_EV_TIMER && e->cookie == TIMER_COOKIE)
		self()->timer_fired = true;
	else if (e->kind == IX_EV_UDP_RECV)
		serve_call((struct ix_call){ .op = IX_OP_UDP_RECV_DONE, .handle = e->handle, .len = 1 }, NULL, NULL);
	if (!p || p->handle != e->handle)
		return;
	if (e->kind == IX_EV_RECV)
		take_data(p, e);
	else if (e->kind == IX_EV_EOF)
		serve_call((struct ix_call){ .op = IX_OP_CLOSE, .handle = p->handle }, NULL, NULL);
	else if (e->kind == IX_EV_DEAD)
		p->handle = 0;
}

void serve_take(long n)
{
	const struct ix_event_array *array = libc_events();

	for (long i = 0; i < n; i++)
		take_event(&array->events[i]);
}

void serve_turn(void)
{
	serve_take(ix_entry(IX_RUN_IO, 0, 0, 0));
}

void serve_sleep_ms(uint64_t ms)
{
	self()->timer_fired = false;
	if (serve_call((struct ix_call){ .op = IX_OP_TIMER_ARM, .arg = ms * 1000000, .len = TIMER_COOKIE }, NULL, NULL))
		return;
	while (!self()->timer_fired)
		serve_turn();
}

static const char *list(void)
{
	static char text[REPLY_MAX];
	size_t n = 0;

	for (unsigned i = 0; i < case_count && n < sizeof(text); i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s %u %s\n", cases[i].name,
				      cases[i].variants ? cases[i].variants : 1, cases[i].expect);
	if (n < sizeof(text))
		snprintf(text + n, sizeof(text) - n, "END\n");
	return text;
}

static const char *run_case(const char *name, uint64_t variant)
{
	for (unsigned i = 0; i < case_count; i++) {
		const char *error;

		if (strcmp(cases[i].name, name) != 0)
			continue;
		say("case %s %lu\n", name, variant);
		error = cases[i].run(cases[i].argument + variant);
		return error ? error : "";
	}
	return "no such case";
}

static void run_request(void)
{
	char name[LINE_MAX] = "";
	unsigned long variant = 0;
	const char *error = "no name of a case";

	requester = request.from;
	if (sscanf(request.line, "run %199s %lu", name, &variant) >= 1)
		error = run_case(name, variant);
	snprintf(request.answer, sizeof(request.answer), "%s %s\n", *error ? "FAIL" : "PASS", error);
	say("%s %lu: %s", name, variant, request.answer); /* its connection may have gone to another core */
	requester = NULL;
	request.line = NULL;
	request.is_done = true;
}

static void run_job(struct job *job)
{
	void (*run)(uintptr_t) = job->run;

	job->run = NULL;
	run(job->argument);
	job->is_done = true;
}

void serve_job(uint32_t core, void (*run)(uintptr_t argument), uintptr_t argument)
{
	struct job *job = &servers[core].job;

	job->argument = argument;
	job->is_done = false;
	job->run = run;
	ix_entry(IX_WAKE, core, 0, 0);
}

bool serve_job_is_done(uint32_t core)
{
	return servers[core].job.is_done;
}

/* On core 0 at once; from another core when core 0 gets to it. */
static void pass_on(struct peer *p)
{
	request.from = p;
	request.is_done = false;
	request.line = p->line;
	if (libc_core() == 0)
		run_request();
	else
		ix_entry(IX_WAKE, 0, 0, 0);
	while (!request.is_done) {
		serve_turn();
		if (self()->job.run)
			run_job(&self()->job);
	}
	answer(p, request.answer);
}

static void command(struct peer *p)
{
	char text[64];

	if (strcmp(p->line, "hello") == 0) {
		snprintf(text, sizeof(text), "hello %u\n", libc_info()->restarts);
		answer(p, text);
	} else if (strcmp(p->line, "list") == 0) {
		answer(p, list());
	} else if (strcmp(p->line, "hold") == 0) {
		p->is_held = true;
		snprintf(text, sizeof(text), "held %u\n", libc_core());
		answer(p, text);
	} else {
		pass_on(p);
	}
	p->has_line = false;
	p->used = 0;
	give_back(p); /* the command itself is no data to abuse */
}

static _Noreturn void serve_for_ever(void)
{
	for (;;) {
		struct server *s = self();

		serve_turn();
		if (s->job.run)
			run_job(&s->job);
		if (libc_core() == 0 && request.line) {
			run_request();
			for (uint32_t core = 1; core < libc_info()->core_count; core++)
				ix_entry(IX_WAKE, core, 0, 0);
		}
		for (unsigned i = 0; i < PEERS_MAX; i++)
			if (s->peers[i].handle && s->peers[i].has_line)
				command(&s->peers[i]);
	}
}

static int serve_core(void *unused)
{
	(void)unused;
	serve_for_ever();
}

int serve(int argc, char **argv, const struct test_case *table, unsigned count)
{
	static const struct ix_endpoint local = { .port = 7 };

	cases = table;
	case_count = count;
	for (uint32_t core = 1; core < libc_info()->core_count && core < CORES; core++)
		libc_core_start(core, serve_core, NULL);
	if (argc > 1 && strcmp(argv[1], "list") == 0) {
		say("%s", list());
		return 0;
	}
	if (argc > 1) {
		const char *error = run_case(argv[1], argc > 2 ? strtoul(argv[2], NULL, 0) : 0);

		say("%s %s\n", *error ? "FAIL" : "PASS", error);
		return *error ? 1 : 0;
	}
	if (serve_call((struct ix_call){ .op = IX_OP_LISTEN, .arg = (uintptr_t)&local, .len = LISTENER_COOKIE },
		       &listener, NULL)) {
		say("cannot listen on port 7\n");
		return 2;
	}
	say("serving, restarts %u\n", libc_info()->restarts);
	serve_for_ever();
}
