/* SPDX-License-Identifier: MIT */
/* A million descriptors from a seed, and everything that can be used up, used up. The dataplane goes on meanwhile. */
#include "test/guest/serve.h"

#include <stddef.h>
#include <string.h>
#include "test/guest/random_calls.h"

#define DESCRIPTORS 100000u /* a variant; ten of them make the million */
#define MANY 8192u

static uint8_t scratch[RANDOM_SCRATCH_BYTES] __attribute__((aligned(64)));
static ix_handle_t made[MANY];

static const char *descriptors(uint64_t seed)
{
	static struct random_calls r;
	unsigned where = 0;
	const char *error = NULL;

	random_calls_init(&r, seed * 1000003, scratch);
	for (unsigned batch = 0; r.executed < DESCRIPTORS && !error; batch++) {
		error = random_calls_batch(&r, 1 + (unsigned)(random_calls_word(&r) % IX_CALLS_MAX), &where);
		if (batch % 16 == 0 && !error)
			serve_sleep_ms(1);
	}
	if (error)
		return serve_text("seed %lu, descriptor %lu: %s (op %u, status %d)", seed, r.executed + where, error,
				  libc_calls()->calls[where].op, libc_calls()->calls[where].status);
	return r.accepted > DESCRIPTORS / 100 ? NULL : serve_text("only %lu were accepted", r.accepted);
}

/* Makes @call until it is refused, then undoes each by @undo. Expects the refusal @status after at least one. */
static const char *use_up(struct ix_call call, struct ix_endpoint *local, uint16_t undo, int status)
{
	unsigned count = 0;
	int have = IX_OK;

	while (count < MANY && have == IX_OK) {
		if (local)
			local->port = (uint16_t)(1024 + count);
		have = serve_call(call, &made[count], NULL);
		count += have == IX_OK;
	}
	if (count < MANY && have != status)
		return serve_text("after %u: status %d", count, have);
	serve_sleep_ms(1);
	for (unsigned i = 0; i < count; i++) {
		have = serve_call((struct ix_call){ .op = undo, .handle = made[i] }, NULL, NULL);
		if (have != IX_OK)
			return serve_text("undoing %u of %u: status %d", i, count, have);
	}
	return count >= 8 ? NULL : serve_text("only %u could be made", count);
}

static const char *timers(uint64_t n)
{
	(void)n;
	return use_up((struct ix_call){ .op = IX_OP_TIMER_ARM, .arg = 3600000000000 }, NULL, IX_OP_TIMER_CANCEL,
		      IX_NO_MEMORY);
}

static const char *listeners(uint64_t n)
{
	static struct ix_endpoint local;

	(void)n;
	return use_up((struct ix_call){ .op = IX_OP_LISTEN, .arg = (uintptr_t)&local }, &local, IX_OP_UNLISTEN,
		      IX_NO_MEMORY);
}

static const char *sockets(uint64_t n)
{
	static struct ix_endpoint local;

	(void)n;
	return use_up((struct ix_call){ .op = IX_OP_UDP_BIND, .arg = (uintptr_t)&local }, &local, IX_OP_UDP_UNBIND,
		      IX_NO_MEMORY);
}

/* To a neighbour that does not exist: each waits for an answer to ARP. */
static const char *connections(uint64_t n)
{
	static const struct ix_connect connect = { .remote = { .addr = { [10] = 0xff, 0xff, 10, 7, 0, 77 }, .port = 9 },
						   .cookie = 1ull << 40 };

	(void)n;
	return use_up((struct ix_call){ .op = IX_OP_CONNECT, .arg = (uintptr_t)&connect }, NULL, IX_OP_ABORT,
		      IX_NO_MEMORY);
}

/* To every kind of address that is nobody's. */
static const char *strange_peers(uint64_t n)
{
	static const uint8_t addresses[][4] = { { 0, 0, 0, 0 },    { 255, 255, 255, 255 }, { 127, 0, 0, 1 },
						{ 10, 7, 0, 0 },   { 10, 7, 0, 255 },      { 10, 7, 0, 2 },
						{ 224, 0, 0, 1 },  { 240, 0, 0, 1 },       { 8, 8, 8, 8 },
						{ 169, 254, 1, 1 } };
	static struct ix_connect connect;
	static struct ix_udp_send send;
	static const struct ix_endpoint any;
	ix_handle_t socket, h;

	(void)n;
	if (serve_call((struct ix_call){ .op = IX_OP_UDP_BIND, .arg = (uintptr_t)&any }, &socket, NULL))
		socket = 0; /* port 0 may be refused; the sends below then are, too */
	for (unsigned i = 0; i < sizeof(addresses) / 4; i++)
		for (unsigned port = 0; port < 2; port++) {
			connect = (struct ix_connect){ .cookie = 1ull << 40 };
			connect.remote = (struct ix_endpoint){ .addr = { [10] = 0xff, 0xff }, .port = (uint16_t)port };
			memcpy(connect.remote.addr + 12, addresses[i], 4);
			send = (struct ix_udp_send){ connect.remote, { (uintptr_t)scratch, 1000 } };
			if (serve_call((struct ix_call){ .op = IX_OP_CONNECT, .arg = (uintptr_t)&connect }, &h, NULL) ==
			    IX_OK)
				serve_call((struct ix_call){ .op = IX_OP_ABORT, .handle = h }, NULL, NULL);
			serve_call((struct ix_call){ .op = IX_OP_UDP_SENDV, .handle = socket, .arg = (uintptr_t)&send },
				   NULL, NULL);
		}
	serve_sleep_ms(20);
	return NULL;
}

/* More than any peer will read: taken until the send queue is full, then not; nothing is lost of the dataplane. */
static const char *flood(uint64_t n)
{
	struct serve_held held[SERVE_HELD_MAX];
	unsigned count = serve_held(held);
	uint64_t taken, total = 0;

	(void)n;
	for (unsigned turn = 0; turn < 200; turn++) {
		for (unsigned i = 0; i < count; i++) {
			int status = serve_call((struct ix_call){ .op = IX_OP_SENDV,
								  .handle = held[i].handle,
								  .arg = libc_info()->heap_va,
								  .len = libc_info()->heap_bytes },
						NULL, &taken);

			if (status > 0 || status <= -IX_STATUS_NR)
				return serve_text("status %d", status);
			total += taken;
		}
		if (turn % 20 == 0)
			serve_sleep_ms(1);
	}
	return total ? NULL : "nothing was taken";
}

static const struct test_case rows[] = {
	{ "timers", "pass", timers, 0, 0 },
	{ "listeners", "pass", listeners, 0, 0 },
	{ "sockets", "pass", sockets, 0, 0 },
	{ "connections", "pass", connections, 0, 0 },
	{ "strange_peers", "pass", strange_peers, 0, 0 },
	{ "flood", "pass", flood, 0, 0 },
	{ "descriptors", "pass", descriptors, 1, 10 },
};

int main(int argc, char **argv)
{
	return serve(argc, argv, rows, sizeof(rows) / sizeof(rows[0]));
}
