/* SPDX-License-Identifier: MIT */
/* Each opcode reaches net with its own fields, and answers where the contract says; each wrong form is refused. */
#include <string.h>
#include "test/unit/sys/world.h"

#define AT (IX_PARTITION_VA + 0x1000)
#define H 0x0000000700000003ull
#define COOKIE 0xc00c1e0000000001ull

static const struct ix_endpoint local = { .addr = { [10] = 0xff, 0xff, 10, 0, 0, 1 }, .port = 7 };
static const struct ix_endpoint remote = { .addr = { [10] = 0xff, 0xff, 10, 0, 0, 2 }, .port = 9 };

/* The opcodes with their good form, and the name under which net hears of them. */
static const struct {
	const char *name;
	struct ix_call call;
	bool gives_handle, gives_len;
} good[] = {
	{ "listen", { .op = IX_OP_LISTEN, .arg = AT, .len = COOKIE }, true, false },
	{ "unlisten", { .op = IX_OP_UNLISTEN, .handle = H }, false, false },
	{ "connect", { .op = IX_OP_CONNECT, .arg = AT }, true, false },
	{ "accept", { .op = IX_OP_ACCEPT, .handle = H, .arg = COOKIE }, false, false },
	{ "reject", { .op = IX_OP_REJECT, .handle = H }, false, false },
	{ "sendv", { .op = IX_OP_SENDV, .handle = H, .arg = AT, .len = 64 }, false, true },
	{ "send_back", { .op = IX_OP_SEND_BACK, .handle = H, .len = 64 }, false, true },
	{ "recv_done", { .op = IX_OP_RECV_DONE, .handle = H, .len = 64 }, false, false },
	{ "shutdown", { .op = IX_OP_SHUTDOWN, .handle = H }, false, false },
	{ "close", { .op = IX_OP_CLOSE, .handle = H }, false, false },
	{ "abort", { .op = IX_OP_ABORT, .handle = H }, false, false },
	{ "set", { .op = IX_OP_SET, .handle = H, .arg = IX_SET_NODELAY, .len = 1 }, false, false },
	{ "release", { .op = IX_OP_RELEASE, .handle = H }, false, false },
	{ "udp_bind", { .op = IX_OP_UDP_BIND, .arg = AT, .len = COOKIE }, true, false },
	{ "udp_unbind", { .op = IX_OP_UDP_UNBIND, .handle = H }, false, false },
	{ "udp_send", { .op = IX_OP_UDP_SENDV, .handle = H, .arg = AT }, false, true },
	{ "udp_recv_done", { .op = IX_OP_UDP_RECV_DONE, .handle = H, .len = 2 }, false, false },
};

/* What arg points at, for those that have it there: an endpoint, an ix_connect, or an ix_udp_send. */
static void write_arg(uint16_t op)
{
	const struct ix_connect connect = { .local = local, .remote = remote, .cookie = COOKIE };
	const struct ix_udp_send send = { .remote = remote, .data = { AT + 0x100, 65507 } };

	if (op == IX_OP_CONNECT)
		memcpy(world_at(AT), &connect, sizeof(connect));
	else if (op == IX_OP_UDP_SENDV)
		memcpy(world_at(AT), &send, sizeof(send));
	else
		memcpy(world_at(AT), &local, sizeof(local));
}

static void test_good(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(good); i++) {
		struct ix_call call = good[i].call;

		fake_net_reset();
		fake_net.result = 0x1234;
		write_arg(call.op);
		assert_int_equal(world_call(&call), IX_OK);
		assert_string_equal(fake_net.name, good[i].name);
		assert_int_equal(fake_net.calls, 1);
		assert_int_equal(fake_net.handle, good[i].call.handle);
		assert_int_equal(call.handle, good[i].gives_handle ? 0x1234 : good[i].call.handle);
		assert_int_equal(call.len, good[i].gives_len ? 0x1234 : good[i].call.len);
		assert_int_equal(call.arg, good[i].call.arg);
	}
}

