/* SPDX-License-Identifier: MIT */
/*
 * The other side of kernel/abi in one thread: calls are executed when ix_entry() is called, events come
 * when the test says so. It stands where lib/libc/where.c, clock.c and entry.S stand in ring 3.
 */
#include "test/fake/ring0.h"
#include "kernel/abi/status.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define RX_BYTES (64u << 20)

struct fake_ring0 fake;
static struct ix_info info;
static struct ix_call_array calls;
static struct ix_event_array events, next_events; /* what ring 3 sees, what the test has put in */
static uint8_t *rx;
static size_t rx_fill;

static void die(const char *why)
{
	fprintf(stderr, "fake ring 0: %s\n", why);
	abort();
}

/* ---- what ring 3 asks at fixed addresses ---- */

const struct ix_info *libc_info(void)
{
	return &info;
}

uint32_t libc_core(void)
{
	return fake.core;
}

struct ix_call_array *libc_calls(void)
{
	return &calls;
}

const struct ix_event_array *libc_events(void)
{
	return &events;
}

uint64_t libc_now_ns(void)
{
	return 0;
}

int libc_core_start(uint32_t core, int (*fn)(void *), void *arg)
{
	(void)core, (void)fn, (void)arg;
	return IX_BAD_CALL;
}

void fake_reset(void)
{
	for (unsigned i = 0; i < fake.conn_count; i++)
		free(fake.conns[i].out);
	memset(&fake, 0, sizeof(fake));
	memset(&calls, 0, sizeof(calls));
	memset(&events, 0, sizeof(events));
	memset(&next_events, 0, sizeof(next_events));
	if (!rx) {
		rx = mmap((void *)IX_RX_VA, RX_BYTES, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
		if (rx != (void *)IX_RX_VA)
			die("no receive memory");
	}
	rx_fill = 0;
	fake.fail_op = -1;
	info = (struct ix_info){ .abi_version = IX_ABI_VERSION,
				 .core_count = 1,
				 .tsc_hz = 1000000000,
				 .heap_va = IX_PARTITION_VA,
				 .heap_bytes = (1ull << 47) - IX_PARTITION_VA,
				 .connections = 1024 };
}

/* ---- events ---- */

static struct ix_event *add_event(enum ix_event_kind kind, uint64_t cookie, ix_handle_t handle)
{
	struct ix_event *ev = &next_events.events[next_events.count];

	if (next_events.count++ == IX_EVENTS_MAX)
		die("too many events");
	*ev = (struct ix_event){ .kind = (uint16_t)kind, .cookie = cookie, .handle = handle };
	return ev;
}

static uint32_t add_peer(void)
{
	struct ix_peer *p = &next_events.peers[next_events.peer_count];

	if (next_events.peer_count == IX_PEERS_MAX)
		die("too many peers");
	*p = (struct ix_peer){ .remote.port = (uint16_t)(1000 + next_events.peer_count), .local.port = 7 };
	return next_events.peer_count++;
}

static struct fake_conn *new_conn(void)
{
	struct fake_conn *c = &fake.conns[fake.conn_count];

	if (fake.conn_count++ == FAKE_CONNS_MAX)
		die("too many connections");
	c->handle = (1ull << 32) | fake.conn_count;
	c->room = FAKE_OUT_MAX;
	c->out = malloc(FAKE_OUT_MAX);
	return c;
}

struct fake_conn *fake_last(void)
{
	return &fake.conns[fake.conn_count - 1];
}

struct fake_conn *fake_knock(void)
{
	struct fake_conn *c = new_conn();

	add_event(IX_EV_KNOCK, fake.listen_cookie, c->handle)->addr = add_peer();
	return c;
}

void fake_data(struct fake_conn *c, const void *data, size_t bytes, size_t piece)
{
	for (size_t at = 0; at < bytes; at += piece) {
		size_t n = bytes - at < piece ? bytes - at : piece;
		struct ix_event *ev = add_event(IX_EV_RECV, c->cookie, c->handle);

		if (rx_fill + n > RX_BYTES || c->lent_count == FAKE_LENT_MAX)
			die("too much received");
		memcpy(rx + rx_fill, (const uint8_t *)data + at, n);
		ev->addr = (uintptr_t)(rx + rx_fill);
		ev->len = (uint32_t)n;
		c->lent[(c->lent_first + c->lent_count++) % FAKE_LENT_MAX] = (struct ix_iov){ .addr = ev->addr,
											      .len = n };
		c->lent_bytes += n;
		rx_fill += n + 64; /* never in one piece with the next */
	}
}

void fake_ack(struct fake_conn *c, size_t bytes)
{
	struct ix_event *ev = add_event(IX_EV_SENT, c->cookie, c->handle);

	if (c->acked + bytes > c->out_bytes)
		die("acknowledged what was never sent");
	c->acked += bytes;
	c->room += bytes;
	ev->len = (uint32_t)bytes;
	ev->addr = c->room;
}

void fake_connected(struct fake_conn *c)
{
	c->is_accepted = true;
	add_event(IX_EV_CONNECTED, c->cookie, c->handle);
}

void fake_eof(struct fake_conn *c)
{
	add_event(IX_EV_EOF, c->cookie, c->handle);
}

void fake_hold(struct fake_conn *c)
{
	c->is_moving = true;
	c->is_released = false;
}

void fake_moving(struct fake_conn *c, uint32_t to)
{
	fake_hold(c);
	add_event(IX_EV_MOVING, c->cookie, c->handle)->detail = (uint16_t)to;
}

void fake_moved(struct fake_conn *c)
{
	if (!c->is_released)
		die("moved without release");
	c->is_moving = false;
	add_event(IX_EV_MOVED, c->cookie, c->handle);
}

void fake_dead(struct fake_conn *c, enum ix_dead why)
{
	add_event(IX_EV_DEAD, c->is_accepted ? c->cookie : fake.listen_cookie, c->handle)->detail = (uint16_t)why;
	c->is_dead = true;
}

void fake_datagram(const void *data, size_t bytes)
{
	struct ix_event *ev = add_event(IX_EV_UDP_RECV, fake.udp_cookie, 2);

	memcpy(rx + rx_fill, data, bytes);
	ev->addr = (uintptr_t)(rx + rx_fill);
	ev->len = (uint32_t)bytes;
	ev->detail = (uint16_t)add_peer();
	rx_fill += bytes + 64;
}

void fake_timer(void)
{
	if (!fake.is_timer_armed)
		die("no timer is armed");
	fake.is_timer_armed = false;
	add_event(IX_EV_TIMER, fake.timer_cookie, fake.timer_handle);
}

void fake_signal(void)
{
	add_event(IX_EV_SIGNAL, 0, 0)->detail = 1;
}

/* ---- calls ---- */

static struct fake_conn *find(ix_handle_t handle)
{
	uint64_t index = (uint32_t)handle - 1;

	if (handle >> 32 != 1 || index >= fake.conn_count || fake.conns[index].is_dead)
		return NULL;
	return &fake.conns[index];
}

static bool is_lent(const struct fake_conn *c, uint64_t addr, uint64_t len)
{
	if (addr - IX_RX_VA >= RX_BYTES)
		return true; /* the test's own memory */
	for (unsigned i = 0; i < c->lent_count; i++) {
		const struct ix_iov *l = &c->lent[(c->lent_first + i) % FAKE_LENT_MAX];

		if (addr >= l->addr && addr + len <= l->addr + l->len)
			return true;
	}
	return false;
}

static int do_recv_done(struct fake_conn *c, uint64_t bytes)
{
	if (!bytes || bytes > c->lent_bytes - c->done_bytes)
		return IX_BAD_LENGTH;
	c->done_bytes += bytes;
	while (bytes) {
		struct ix_iov *l = &c->lent[c->lent_first];
		uint64_t n = bytes < l->len ? bytes : l->len;

		memset((void *)l->addr, 0xdd, n);
		l->addr += n;
		l->len -= n;
		bytes -= n;
		if (!l->len) {
			c->lent_first = (c->lent_first + 1) % FAKE_LENT_MAX;
			c->lent_count--;
		}
	}
	return IX_OK;
}

static int do_sendv(struct fake_conn *c, struct ix_call *call)
{
	struct ix_iov one = { .addr = call->arg, .len = call->len };
	const struct ix_iov *iov = call->flags & IX_SENDV_LIST ? (const struct ix_iov *)call->arg : &one;
	uint64_t n = call->flags & IX_SENDV_LIST ? call->len : 1, taken = 0;

	if (!c->is_accepted || n < 1 || n > IX_IOV_MAX)
		return IX_BAD_CALL;
	if (c->is_fin || c->is_closed)
		return IX_CLOSED;
	for (uint64_t i = 0; i < n; i++)
		if (!iov[i].len || !is_lent(c, iov[i].addr, iov[i].len))
			return IX_BAD_ADDRESS;
	for (uint64_t i = 0; i < n; i++) {
		uint64_t k = iov[i].len < c->room ? iov[i].len : c->room;

		if (c->out_bytes + k > FAKE_OUT_MAX)
			die("too much sent");
		memcpy(c->out + c->out_bytes, (const void *)iov[i].addr, k);
		c->out_bytes += k;
		c->room -= k;
		taken += k;
	}
	call->len = taken;
	return call->flags & IX_SENDV_DONE && taken ? do_recv_done(c, taken) : IX_OK;
}

/* Range by range as they were told. */
static int do_send_back(struct fake_conn *c, struct ix_call *call)
{
	uint64_t left = call->len, taken = 0;

	if (!c->is_accepted)
		return IX_BAD_CALL;
	if (c->is_fin || c->is_closed)
		return IX_CLOSED;
	if (!left || left > c->lent_bytes - c->done_bytes)
		return IX_BAD_LENGTH;
	while (left && c->room) {
		struct ix_iov *l = &c->lent[c->lent_first];
		uint64_t k = left < l->len ? left : l->len;

		k = k < c->room ? k : c->room;
		if (c->out_bytes + k > FAKE_OUT_MAX)
			die("too much sent");
		memcpy(c->out + c->out_bytes, (const void *)l->addr, k);
		c->out_bytes += k;
		c->room -= k;
		taken += k;
		left -= k;
		(void)do_recv_done(c, k);
	}
	call->len = taken;
	return IX_OK;
}

static int do_conn(struct ix_call *call)
{
	struct fake_conn *c = find(call->handle);

	if (!c)
		return IX_BAD_HANDLE;
	if (call->op == IX_OP_RELEASE) {
		if (!c->is_moving || c->is_released)
			return IX_BAD_CALL;
		c->is_released = true;
		return IX_OK;
	}
	if (c->is_moving)
		return IX_MOVED;
	if (c->is_closed || c->is_aborted || c->is_rejected)
		return IX_CLOSED;
	switch (call->op) {
	case IX_OP_ACCEPT:
		c->is_accepted = true;
		c->cookie = call->arg;
		return IX_OK;
	case IX_OP_REJECT:
		c->is_rejected = true;
		return IX_OK;
	case IX_OP_SENDV:
		return do_sendv(c, call);
	case IX_OP_SEND_BACK:
		return do_send_back(c, call);
	case IX_OP_RECV_DONE:
		return do_recv_done(c, call->len);
	case IX_OP_SHUTDOWN:
		c->is_fin = true;
		return IX_OK;
	case IX_OP_CLOSE:
		c->is_closed = true;
		return IX_OK;
	case IX_OP_ABORT:
		c->is_aborted = true;
		return IX_OK;
	default:
		return IX_OK; /* IX_OP_SET */
	}
}

static int do_connect(struct ix_call *call)
{
	const struct ix_connect *ask = (const struct ix_connect *)call->arg;
	struct fake_conn *c = new_conn();

	c->cookie = ask->cookie;
	call->handle = c->handle;
	return ask->remote.port ? IX_OK : IX_BAD_ADDRESS;
}

static int do_udp_send(const struct ix_call *call)
{
	const struct ix_udp_send *ask = (const struct ix_udp_send *)call->arg;

	memcpy(fake.datagram, (const void *)ask->data.addr, ask->data.len);
	fake.datagram_bytes = ask->data.len;
	fake.datagram_to = ask->remote;
	fake.datagrams_out++;
	return IX_OK;
}

static int do_timer(struct ix_call *call)
{
	if (call->op == IX_OP_TIMER_CANCEL && (call->arg || call->len))
		return IX_BAD_CALL;
	if (call->handle && (call->handle != fake.timer_handle || !fake.is_timer_armed))
		return IX_BAD_HANDLE;
	fake.is_timer_armed = call->op == IX_OP_TIMER_ARM;
	if (call->op == IX_OP_TIMER_CANCEL)
		return IX_OK;
	if (!call->handle)
		fake.timer_handle++;
	call->handle = fake.timer_handle;
	fake.timer_cookie = call->len;
	fake.timer_delay_ns = call->arg;
	return IX_OK;
}

static int execute(struct ix_call *call)
{
	switch (call->op) {
	case IX_OP_NONE:
		return IX_OK;
	case IX_OP_LISTEN:
		fake.listen_cookie = call->len;
		call->handle = ++fake.listen_handle;
		return IX_OK;
	case IX_OP_CONNECT:
		return do_connect(call);
	case IX_OP_UDP_BIND:
		fake.udp_cookie = call->len;
		call->handle = 2;
		return IX_OK;
	case IX_OP_UDP_SENDV:
		return do_udp_send(call);
	case IX_OP_UDP_RECV_DONE:
		fake.datagrams_done += (unsigned)call->len;
		return IX_OK;
	case IX_OP_TIMER_ARM:
	case IX_OP_TIMER_CANCEL:
		return do_timer(call);
	default:
		return do_conn(call);
	}
}

static void execute_all(void)
{
	calls.moved = 0;
	for (uint32_t i = 0; i < calls.count; i++) {
		struct ix_call *call = &calls.calls[i];

		if (call->status != IX_PENDING || call->op >= IX_OP_NR)
			die("a call that is none");
		fake.ops[call->op]++;
		if (call->op == fake.fail_op) {
			fake.fail_op = -1;
			call->status = fake.fail_status;
			continue;
		}
		call->status = execute(call);
		if (call->status == IX_MOVED)
			calls.moved++;
		else if (call->status < 0)
			fake.bad++;
	}
	calls.executed = calls.count;
	calls.count = 0;
}

long ix_entry(uint64_t number, uint64_t a, uint64_t b, uint64_t c)
{
	(void)c;
	switch (number) {
	case IX_RUN_IO:
		fake.run_ios++;
		execute_all();
		events = next_events;
		next_events.count = 0;
		next_events.peer_count = 0;
		return events.count;
	case IX_CALL:
		fake.calls++;
		execute_all();
		return calls.executed;
	case IX_CONSOLE:
		if (fake.console_bytes + b > sizeof(fake.console))
			die("too much said");
		memcpy(fake.console + fake.console_bytes, (const void *)a, b);
		fake.console_bytes += b;
		return (long)b;
	default:
		die("an entry that the fake does not have");
		return IX_UNSUPPORTED;
	}
}
