/* SPDX-License-Identifier: MIT */
/*
 * Memory that changes the moment it has been read. The pages are closed; a read faults, is let through
 * for one instruction (trap flag), and then every byte that could have been read is turned over and the
 * page closed again. So a second look at anything that ring 3 owns yields garbage, and is counted.
 */
#define _GNU_SOURCE 1 /* register names in ucontext.h */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include "test/unit/sys/world.h"

#define EFLAGS_TF 0x100
#define ERR_WRITE 2
#define AREA_MAX 40960u
#define AT (IX_PARTITION_VA + 0x10000) /* what calls point at: pages of its own */
#define H 0x0000000700000003ull

static struct area {
	uint8_t *start;
	size_t bytes;
	uint8_t reads[AREA_MAX]; /* by offset of the access */
	uint8_t writes[AREA_MAX];
} areas[2];

static unsigned grain = 8; /* bytes that change after a read */
static struct area *open_area;
static size_t open_off;
static bool was_write;

static void on_fault(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	uint8_t *at = info->si_addr;

	for (unsigned i = 0; i < 2; i++)
		if (at >= areas[i].start && at < areas[i].start + areas[i].bytes) {
			open_area = &areas[i];
			open_off = (size_t)(at - areas[i].start);
			was_write = uc->uc_mcontext.gregs[REG_ERR] & ERR_WRITE;
			*(was_write ? &open_area->writes[open_off] : &open_area->reads[open_off]) += 1;
			mprotect(open_area->start, open_area->bytes, PROT_READ | PROT_WRITE);
			uc->uc_mcontext.gregs[REG_EFL] |= EFLAGS_TF;
			return;
		}
	signal(sig, SIG_DFL);
}

static void on_step(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	(void)sig;
	(void)info;
	uc->uc_mcontext.gregs[REG_EFL] &= ~EFLAGS_TF;
	for (unsigned i = 0; !was_write && i < grain && open_off + i < open_area->bytes; i++)
		open_area->start[open_off + i] ^= 0xff;
	mprotect(open_area->start, open_area->bytes, PROT_NONE);
}

static void hostile_begin(void)
{
	static uint8_t alternate[65536];
	const stack_t stack = { .ss_sp = alternate, .ss_size = sizeof(alternate) };
	struct sigaction fault = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK };
	struct sigaction step = { .sa_sigaction = on_step, .sa_flags = SA_SIGINFO | SA_ONSTACK };

	sigaltstack(&stack, NULL);
	sigaction(SIGSEGV, &fault, NULL);
	sigaction(SIGTRAP, &step, NULL);
	areas[0].start = (uint8_t *)world.calls;
	areas[0].bytes = sizeof(*world.calls);
	areas[1].start = world_at(AT);
	areas[1].bytes = 8192;
	for (unsigned i = 0; i < 2; i++) {
		memset(areas[i].reads, 0, sizeof(areas[i].reads));
		memset(areas[i].writes, 0, sizeof(areas[i].writes));
		mprotect(areas[i].start, areas[i].bytes, PROT_NONE);
	}
}

static void hostile_end(void)
{
	for (unsigned i = 0; i < 2; i++)
		mprotect(areas[i].start, areas[i].bytes, PROT_READ | PROT_WRITE);
	signal(SIGSEGV, SIG_DFL);
	signal(SIGTRAP, SIG_DFL);
}

/* No byte was read twice, taking every read as @grain bytes wide; @want reads in all in area @n. */
static void check_reads(unsigned n, unsigned want)
{
	unsigned count = 0;
	size_t free_from = 0;

	for (size_t off = 0; off < areas[n].bytes; off++) {
		if (!areas[n].reads[off])
			continue;
		if (areas[n].reads[off] > 1 || off < free_from)
			fail_msg("area %u, offset %zu: read %u times", n, off, areas[n].reads[off] + (off < free_from));
		count++;
		free_from = off + (n ? grain : 1);
	}
	assert_int_equal(count, want);
}

/* One batch of one call, over memory that changes under it. */
static void run_hostile(struct ix_call call)
{
	call.status = IX_PENDING;
	world.calls->calls[0] = call;
	world.calls->count = 1;
	hostile_begin();
	unsigned executed = sys_batch();
	hostile_end();
	assert_int_equal(executed, 1);
	check_reads(0, 5); /* count, and the four words of the slot */
}

static void test_plain(void **state)
{
	(void)state;
	run_hostile((struct ix_call){ .op = IX_OP_ACCEPT, .handle = H, .arg = 0x1122334455667788 });
	assert_string_equal(fake_net.name, "accept");
	assert_int_equal(fake_net.handle, H);
	assert_int_equal(fake_net.a, 0x1122334455667788);
	assert_int_equal(world.calls->calls[0].status, IX_OK);
	assert_int_equal(world.calls->count, 0);
	assert_int_equal(world.calls->executed, 1);
}

