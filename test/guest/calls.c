/* SPDX-License-Identifier: MIT */
/*
 * Batched calls that should not be: opcodes, flags, handles, lengths, pointers, counts, one kind at a time,
 * by hand. Each must be refused by its own status, alone, and change nothing.
 */
#include "test/guest/serve.h"

#include <stddef.h>
#include <string.h>
#include "kernel/mem/layout.h"

#define ROWS(table) (sizeof(table) / sizeof((table)[0]))

static uint8_t scratch[1024] __attribute__((aligned(64)));
static const struct ix_endpoint gateway = { .addr = { [10] = 0xff, 0xff, 10, 7, 0, 1 }, .port = 9 };
static const char payload[] = "payload";

static const uint16_t with_handle[] = { IX_OP_UNLISTEN,  IX_OP_ACCEPT,       IX_OP_REJECT,    IX_OP_SENDV,
					IX_OP_RECV_DONE, IX_OP_SHUTDOWN,     IX_OP_CLOSE,     IX_OP_ABORT,
					IX_OP_SET,       IX_OP_UDP_UNBIND,   IX_OP_UDP_SENDV, IX_OP_UDP_RECV_DONE,
					IX_OP_TIMER_ARM, IX_OP_TIMER_CANCEL, IX_OP_RELEASE };

/* A descriptor that is right but for its handle. */
static struct ix_call sound(uint16_t op, ix_handle_t handle)
{
	static struct ix_udp_send send;
	struct ix_call c = { .op = op, .handle = handle };

	send = (struct ix_udp_send){ gateway, { (uintptr_t)payload, 1 } };
	switch (op) {
	case IX_OP_SENDV:
		c.arg = (uintptr_t)payload;
		c.len = 1;
		break;
	case IX_OP_RECV_DONE:
	case IX_OP_UDP_RECV_DONE:
		c.len = 1;
		break;
	case IX_OP_SET:
		c.arg = IX_SET_NODELAY;
		c.len = 1;
		break;
	case IX_OP_UDP_SENDV:
		c.arg = (uintptr_t)&send;
		break;
	case IX_OP_TIMER_ARM:
		c.arg = 3600000000000;
		break;
	default:
		break;
	}
	return c;
}

static const char *want(struct ix_call c, int status)
{
	int have = serve_call(c, NULL, NULL);

	return have == status ? NULL
			      : serve_text("op %u flags %x handle %lx arg %lx len %lx: status %d, expected %d", c.op,
					   c.flags, c.handle, c.arg, c.len, have, status);
}

static const char *opcodes(uint64_t n)
{
	struct ix_call_array *array = libc_calls();

	(void)n;
	for (uint32_t op = 0; op < 65536; op += 512) {
		for (uint32_t i = 0; i < 512; i++)
			array->calls[i] = (struct ix_call){ .op = (uint16_t)(op + i), .status = IX_PENDING };
		array->count = 512;
		ix_entry(IX_CALL, 0, 0, 0);
		for (uint32_t i = 0; i < 512; i++) {
			int status = array->calls[i].status;
			bool is_good = op + i >= IX_OP_NR          ? status == IX_BAD_CALL
				       : op + i == IX_OP_NONE      ? status == IX_OK
				       : op + i == IX_OP_TIMER_ARM ? status == IX_OK
								   : status < 0 && status > -IX_STATUS_NR;

			if (!is_good)
				return serve_text("opcode %u: status %d", op + i, status);
		}
	}
	return NULL;
}

static const char *flags(uint64_t n)
{
	struct serve_held held[SERVE_HELD_MAX];

	(void)n;
	if (!serve_held(held))
		return "nothing is held";
	for (unsigned i = 0; i < ROWS(with_handle); i++)
		for (unsigned bit = with_handle[i] == IX_OP_SENDV ? 3 : 0; bit < 16; bit++) {
			struct ix_call c = sound(with_handle[i], held[0].handle);
			const char *error;

			c.flags = (uint16_t)(1u << bit);
			error = want(c, IX_BAD_CALL);
			if (error)
				return error;
		}
	return NULL;
}

/* Every operation on @handle must say that it is none. */
static const char *all_refuse(ix_handle_t handle)
{
	for (unsigned i = 0; i < ROWS(with_handle); i++) {
		const char *error;

		if (with_handle[i] == IX_OP_TIMER_ARM && handle == 0)
			continue; /* means: a new one */
		error = want(sound(with_handle[i], handle), IX_BAD_HANDLE);
		if (error)
			return error;
	}
	return NULL;
}

