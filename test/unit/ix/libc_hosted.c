/* SPDX-License-Identifier: MIT */
/*
 * The real libc.a of ring 3, as a Linux process on a ring 0 made of Linux (test/fake/ring0_linux.c): four
 * cores at once in malloc and stdio, clocks, memory, and what is refused. Says what failed and exits 1.
 */
#include "test/fake/ring0_linux.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#define CORES 4
#define LINES 200
#define TURNS 20000
#define BLOCKS 48

static __thread int mine = 42;
static int finished;
static int failures;

static void check(int is_good, const char *what)
{
	if (is_good)
		return;
	__atomic_fetch_add(&failures, 1, __ATOMIC_RELAXED);
	printf("FAIL %s (core %u)\n", what, (unsigned)libc_core());
}

/* Blocks of all sizes, each filled with its owner's mark and looked at again before it goes. */
static void use_heap(unsigned core)
{
	unsigned char *have[BLOCKS] = { 0 };
	size_t bytes[BLOCKS];
	unsigned seed = core;

	for (unsigned turn = 0; turn < TURNS; turn++) {
		unsigned i = (unsigned)rand_r(&seed) % BLOCKS;

		if (have[i]) {
			check(have[i][0] == core + 1 && have[i][bytes[i] - 1] == core + 1, "a block kept its content");
			if (turn % 3 == 0) {
				have[i] = realloc(have[i], bytes[i] * 2);
				check(have[i] && have[i][bytes[i] - 1] == core + 1, "realloc kept the content");
			}
			free(have[i]);
			have[i] = NULL;
			continue;
		}
		bytes[i] = 1 + (size_t)rand_r(&seed) % (turn % 50 ? 2000 : 300000);
		have[i] = malloc(bytes[i]);
		check(have[i] != NULL, "malloc");
		memset(have[i], (int)core + 1, bytes[i]);
	}
}

_Noreturn static void rest(void)
{
	for (;;)
		__builtin_ia32_pause();
}

static int work(void *arg)
{
	unsigned core = libc_core();

	check(arg == &finished, "a core gets its argument");
	check(mine == 42, "thread-local storage is as it was linked");
	mine = (int)core;
	use_heap(core);
	errno = (int)core;
	check(core > 0 && core < CORES, "a core knows its number");
	for (int i = 0; i < LINES; i++)
		printf("core %u says line %d of %d\n", core, i, LINES);
	check(mine == (int)core, "thread-local storage is a core's own");
	check(errno == (int)core, "errno is a core's own");
	__atomic_fetch_add(&finished, 1, __ATOMIC_RELEASE);
	rest();
}

/* Every line is whole: one after another, none inside another. */
static void check_lines(void)
{
	unsigned count = 0, core, line;
	char *at = linux_console, *next;

	linux_console[linux_console_bytes] = 0;
	for (; (next = strchr(at, '\n')); at = next + 1) {
		int used = 0;

		*next = 0;
		if (sscanf(at, "core %u says line %u of 200%n", &core, &line, &used) == 2 && at + used == next)
			count++;
		*next = '\n';
	}
	check(count == LINES * (CORES - 1), "all lines are whole");
}

static void check_time(void)
{
	struct timespec a, b, real;
	unsigned entries = linux_entries;

	check(!clock_gettime(CLOCK_MONOTONIC, &a) && !clock_gettime(CLOCK_MONOTONIC, &b), "clock_gettime");
	check(b.tv_sec > a.tv_sec || (b.tv_sec == a.tv_sec && b.tv_nsec >= a.tv_nsec), "time does not go back");
	check(!clock_gettime(CLOCK_REALTIME, &real) && real.tv_sec - b.tv_sec >= 1000000000, "the time of day");
	check(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a) == -1 && errno == EINVAL, "no CPU time");
	check(entries == linux_entries, "reading a clock does not enter ring 0");
}

static void check_memory(void)
{
	void *volatile too_much; /* or clang knows that nobody looks at the block, and leaves it out */
	char *at = mmap(NULL, 10000, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	check(at != MAP_FAILED && at[0] == 0 && at[9999] == 0, "mmap is zero");
	check(mprotect(at, 4096, PROT_READ | PROT_WRITE | PROT_EXEC) == -1 && errno == EACCES, "W+X is refused");
	check(mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED,
	      "X is refused");
	check(mmap(NULL, 1ul << 40, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED && errno == ENOMEM,
	      "more than there is");
	check(!munmap(at, 10000), "munmap");
	check(munmap((void *)0x1000, 4096) == -1, "munmap of what is not ours");
	too_much = malloc(1ul << 40);
	check(!too_much, "malloc of more than there is");
}

static void *never(void *arg)
{
	return arg;
}

static void check_absent(void)
{
	unsigned before = linux_console_bytes;
	pthread_t thread;

	check(open("/etc/passwd", O_RDONLY) == -1 && errno == ENOENT, "the host gave no files");
	check(unlink("/etc/passwd") == -1 && errno == ENOSYS, "nothing can be removed");
	check(unlink("/etc/group") == -1, "nothing can be removed");
	linux_console[linux_console_bytes] = 0;
	check(!strcmp(linux_console + before, "ix: system call unlink is not served\n"), "said once, by name");
	check(pthread_create(&thread, NULL, never, NULL) == EAGAIN, "there are no threads");
	check(write(0, "x", 1) == -1 && errno == EBADF, "descriptor 0 is not the console");
}

static void check_random(void)
{
	unsigned char a[37] = { 0 }, b[37] = { 0 };
	ssize_t n = getrandom(a, sizeof(a), 0);

	if (n == -1 && errno == ENOSYS)
		return; /* a processor without RDRAND */
	check(n == sizeof(a) && getrandom(b, sizeof(b), 0) == sizeof(b) && memcmp(a, b, sizeof(a)), "getrandom");
}

int main(void)
{
	check_time();
	check_memory();
	check_random();
	check_absent();
	for (uint32_t i = 1; i < CORES; i++)
		check(libc_core_start(i, work, &finished) == 0, "a core starts");
	check(libc_core_start(1, work, &finished) == IX_IN_USE, "a core starts once");
	check(libc_core_start(CORES, work, &finished) == IX_BAD_CALL, "there is no such core");
	use_heap(0);
	while (__atomic_load_n(&finished, __ATOMIC_ACQUIRE) < CORES - 1)
		__builtin_ia32_pause();
	check_lines();
	return failures ? 1 : 0;
}
