/* SPDX-License-Identifier: MIT */
/*
 * brk and anonymous mmap inside the partition's heap, all of which is mapped read-write and no-execute
 * from the start: protection is only checked, never changed, and execution is refused.
 */
#include "lib/libc/libc.h"
#include "lib/libc/pages.h"
#include "lib/libc/serve.h"
#include <errno.h>
#include <stdbool.h>
#include <sys/mman.h>

static struct pages heap;
static bool is_ready;
static bool is_locked;

/* Held for one search of the bitmap and never across an entry into ring 0, so spinning is short. */
static void lock_heap(void)
{
	while (__atomic_test_and_set(&is_locked, __ATOMIC_ACQUIRE))
		__builtin_ia32_pause();
	if (!is_ready) {
		const struct ix_info *info = libc_info();

		pages_init(&heap, (void *)info->heap_va, info->heap_bytes);
		is_ready = true;
	}
}

static void unlock_heap(void)
{
	__atomic_clear(&is_locked, __ATOMIC_RELEASE);
}

/* Pages that hold @bytes; 0 if there is no such number. */
static size_t to_pages(long bytes)
{
	return bytes > 0 ? ((size_t)bytes + PAGE_BYTES - 1) / PAGE_BYTES : 0;
}

long serve_brk(const long *a)
{
	uintptr_t end;

	lock_heap();
	end = pages_brk(&heap, (uintptr_t)a[0]);
	unlock_heap();
	return (long)end;
}

long serve_mmap(const long *a)
{
	void *at;

	if (!to_pages(a[1]) || (a[3] & MAP_FIXED))
		return -EINVAL;
	if (a[2] & PROT_EXEC)
		return -EACCES;
	if (!(a[3] & MAP_ANONYMOUS)) {
		if ((a[3] & MAP_TYPE) != MAP_PRIVATE && (a[2] & PROT_WRITE))
			return -EACCES;
		return files_map(a[4], (uint64_t)a[5], (uint64_t)a[1], a[2] & PROT_WRITE);
	}
	lock_heap();
	at = pages_take(&heap, to_pages(a[1]));
	unlock_heap();
	return at ? (long)(uintptr_t)at : -ENOMEM;
}

long serve_munmap(const long *a)
{
	int err;

	if (files_is_mapped((const void *)a[0]))
		return 0;
	lock_heap();
	err = pages_give(&heap, (const void *)a[0], to_pages(a[1]));
	unlock_heap();
	return err ? -EINVAL : 0;
}

long serve_mprotect(const long *a)
{
	return a[2] & PROT_EXEC ? -EACCES : 0;
}

/* In place or not at all: musl's realloc copies when it must. */
long serve_mremap(const long *a)
{
	int err;

	lock_heap();
	err = pages_resize(&heap, (void *)a[0], to_pages(a[1]), to_pages(a[2]));
	unlock_heap();
	return err ? -ENOMEM : a[0];
}