static bool is_good(ix_handle_t handle)
{
	struct serve_held held[SERVE_HELD_MAX];
	unsigned count = serve_held(held);

	for (unsigned i = 0; i < count; i++)
		if (held[i].handle == handle)
			return true;
	return handle == serve_own();
}

static const char *handles_forged(uint64_t n)
{
	struct serve_held held[SERVE_HELD_MAX];
	const char *error = NULL;

	(void)n;
	if (!serve_held(held))
		return "nothing is held";
	const ix_handle_t h = held[0].handle;
	const ix_handle_t wrong[] = { 0,
				      UINT64_MAX,
				      1,
				      h & 0xffffffff,
				      h & ~0xffffffffull,
				      h + (1ull << 32),
				      h - (1ull << 32),
				      h ^ 1ull << 63,
				      h ^ 1ull << 31,
				      (h & ~0xffffffffull) | 0x7fffffff,
				      (h & ~0xffffffffull) | 0xffffffff,
				      MEM_DIRECT_VA,
				      h << 32 | h >> 32 };

	for (unsigned i = 0; i < ROWS(wrong) && !error; i++)
		error = all_refuse(wrong[i]);
	for (uint64_t i = 0; i < 2000 && !error; i++) { /* the good generation with other indices */
		ix_handle_t other = (h & ~0xffffffffull) | i;

		if (!is_good(other))
			error = want(sound(IX_OP_SENDV, other), IX_BAD_HANDLE);
	}
	return error;
}

static const char *handles_stale(uint64_t n)
{
	static const struct ix_endpoint local = { .port = 1234 };
	ix_handle_t listener, socket, timer;
	const char *error;

	(void)n;
	if (serve_call((struct ix_call){ .op = IX_OP_LISTEN, .arg = (uintptr_t)&local }, &listener, NULL) ||
	    serve_call((struct ix_call){ .op = IX_OP_UDP_BIND, .arg = (uintptr_t)&local }, &socket, NULL) ||
	    serve_call(sound(IX_OP_TIMER_ARM, 0), &timer, NULL))
		return "cannot make a listener, a socket and a timer";
	error = want((struct ix_call){ .op = IX_OP_UNLISTEN, .handle = listener }, IX_OK);
	error = error ? error : want((struct ix_call){ .op = IX_OP_UDP_UNBIND, .handle = socket }, IX_OK);
	error = error ? error : want((struct ix_call){ .op = IX_OP_TIMER_CANCEL, .handle = timer }, IX_OK);
	error = error ? error : all_refuse(listener);
	error = error ? error : all_refuse(socket);
	error = error ? error : all_refuse(timer);
	return error;
}

/* A good handle, given to an operation of another kind. */
static const char *handles_of_other_kind(uint64_t n)
{
	static const struct ix_endpoint local = { .port = 1234 };
	struct serve_held held[SERVE_HELD_MAX];
	ix_handle_t socket, timer;
	const char *error = NULL;

	(void)n;
	if (!serve_held(held) ||
	    serve_call((struct ix_call){ .op = IX_OP_UDP_BIND, .arg = (uintptr_t)&local }, &socket, NULL) ||
	    serve_call(sound(IX_OP_TIMER_ARM, 0), &timer, NULL))
		return "cannot make a socket and a timer";
	for (unsigned i = 0; i < ROWS(with_handle) && !error; i++) {
		uint16_t op = with_handle[i];
		bool is_udp = op == IX_OP_UDP_UNBIND || op == IX_OP_UDP_SENDV || op == IX_OP_UDP_RECV_DONE;
		bool is_timer = op == IX_OP_TIMER_ARM || op == IX_OP_TIMER_CANCEL;

		if (op != IX_OP_UNLISTEN)
			error = want(sound(op, serve_listener()), IX_BAD_HANDLE);
		if (!error && !is_udp)
			error = want(sound(op, socket), IX_BAD_HANDLE);
		if (!error && !is_timer)
			error = want(sound(op, timer), IX_BAD_HANDLE);
		if (!error && (is_udp || is_timer || op == IX_OP_UNLISTEN))
			error = want(sound(op, held[0].handle), IX_BAD_HANDLE);
	}
	return error;
}

