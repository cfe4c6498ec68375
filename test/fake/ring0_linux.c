/* SPDX-License-Identifier: MIT */
/*
 * A ring 0 made of Linux, for running the C library of ring 3 as a process of the host: cores are threads
 * without a libc of their own, the console is memory. It stands where lib/libc/where.c and entry.S stand.
 */
#include "test/fake/ring0_linux.h"
#include "kernel/abi/status.h"
#include <sys/mman.h>
#include <sys/syscall.h>

#define CORES 4
#define HEAP_BYTES (64ul << 20)
#define STACK_BYTES (256ul << 10)
#define ARCH_SET_FS 0x1002
#define CLONE_THREAD_FLAGS 0x150f00 /* VM FS FILES SIGHAND THREAD SYSVSEM PARENT_SETTID [Linux linux/sched.h] */

char linux_console[LINUX_CONSOLE_MAX];
unsigned linux_console_bytes, linux_entries;

static struct ix_info info;
static unsigned char stacks[CORES][STACK_BYTES] __attribute__((aligned(4096)));
static int tids[CORES];

static long host(long number, long a, long b, long c)
{
	register long r10 __asm__("r10") = MAP_PRIVATE | MAP_ANONYMOUS;
	register long r8 __asm__("r8") = -1;
	register long r9 __asm__("r9") = 0;
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return result;
}

const struct ix_info *libc_info(void)
{
	if (!info.abi_version) {
		info.heap_va = (uint64_t)host(SYS_mmap, 0, HEAP_BYTES, PROT_READ | PROT_WRITE);
		info.heap_bytes = HEAP_BYTES;
		info.core_count = CORES;
		info.tsc_hz = 1000000000;
		info.tsc_boot = __builtin_ia32_rdtsc();
		info.realtime_boot_ns = 1000000000ull * 1000000000;
		info.abi_version = IX_ABI_VERSION;
	}
	return &info;
}

uint32_t libc_core(void)
{
	int tid = (int)host(SYS_gettid, 0, 0, 0);

	for (uint32_t i = 1; i < CORES; i++)
		if (tids[i] == tid)
			return i;
	return 0;
}

static long start(uint64_t core, uint64_t entry, uint64_t arg)
{
	long tid;

	if (core < 1 || core >= CORES)
		return IX_BAD_CALL;
	if (tids[core])
		return IX_IN_USE;
	/* The child has nothing but its registers until it is at @entry. */
	__asm__ volatile("syscall\n\t"
			 "test %%rax, %%rax\n\t"
			 "jnz 1f\n\t"
			 "mov %[arg], %%rdi\n\t"
			 "jmp *%[entry]\n"
			 "1:"
			 : "=a"(tid)
			 : "a"(SYS_clone), "D"(CLONE_THREAD_FLAGS), "S"(stacks[core] + STACK_BYTES),
			   "d"(&tids[core]), [entry] "r"(entry), [arg] "r"(arg)
			 : "rcx", "r11", "r10", "r8", "memory");
	return tid < 0 ? IX_NO_MEMORY : 0;
}

static long put(const char *text, uint64_t bytes)
{
	unsigned at;

	if (bytes > 4096)
		bytes = 4096;
	at = __atomic_fetch_add(&linux_console_bytes, (unsigned)bytes, __ATOMIC_RELAXED);
	for (uint64_t i = 0; i < bytes && at + i < LINUX_CONSOLE_MAX; i++)
		linux_console[at + i] = text[i];
	return (long)bytes;
}

long ix_entry(uint64_t number, uint64_t a, uint64_t b, uint64_t c)
{
	__atomic_fetch_add(&linux_entries, 1, __ATOMIC_RELAXED);
	switch (number) {
	case IX_CONSOLE:
		return put((const char *)a, b);
	case IX_EXIT:
		host(SYS_write, 2, (long)linux_console,
		     a ? (linux_console_bytes < 4096 ? linux_console_bytes : 4096) : 0);
		return host(SYS_exit_group, (long)a, 0, 0);
	case IX_SET_FS:
		return host(SYS_arch_prctl, ARCH_SET_FS, (long)a, 0);
	case IX_START:
		return start(a, b, c);
	default:
		return IX_UNSUPPORTED;
	}
}