static void test_connect(void **state)
{
	const struct ix_connect connect = { .local = { .port = 1 },
					    .remote = { .addr = { 1, 2, 3 }, .port = 2 },
					    .cookie = 5 };

	(void)state;
	memcpy(world_at(AT), &connect, sizeof(connect));
	run_hostile((struct ix_call){ .op = IX_OP_CONNECT, .arg = AT });
	check_reads(1, sizeof(connect) / 8);
	assert_memory_equal(&fake_net.local, &connect.local, sizeof(connect.local));
	assert_memory_equal(&fake_net.remote, &connect.remote, sizeof(connect.remote));
	assert_int_equal(fake_net.a, 5);
}

static void test_listen_and_bind(void **state)
{
	const struct ix_endpoint local = { .addr = { [10] = 0xff, 0xff, 10, 0, 0, 1 }, .port = 7 };
	static const uint16_t ops[] = { IX_OP_LISTEN, IX_OP_UDP_BIND };

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		memcpy(world_at(AT), &local, sizeof(local));
		run_hostile((struct ix_call){ .op = ops[i], .arg = AT, .len = 9 });
		check_reads(1, sizeof(local) / 8);
		assert_memory_equal(&fake_net.local, &local, sizeof(local));
		assert_int_equal(fake_net.a, 9);
	}
}

static void test_udp_send(void **state)
{
	const struct ix_udp_send send = { .remote = { .port = 9 }, .data = { IX_PARTITION_VA, 100 } };

	(void)state;
	memcpy(world_at(AT), &send, sizeof(send));
	run_hostile((struct ix_call){ .op = IX_OP_UDP_SENDV, .handle = H, .arg = AT });
	check_reads(1, sizeof(send) / 8);
	assert_ptr_equal(fake_net.ranges[0].data, user_partition.data);
	assert_int_equal(fake_net.ranges[0].bytes, 100);
}

static void test_send_list(void **state)
{
	struct ix_iov *list = world_at(AT);

	(void)state;
	for (unsigned i = 0; i < IX_IOV_MAX; i++)
		list[i] = (struct ix_iov){ IX_PARTITION_VA + i, 100 + i };
	run_hostile((struct ix_call){
		.op = IX_OP_SENDV, .flags = IX_SENDV_LIST, .handle = H, .arg = AT, .len = IX_IOV_MAX });
	check_reads(1, 2 * IX_IOV_MAX);
	assert_int_equal(fake_net.range_count, IX_IOV_MAX);
	for (unsigned i = 0; i < IX_IOV_MAX; i++) {
		assert_ptr_equal(fake_net.ranges[i].data, user_partition.data + i);
		assert_int_equal(fake_net.ranges[i].bytes, 100 + i);
	}
}

static void test_refused_calls(void **state)
{
	(void)state;
	run_hostile((struct ix_call){ .op = 0xff00, .handle = H });
	assert_int_equal(world.calls->calls[0].status, IX_BAD_CALL);
	run_hostile((struct ix_call){ .op = IX_OP_CLOSE, .flags = 1, .handle = H });
	assert_int_equal(world.calls->calls[0].status, IX_BAD_CALL);
	assert_int_equal(fake_net.calls, 0);
}

static void test_console(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 600; i++)
		((char *)world_at(AT))[i] = (char)('a' + i % 26);
	grain = 1;
	hostile_begin();
	int64_t taken = world_entry(IX_CONSOLE, AT, 600, 0);
	hostile_end();
	assert_int_equal(taken, 600);
	check_reads(1, 600);
	for (unsigned i = 0; i < 600; i++)
		assert_int_equal(world.console[i], 'a' + i % 26);
	grain = 8;
}

/* That the trap sees what it is there to see. */
static void test_the_trap_itself(void **state)
{
	volatile uint64_t *word = world_at(AT);
	uint64_t first, second;

	(void)state;
	*word = 0x1234;
	hostile_begin();
	first = *word;
	second = *word;
	hostile_end();
	assert_int_equal(first, 0x1234);
	assert_int_equal(second, ~0x1234ull);
	assert_int_equal(areas[1].reads[0], 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_the_trap_itself, world_reset),
		cmocka_unit_test_setup(test_plain, world_reset),
		cmocka_unit_test_setup(test_connect, world_reset),
		cmocka_unit_test_setup(test_listen_and_bind, world_reset),
		cmocka_unit_test_setup(test_udp_send, world_reset),
		cmocka_unit_test_setup(test_send_list, world_reset),
		cmocka_unit_test_setup(test_refused_calls, world_reset),
		cmocka_unit_test_setup(test_console, world_reset),
	};

	return cmocka_run_group_tests(tests, world_init, NULL);
}