static const char *lengths(uint64_t n)
{
	static const uint64_t huge[] = { 1ull << 32, 1ull << 33, 1ull << 63, INT64_MAX, UINT64_MAX, UINT64_MAX - 7 };
	static struct ix_iov list[IX_IOV_MAX + 1];
	struct serve_held held[SERVE_HELD_MAX];
	const char *error;

	(void)n;
	if (!serve_held(held))
		return "nothing is held";
	const ix_handle_t h = held[0].handle;

	for (unsigned i = 0; i < ROWS(list); i++)
		list[i] = (struct ix_iov){ (uintptr_t)payload, 1 };
	error = want((struct ix_call){ .op = IX_OP_SENDV, .handle = h, .arg = (uintptr_t)payload }, IX_BAD_LENGTH);
	for (unsigned i = 0; i < ROWS(huge) && !error; i++) {
		uint64_t len = huge[i];

		error = want((struct ix_call){ .op = IX_OP_SENDV, .handle = h, .arg = (uintptr_t)payload, .len = len },
			     IX_BAD_LENGTH);
		error = error ? error
			      : want((struct ix_call){ .op = IX_OP_SENDV,
						       .flags = IX_SENDV_LIST,
						       .handle = h,
						       .arg = (uintptr_t)list,
						       .len = len },
				     IX_BAD_LENGTH);
		error = error ? error
			      : want((struct ix_call){ .op = IX_OP_RECV_DONE, .handle = h, .len = len }, IX_BAD_LENGTH);
		list[1].len = len;
		error = error ? error
			      : want((struct ix_call){ .op = IX_OP_SENDV,
						       .flags = IX_SENDV_LIST,
						       .handle = h,
						       .arg = (uintptr_t)list,
						       .len = 2 },
				     IX_BAD_LENGTH);
		list[1].len = 1;
	}
	for (uint64_t len = 0; len <= IX_IOV_MAX + 1 && !error; len += IX_IOV_MAX + 1)
		error = want((struct ix_call){ .op = IX_OP_SENDV,
					       .flags = IX_SENDV_LIST,
					       .handle = h,
					       .arg = (uintptr_t)list,
					       .len = len },
			     IX_BAD_LENGTH);
	return error;
}

/* What ring 0 must not read for ring 3. @bytes: how much a call would read there. */
static const char *refuse_address(ix_handle_t h, uint64_t va)
{
	struct ix_iov *list = (struct ix_iov *)(void *)scratch;
	struct ix_udp_send *send = (struct ix_udp_send *)(void *)(scratch + 512);
	const char *error;

	list[0] = (struct ix_iov){ (uintptr_t)payload, 1 };
	list[1] = (struct ix_iov){ va, 64 };
	*send = (struct ix_udp_send){ gateway, { va, 64 } };
	error = want((struct ix_call){ .op = IX_OP_SENDV, .handle = h, .arg = va, .len = 64 }, IX_BAD_ADDRESS);
	error = error ? error
		      : want((struct ix_call){ .op = IX_OP_SENDV,
					       .flags = IX_SENDV_LIST,
					       .handle = h,
					       .arg = (uintptr_t)list,
					       .len = 2 },
			     IX_BAD_ADDRESS);
	error = error ? error
		      : want(
				(struct ix_call){
					.op = IX_OP_SENDV, .flags = IX_SENDV_LIST, .handle = h, .arg = va, .len = 4 },
				IX_BAD_ADDRESS);
	error = error ? error : want((struct ix_call){ .op = IX_OP_LISTEN, .arg = va }, IX_BAD_ADDRESS);
	error = error ? error : want((struct ix_call){ .op = IX_OP_CONNECT, .arg = va }, IX_BAD_ADDRESS);
	error = error ? error : want((struct ix_call){ .op = IX_OP_UDP_BIND, .arg = va }, IX_BAD_ADDRESS);
	error = error ? error : want((struct ix_call){ .op = IX_OP_UDP_SENDV, .handle = h, .arg = va }, IX_BAD_ADDRESS);
	error = error ? error
		      : want((struct ix_call){ .op = IX_OP_UDP_SENDV, .handle = h, .arg = (uintptr_t)send },
			     IX_BAD_ADDRESS);
	return error;
}