static void test_arguments(void **state)
{
	struct ix_call call;

	(void)state;
	write_arg(IX_OP_CONNECT);
	call = (struct ix_call){ .op = IX_OP_CONNECT, .arg = AT };
	assert_int_equal(world_call(&call), IX_OK);
	assert_memory_equal(&fake_net.local, &local, sizeof(local));
	assert_memory_equal(&fake_net.remote, &remote, sizeof(remote));
	assert_int_equal(fake_net.a, COOKIE);
	assert_int_equal(fake_net.flags, 0);
	call = (struct ix_call){ .op = IX_OP_CONNECT, .arg = AT, .flags = IX_CONNECT_PINNED };
	assert_int_equal(world_call(&call), IX_OK);
	assert_int_equal(fake_net.flags, IX_CONNECT_PINNED);
	call = (struct ix_call){ .op = IX_OP_SET, .handle = H, .arg = IX_SET_RTO_FLOOR, .len = 5 };
	assert_int_equal(world_call(&call), IX_OK);
	assert_int_equal(fake_net.a, IX_SET_RTO_FLOOR);
	assert_int_equal(fake_net.b, 5);
	write_arg(IX_OP_UDP_SENDV);
	call = (struct ix_call){ .op = IX_OP_UDP_SENDV, .handle = H, .arg = AT };
	assert_int_equal(world_call(&call), IX_OK);
	assert_memory_equal(&fake_net.remote, &remote, sizeof(remote));
	assert_ptr_equal(fake_net.ranges[0].data, world_at(AT + 0x100));
	assert_int_equal(fake_net.ranges[0].bytes, 65507);
	write_arg(IX_OP_LISTEN);
	call = (struct ix_call){ .op = IX_OP_LISTEN, .arg = AT, .len = COOKIE };
	assert_int_equal(world_call(&call), IX_OK);
	assert_memory_equal(&fake_net.local, &local, sizeof(local));
	assert_int_equal(fake_net.a, COOKIE);
}

/* What net answers comes back as it is, and with an error no result. */
static void test_errors_pass(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(good); i++)
		for (int status = -1; status > -IX_STATUS_NR; status--) {
			struct ix_call call = good[i].call;

			fake_net_reset();
			fake_net.status = status;
			fake_net.result = 0x1234;
			write_arg(call.op);
			assert_int_equal(world_call(&call), status);
			assert_int_equal(call.handle, good[i].gives_handle ? 0 : good[i].call.handle);
			assert_int_equal(call.len, good[i].gives_len ? 0 : good[i].call.len);
		}
}

static void check_refused(struct ix_call call, int status)
{
	fake_net_reset();
	assert_int_equal(world_call(&call), status);
	if (fake_net.calls)
		fail_msg("opcode %u reached net_%s()", call.op, fake_net.name);
}

static void test_wrong_form(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(good); i++) {
		struct ix_call call = good[i].call;

		write_arg(call.op);
		for (unsigned bit = 0; bit < 16; bit++) {
			if (call.op == IX_OP_SENDV && (1u << bit) & (IX_SENDV_LIST | IX_SENDV_MORE | IX_SENDV_DONE))
				continue;
			if (call.op == IX_OP_SEND_BACK && 1u << bit == IX_SENDV_MORE)
				continue;
			if (call.op == IX_OP_CONNECT && 1u << bit == IX_CONNECT_PINNED)
				continue;
			call.flags = (uint16_t)(1u << bit);
			check_refused(call, IX_BAD_CALL);
		}
		call.flags = 0;
		if (!call.handle) {
			call.handle = 1ull << 63;
			check_refused(call, IX_BAD_CALL);
			call.handle = 0;
		}
		if (!call.arg) {
			call.arg = 1;
			check_refused(call, IX_BAD_CALL);
			call.arg = 0;
		}
		if (!call.len) {
			call.len = 1ull << 32;
			check_refused(call, IX_BAD_CALL);
		}
	}
	check_refused((struct ix_call){ .op = IX_OP_NR }, IX_BAD_CALL);
	check_refused((struct ix_call){ .op = 0xffff, .handle = H }, IX_BAD_CALL);
	check_refused((struct ix_call){ .op = IX_OP_NONE, .flags = 9, .handle = H, .arg = 1, .len = 2 }, IX_OK);
}

