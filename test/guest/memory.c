/* SPDX-License-Identifier: MIT */
/* What ring 3 must not reach: each row reads, writes or executes one place and has to end in a page fault. */
#include "test/guest/serve.h"

#include <string.h>
#include "kernel/mem/layout.h"

#define RET 0xc3

static const uint8_t constant[16] = { RET };
static uint8_t data[16] = { RET };
static uint8_t zeroed[16];

static const char *read_at(uint64_t va)
{
	return serve_text("read %02x at %lx", *(const volatile uint8_t *)va, va);
}

static const char *write_at(uint64_t va)
{
	*(volatile uint8_t *)va = RET;
	return serve_text("wrote at %lx", va);
}

static const char *run_at(uint64_t va)
{
	((void (*)(void))va)();
	return serve_text("executed at %lx", va);
}

static const char *write_lent(uint64_t n)
{
	(void)n;
	return serve_lent() ? write_at(serve_lent()) : "no receive buffer is lent";
}

static const char *run_lent(uint64_t n)
{
	(void)n;
	return serve_lent() ? run_at(serve_lent()) : "no receive buffer is lent";
}

static const char *run_stack(uint64_t n)
{
	volatile uint8_t code[16] = { RET };

	(void)n;
	return run_at((uint64_t)code);
}

static const char *run_heap(uint64_t n)
{
	uint8_t *heap = (uint8_t *)libc_info()->heap_va + n;

	*heap = RET;
	return run_at((uint64_t)heap);
}

static const char *run_data(uint64_t n)
{
	(void)n;
	return run_at((uint64_t)data);
}

static const char *run_zeroed(uint64_t n)
{
	(void)n;
	*(volatile uint8_t *)zeroed = RET;
	return run_at((uint64_t)zeroed);
}

static const char *run_constant(uint64_t n)
{
	(void)n;
	return run_at((uint64_t)constant);
}

static const char *write_constant(uint64_t n)
{
	(void)n;
	return write_at((uint64_t)constant);
}

static const char *write_code(uint64_t n)
{
	(void)n;
	return write_at((uint64_t)serve);
}

static const char *run_calls(uint64_t n)
{
	libc_calls()->calls[1000].op = RET;
	(void)n;
	return run_at((uint64_t)&libc_calls()->calls[1000].op);
}

static const char *after_heap(uint64_t n)
{
	return write_at(libc_info()->heap_va + libc_info()->heap_bytes + n);
}

/* Calls itself until it is off the stack; the depth is only known to be too much. */
static __attribute__((noinline)) uint64_t deeper(uint64_t n)
{
	volatile uint64_t kept[32];

	kept[n % 32] = n;
	return n ? deeper(n - 1) + kept[n % 32] : 0;
}

static const char *overflow(uint64_t n)
{
	return deeper(1 << 20 | n) ? "the stack has no end" : NULL;
}

/* What ring 3 is promised: it can read this, and write where it may. */
static const char *allowed(uint64_t n)
{
	static const uint64_t readable[] = { IX_INFO_VA, IX_INFO_VA + 4095, IX_CORE_VA, IX_EVENT_ARRAY_VA,
					     IX_CALL_ARRAY_VA + 32767 };
	static const uint64_t writable[] = { IX_STACK_VA, IX_CALL_ARRAY_VA + 32767 };

	(void)n;
	for (unsigned i = 0; i < sizeof(readable) / sizeof(readable[0]); i++)
		read_at(readable[i]);
	for (unsigned i = 0; i < sizeof(writable) / sizeof(writable[0]); i++)
		write_at(writable[i]);
	write_at(libc_info()->heap_va + libc_info()->heap_bytes - 1);
	if (serve_lent() && *(const volatile char *)serve_lent() != 'r')
		return "the receive buffer does not hold what was sent";
	if (libc_info()->abi_version != IX_ABI_VERSION || libc_core() != 0)
		return "the clock page or the core page is wrong";
	return NULL;
}

/* What an earlier partition wrote is gone: this one was loaded afresh. */
static const char *is_fresh(uint64_t n)
{
	const uint64_t *heap = (const uint64_t *)libc_info()->heap_va;
	const uint64_t *stack = (const uint64_t *)IX_STACK_VA;

	(void)n;
	for (uint64_t i = 0; i < libc_info()->heap_bytes / 8; i++)
		if (heap[i])
			return serve_text("word %lu of the heap is %lx", i, heap[i]);
	for (uint64_t i = 0; i < IX_STACK_BYTES / 2 / 8; i++)
		if (stack[i])
			return serve_text("word %lu of the stack is %lx", i, stack[i]);
	return data[1] ? "data was not loaded again" : NULL;
}

static const char *dirty(uint64_t n)
{
	(void)n;
	memset((void *)libc_info()->heap_va, 0x5a, libc_info()->heap_bytes);
	memset((void *)IX_STACK_VA, 0x5a, IX_STACK_BYTES / 2);
	data[1] = 1;
	return read_at(MEM_DIRECT_VA);
}

#define KERNEL_TEXT (MEM_KERNEL_VA + MEM_KERNEL_LOAD_PA)
#define KERNEL_RODATA (MEM_KERNEL_VA + 0x400000)
#define KERNEL_DATA (MEM_KERNEL_VA + 0x600000)
#define IST_LOW(n) (MEM_IST_TOP(n) - MEM_IST_BYTES)
#define CALL_GUARD (IX_CALL_ARRAY_VA + sizeof(struct ix_call_array))
#define EVENT_GUARD (IX_EVENT_ARRAY_VA + sizeof(struct ix_event_array))
#define STACK_GAP (IX_STACK_VA + IX_STACK_BYTES)

