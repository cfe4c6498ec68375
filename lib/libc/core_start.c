/* SPDX-License-Identifier: MIT */
/*
 * The only file that looks inside musl: it gives a further core a thread descriptor as pthread_create
 * would [musl src/thread/pthread_create.c], because a core is a thread that no clone() made.
 */
#include "lib/libc/libc.h"
#include <stdio_impl.h>
#include <pthread_impl.h>
#include <sys/mman.h>

struct core_start {
	struct pthread *self;
	int (*fn)(void *);
	void *arg;
};

/* core_entry.S */
void libc_core_entry(void);
_Noreturn void libc_core_main(struct core_start *start);

/* As pthread_create.c does: NULL unless the program uses the stream, or the keys. */
static FILE *volatile no_file;
static volatile size_t no_tsd;
static void *no_tsd_main[1];
weak_alias(no_file, __stdin_used);
weak_alias(no_file, __stdout_used);
weak_alias(no_file, __stderr_used);
weak_alias(no_tsd, __pthread_tsd_size);
weak_alias(no_tsd_main, __pthread_tsd_main);

static void lock_stream(FILE *f)
{
	if (f && f->lock < 0)
		f->lock = 0;
}

/* From one thread to several: streams open so far get their locks, malloc and the rest take theirs. */
static void go_threaded(void)
{
	/* A pthread_create() that was refused has turned the locks off again, and left threaded on. */
	libc.need_locks = 1;
	if (libc.threaded)
		return;
	for (FILE *f = *__ofl_lock(); f; f = f->next)
		lock_stream(f);
	__ofl_unlock();
	lock_stream(__stdin_used);
	lock_stream(__stdout_used);
	lock_stream(__stderr_used);
	__pthread_self()->tsd = (void **)__pthread_tsd_main;
	libc.threaded = 1;
}

/* [ thread-local storage and descriptor | core_start | thread-specific data ], zero at first. */
static struct core_start *new_thread(uint32_t core)
{
	struct pthread *self = __pthread_self(), *td;
	size_t tls = (libc.tls_size + 15) & ~(size_t)15;
	size_t bytes = tls + sizeof(struct core_start) + __pthread_tsd_size;
	unsigned char *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0);
	struct core_start *start;

	if (map == MAP_FAILED)
		return NULL;
	td = __copy_tls(map);
	start = (struct core_start *)(void *)(map + tls);
	td->self = td;
	td->map_base = map;
	td->map_size = bytes;
	td->stack = (void *)(IX_STACK_VA + core * IX_STACK_STRIDE + IX_STACK_BYTES);
	td->stack_size = IX_STACK_BYTES;
	td->tid = (int)core + 1;
	td->tsd = (void **)(void *)(start + 1);
	td->locale = &libc.global_locale;
	td->detach_state = DT_JOINABLE;
	td->robust_list.head = &td->robust_list.head;
	td->canary = self->canary;
	td->sysinfo = self->sysinfo;
	start->self = td;
	return start;
}

int libc_core_start(uint32_t core, int (*fn)(void *), void *arg)
{
	struct pthread *self = __pthread_self();
	struct core_start *start;
	long err;

	go_threaded();
	start = new_thread(core);
	if (!start)
		return IX_NO_MEMORY;
	start->fn = fn;
	start->arg = arg;

	__tl_lock();
	libc.threads_minus_1++;
	start->self->next = self->next;
	start->self->prev = self;
	self->next->prev = start->self;
	self->next = start->self;
	__tl_unlock();

	err = ix_entry(IX_START, core, (uintptr_t)libc_core_entry, (uintptr_t)start);
	if (!err)
		return 0;
	__tl_lock();
	libc.threads_minus_1--;
	start->self->next->prev = start->self->prev;
	start->self->prev->next = start->self->next;
	__tl_unlock();
	munmap(start->self->map_base, start->self->map_size);
	return (int)err;
}

void libc_core_main(struct core_start *start)
{
	if (__set_thread_area(TP_ADJ(start->self)) < 0)
		a_crash();
	exit(start->fn(start->arg));
}