static void test_bad_pointers(void **state)
{
	static const uint16_t ops[] = { IX_OP_LISTEN, IX_OP_CONNECT, IX_OP_UDP_BIND, IX_OP_UDP_SENDV };
	static const ix_uaddr_t bad[] = { 0,
					  8,
					  IX_PARTITION_VA - 8,
					  WORLD_END - 8,
					  WORLD_END,
					  UINT64_MAX - 7,
					  UINT64_MAX,
					  IX_CALL_ARRAY_VA,
					  IX_CALL_ARRAY_VA + 32,
					  IX_EVENT_ARRAY_VA,
					  IX_INFO_VA,
					  IX_STACK_VA + IX_STACK_BYTES - 16,
					  IX_STACK_VA - 8,
					  IX_RX_VA + BUF_BYTES - 8,
					  IX_RX_VA + WORLD_BUFS * BUF_BYTES,
					  0xffff800000000000ull,
					  0xffffffff80200000ull,
					  0x0000800000000000ull };

	(void)state;
	for (unsigned o = 0; o < ARRAY_COUNT(ops); o++)
		for (unsigned i = 0; i < ARRAY_COUNT(bad); i++)
			check_refused((struct ix_call){ .op = ops[o], .arg = bad[i] }, IX_BAD_ADDRESS);
	for (unsigned i = 0; i < ARRAY_COUNT(bad); i++) {
		check_refused((struct ix_call){ .op = IX_OP_SENDV, .handle = H, .arg = bad[i], .len = 64 },
			      IX_BAD_ADDRESS);
		check_refused(
			(struct ix_call){
				.op = IX_OP_SENDV, .flags = IX_SENDV_LIST, .handle = H, .arg = bad[i], .len = 2 },
			IX_BAD_ADDRESS);
		*(struct ix_udp_send *)world_at(AT) = (struct ix_udp_send){ .remote = remote, .data = { bad[i], 64 } };
		check_refused((struct ix_call){ .op = IX_OP_UDP_SENDV, .handle = H, .arg = AT }, IX_BAD_ADDRESS);
	}
}

static void test_endpoints(void **state)
{
	struct ix_connect *connect = world_at(AT);
	struct ix_udp_send *send = world_at(AT + 0x800);

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		*connect = (struct ix_connect){ .local = local, .remote = remote };
		connect->local.reserved[i] = 0x8000;
		check_refused((struct ix_call){ .op = IX_OP_LISTEN, .arg = AT }, IX_BAD_CALL);
		check_refused((struct ix_call){ .op = IX_OP_UDP_BIND, .arg = AT }, IX_BAD_CALL);
		check_refused((struct ix_call){ .op = IX_OP_CONNECT, .arg = AT }, IX_BAD_CALL);
		*connect = (struct ix_connect){ .local = local, .remote = remote };
		connect->remote.reserved[i] = 1;
		check_refused((struct ix_call){ .op = IX_OP_CONNECT, .arg = AT }, IX_BAD_CALL);
		*send = (struct ix_udp_send){ .remote = remote, .data = { AT, 1 } };
		send->remote.reserved[i] = 1;
		check_refused((struct ix_call){ .op = IX_OP_UDP_SENDV, .handle = H, .arg = AT + 0x800 }, IX_BAD_CALL);
	}
}

static void test_udp_lengths(void **state)
{
	struct ix_udp_send *send = world_at(AT);
	struct ix_call call = { .op = IX_OP_UDP_SENDV, .handle = H, .arg = AT };

	(void)state;
	*send = (struct ix_udp_send){ .remote = remote, .data = { 0, 0 } };
	assert_int_equal(world_call(&call), IX_OK); /* an empty datagram has no address */
	assert_int_equal(fake_net.ranges[0].bytes, 0);
	send->data = (struct ix_iov){ AT, 65508 };
	check_refused((struct ix_call){ .op = IX_OP_UDP_SENDV, .handle = H, .arg = AT }, IX_BAD_LENGTH);
	send->data.len = 0x100000001ull;
	check_refused((struct ix_call){ .op = IX_OP_UDP_SENDV, .handle = H, .arg = AT }, IX_BAD_LENGTH);
	send->data.len = UINT64_MAX;
	check_refused((struct ix_call){ .op = IX_OP_UDP_SENDV, .handle = H, .arg = AT }, IX_BAD_LENGTH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_good, world_reset),
		cmocka_unit_test_setup(test_arguments, world_reset),
		cmocka_unit_test_setup(test_errors_pass, world_reset),
		cmocka_unit_test_setup(test_wrong_form, world_reset),
		cmocka_unit_test_setup(test_bad_pointers, world_reset),
		cmocka_unit_test_setup(test_endpoints, world_reset),
		cmocka_unit_test_setup(test_udp_lengths, world_reset),
	};

	return cmocka_run_group_tests(tests, world_init, NULL);
}