static const struct test_case rows[] = {
	{ "allowed", "pass", allowed, 0, 0 },
	{ "read_null", "fault 14", read_at, 0, 0 },
	{ "run_null", "fault 14", run_at, 0, 0 },
	{ "read_direct_map", "fault 14", read_at, MEM_DIRECT_VA, 0 },
	{ "write_direct_map", "fault 14", write_at, MEM_DIRECT_VA + 0x800000, 0 },
	{ "run_direct_map", "fault 14", run_at, MEM_DIRECT_VA + MEM_KERNEL_LOAD_PA, 0 },
	{ "read_kernel_text", "fault 14", read_at, KERNEL_TEXT, 0 },
	{ "write_kernel_text", "fault 14", write_at, KERNEL_TEXT, 0 },
	{ "run_kernel_text", "fault 14", run_at, KERNEL_TEXT, 0 },
	{ "read_kernel_constants", "fault 14", read_at, KERNEL_RODATA, 0 },
	{ "read_kernel_data", "fault 14", read_at, KERNEL_DATA, 0 },
	{ "write_kernel_data", "fault 14", write_at, KERNEL_DATA, 0 },
	{ "read_window", "fault 14", read_at, MEM_WINDOW_VA, 0 },
	{ "write_window", "fault 14", write_at, MEM_WINDOW_VA, 0 },
	{ "read_kernel_stack", "fault 14", read_at, MEM_STACK_TOP - 64, 0 },
	{ "write_kernel_stack", "fault 14", write_at, MEM_STACK_TOP - 64, 0 },
	{ "write_trap_stack", "fault 14", write_at, IST_LOW(5), 0 },
	{ "read_device_registers", "fault 14", read_at, MEM_MMIO_VA, 0 },
	{ "write_device_registers", "fault 14", write_at, MEM_MMIO_VA, 0 },
	{ "write_local_apic", "fault 14", write_at, 0xfee000b0, 0 },
	{ "write_low_memory", "fault 14", write_at, 0x8000, 0 },
	{ "read_physical_kernel", "fault 14", read_at, MEM_KERNEL_LOAD_PA, 0 },
	{ "write_info", "fault 14", write_at, IX_INFO_VA, 0 },
	{ "run_info", "fault 14", run_at, IX_INFO_VA, 0 },
	{ "write_core_info", "fault 14", write_at, IX_CORE_VA, 0 },
	{ "write_events", "fault 14", write_at, IX_EVENT_ARRAY_VA, 0 },
	{ "write_events_end", "fault 14", write_at, EVENT_GUARD - 1, 0 },
	{ "run_events", "fault 14", run_at, IX_EVENT_ARRAY_VA, 0 },
	{ "read_after_events", "fault 14", read_at, EVENT_GUARD, 0 },
	{ "read_after_calls", "fault 14", read_at, CALL_GUARD, 0 },
	{ "write_after_calls", "fault 14", write_at, CALL_GUARD, 0 },
	{ "read_before_calls", "fault 14", read_at, IX_CALL_ARRAY_VA - 1, 0 },
	{ "run_calls", "fault 14", run_calls, 0, 0 },
	{ "write_lent", "fault 14", write_lent, 0, 0 },
	{ "run_lent", "fault 14", run_lent, 0, 0 },
	{ "write_receive_buffers", "fault 14", write_at, IX_RX_VA, 0 },
	{ "read_before_receive_buffers", "fault 14", read_at, IX_RX_VA - 1, 0 },
	{ "run_stack", "fault 14", run_stack, 0, 0 },
	{ "run_heap", "fault 14", run_heap, 0, 0 },
	{ "run_data", "fault 14", run_data, 0, 0 },
	{ "run_zeroed", "fault 14", run_zeroed, 0, 0 },
	{ "run_constant", "fault 14", run_constant, 0, 0 },
	{ "write_constant", "fault 14", write_constant, 0, 0 },
	{ "write_code", "fault 14", write_code, 0, 0 },
	{ "after_heap", "fault 14", after_heap, 0, 0 },
	{ "before_program", "fault 14", read_at, IX_PARTITION_VA - 1, 0 },
	{ "stack_gap", "fault 14", write_at, STACK_GAP, 0 },
	{ "below_stack", "fault 14", write_at, IX_STACK_VA - 1, 0 },
	{ "stack_overflow", "fault 14", overflow, 0, 0 },
	{ "top_of_user_half", "fault 14", read_at, 0x00007fffffffffff, 0 },
	{ "run_top_of_user_half", "fault 14", run_at, 0x00007ffffffffffe, 0 },
	{ "read_non_canonical", "fault 13", read_at, 0x0000800000000000, 0 },
	{ "write_non_canonical", "fault 13", write_at, 0xffff7fffffffffff, 0 },
	{ "run_non_canonical", "fault 13,14", run_at, 0x0000800000000000, 0 },
	{ "dirty", "fault 14", dirty, 0, 0 },
	{ "is_fresh", "pass", is_fresh, 0, 0 },
};

int main(int argc, char **argv)
{
	return serve(argc, argv, rows, sizeof(rows) / sizeof(rows[0]));
}