static const char *pointers(uint64_t n)
{
	const uint64_t end = libc_info()->heap_va + libc_info()->heap_bytes;
	const uint64_t wrong[] = { 0,
				   1,
				   IX_PARTITION_VA - 64,
				   IX_PARTITION_VA - 1,
				   end,
				   end - 1,
				   end - 15,
				   IX_STACK_VA - 1,
				   IX_STACK_VA + IX_STACK_BYTES - 1,
				   IX_STACK_VA + IX_STACK_BYTES,
				   IX_STACK_VA + IX_STACK_STRIDE * 64,
				   IX_RX_VA - 1,
				   IX_RX_VA + (1ull << 40),
				   IX_INFO_VA,
				   IX_CORE_VA,
				   IX_CALL_ARRAY_VA,
				   IX_CALL_ARRAY_VA + 32,
				   IX_EVENT_ARRAY_VA,
				   MEM_DIRECT_VA,
				   MEM_DIRECT_VA + MEM_KERNEL_LOAD_PA,
				   MEM_KERNEL_VA + MEM_KERNEL_LOAD_PA,
				   MEM_WINDOW_VA,
				   MEM_STACK_TOP - 64,
				   MEM_MMIO_VA,
				   0x0000800000000000,
				   0xffff7fffffffffc0,
				   UINT64_MAX,
				   UINT64_MAX - 63 };
	struct serve_held held[SERVE_HELD_MAX];
	const char *error = NULL;

	(void)n;
	if (!serve_held(held))
		return "nothing is held";
	for (unsigned i = 0; i < ROWS(wrong) && !error; i++)
		error = refuse_address(held[0].handle, wrong[i]);
	return error;
}

/* A receive buffer may be sent from only by the connection that it is lent to. */
static const char *lent(uint64_t n)
{
	struct serve_held held[SERVE_HELD_MAX];
	struct ix_call c = { .op = IX_OP_SENDV, .len = 8 };
	const char *error;

	(void)n;
	if (serve_held(held) < 2 || held[0].lent_bytes < 8 || held[1].lent_bytes < 8)
		return "two connections with data must be held";
	c.handle = held[0].handle;
	c.arg = held[0].lent_va;
	error = want(c, IX_OK);
	c.arg = held[1].lent_va;
	error = error ? error : want(c, IX_BAD_ADDRESS);
	for (unsigned i = 0; i < 2048 && !error; i++) { /* every buffer there is */
		c.arg = IX_RX_VA + i * 2048ull + 128;
		if (c.arg >> 11 == held[0].lent_va >> 11)
			continue;
		error = want(c, IX_BAD_ADDRESS);
	}
	return error;
}

static const char *counts(uint64_t n)
{
	static const uint32_t wrong[] = { 1024, 1025, 65535, 65536, 0x7fffffff, 0x80000000, UINT32_MAX };
	struct ix_call_array *array = libc_calls();

	(void)n;
	for (unsigned i = 0; i < ROWS(wrong); i++) {
		memset(array->calls, 0, sizeof(array->calls));
		array->count = wrong[i];
		if (ix_entry(IX_CALL, 0, 0, 0) != IX_CALLS_MAX || array->executed != IX_CALLS_MAX || array->count)
			return serve_text("count %x: %u executed", wrong[i], array->executed);
	}
	return NULL;
}

/* A bad one in the middle fails alone. */
static const char *alone(uint64_t n)
{
	struct ix_call_array *array = libc_calls();

	(void)n;
	for (unsigned i = 0; i < 100; i++)
		array->calls[i] = i % 2 ? (struct ix_call){ .op = 999, .status = IX_PENDING }
					: (struct ix_call){ .op = IX_OP_TIMER_ARM, .arg = 3600000000000 };
	array->count = 100;
	ix_entry(IX_CALL, 0, 0, 0);
	for (unsigned i = 0; i < 100; i++)
		if (array->calls[i].status != (i % 2 ? IX_BAD_CALL : IX_OK))
			return serve_text("descriptor %u: status %d", i, array->calls[i].status);
	for (unsigned i = 0; i < 100; i += 2)
		if (want((struct ix_call){ .op = IX_OP_TIMER_CANCEL, .handle = array->calls[i].handle }, IX_OK))
			return "a timer of a mixed batch cannot be cancelled";
	return NULL;
}

static const struct test_case rows[] = {
	{ "opcodes", "pass", opcodes, 0, 0 },
	{ "flags", "pass", flags, 0, 0 },
	{ "handles_forged", "pass", handles_forged, 0, 0 },
	{ "handles_stale", "pass", handles_stale, 0, 0 },
	{ "handles_of_other_kind", "pass", handles_of_other_kind, 0, 0 },
	{ "lengths", "pass", lengths, 0, 0 },
	{ "pointers", "pass", pointers, 0, 0 },
	{ "lent", "pass", lent, 0, 0 },
	{ "counts", "pass", counts, 0, 0 },
	{ "alone", "pass", alone, 0, 0 },
};

int main(int argc, char **argv)
{
	return serve(argc, argv, rows, ROWS(rows));
}
