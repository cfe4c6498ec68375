/* SPDX-License-Identifier: MIT */
/*
 * open, read and their kind over the files that ring 0 has laid out (kernel/abi/files.h): a table of descriptors above the
 * console's. Nothing can be written, made or listed; paths are absolute; a mapping that is only read is the file itself.
 */
#include "kernel/abi/files.h"
#include "lib/libc/libc.h"
#include "lib/libc/serve.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define FIRST 3
#define OPEN_MAX_FILES 64
#define PAGE_BYTES 4096ull

static struct open_file {
	const struct ix_file *file; /* NULL: free */
	uint64_t at;
} table[OPEN_MAX_FILES];
static bool is_locked;

/* Never held across an entry into ring 0. */
static void lock(void)
{
	while (__atomic_test_and_set(&is_locked, __ATOMIC_ACQUIRE))
		__builtin_ia32_pause();
}

static void unlock(void)
{
	__atomic_clear(&is_locked, __ATOMIC_RELEASE);
}

static const void *at(uint64_t offset)
{
	return (const void *)(uintptr_t)(IX_FILES_VA +
					 offset); // NOLINT(performance-no-int-to-ptr): where ring 0 put them
}

static const struct ix_file *find(const char *path)
{
	const struct ix_file *all = at(0);

	for (uint32_t i = 0; i < libc_info()->files; i++)
		if (strcmp(at(all[i].path), path) == 0)
			return &all[i];
	return NULL;
}

/* Whether @path is a folder: some file is below it. */
static bool is_folder(const char *path)
{
	const struct ix_file *all = at(0);
	size_t n = strlen(path);

	while (n > 0 && path[n - 1] == '/')
		n--;
	for (uint32_t i = 0; i < libc_info()->files; i++) {
		const char *is = at(all[i].path);

		if (strncmp(is, path, n) == 0 && is[n] == '/')
			return true;
	}
	return false;
}

/* Under the lock. NULL: not open. */
static struct open_file *of_descriptor(long fd)
{
	struct open_file *f = fd >= FIRST && fd < FIRST + OPEN_MAX_FILES ? &table[fd - FIRST] : NULL;

	return f && f->file ? f : NULL;
}

/* Its file, where it is read; NULL: not open. */
static const struct ix_file *file_of(long fd)
{
	const struct open_file *f;
	const struct ix_file *file;

	lock();
	f = of_descriptor(fd);
	file = f ? f->file : NULL;
	unlock();
	return file;
}

static long open_path(const char *path, long flags)
{
	const struct ix_file *file = find(path);
	long fd = -EMFILE;

	if (!file && is_folder(path))
		return flags & O_ACCMODE ? -EISDIR : -EACCES; /* folders cannot be read */
	if (!file)
		return flags & O_CREAT ? -EROFS : -ENOENT;
	if ((flags & O_CREAT) && (flags & O_EXCL))
		return -EEXIST;
	if ((flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC))
		return -EROFS;
	if (flags & O_DIRECTORY)
		return -ENOTDIR;
	lock();
	for (int i = 0; i < OPEN_MAX_FILES; i++) {
		if (table[i].file)
			continue;
		table[i].file = file;
		table[i].at = 0;
		fd = FIRST + i;
		break;
	}
	unlock();
	return fd;
}

long serve_open(const long *a)
{
	return open_path((const char *)a[0], a[1]);
}

long serve_openat(const long *a)
{
	return open_path((const char *)a[1], a[2]);
}

long serve_close(const long *a)
{
	struct open_file *f;

	if (a[0] >= 0 && a[0] < FIRST)
		return 0; /* the console cannot be taken away */
	lock();
	f = of_descriptor(a[0]);
	if (f)
		f->file = NULL;
	unlock();
	return f ? 0 : -EBADF;
}

/* What of @bytes at @from there is. */
static size_t there_is(const struct ix_file *file, uint64_t from, size_t bytes)
{
	if (from >= file->bytes)
		return 0;
	return bytes < file->bytes - from ? bytes : (size_t)(file->bytes - from);
}

/* Takes up to @bytes at the descriptor's place, which moves on. NULL: not open. */
static const char *take(long fd, size_t *bytes)
{
	const char *data = NULL;
	struct open_file *f;

	lock();
	f = of_descriptor(fd);
	if (f) {
		*bytes = there_is(f->file, f->at, *bytes);
		data = (const char *)at(f->file->at) + f->at;
		f->at += *bytes;
	}
	unlock();
	return data;
}

long serve_read(const long *a)
{
	size_t bytes = (size_t)a[2] <= LONG_MAX ? (size_t)a[2] : LONG_MAX;
	const char *data;

	if (a[0] == STDIN_FILENO)
		return 0;
	data = take(a[0], &bytes);
	if (!data)
		return -EBADF;
	memcpy((void *)a[1], data, bytes);
	return (long)bytes;
}

long serve_readv(const long *a)
{
	const struct iovec *iov = (const struct iovec *)a[1];
	size_t total = 0, bytes;
	const char *data;

	if (a[0] == STDIN_FILENO)
		return 0;
	if (a[2] < 0 || a[2] > IOV_MAX)
		return -EINVAL;
	for (long i = 0; i < a[2]; i++)
		if (__builtin_add_overflow(total, iov[i].iov_len, &total) || total > LONG_MAX)
			return -EINVAL;
	bytes = total;
	data = take(a[0], &bytes);
	if (!data)
		return -EBADF;
	total = bytes;
	for (long i = 0; i < a[2] && bytes; i++) {
		size_t n = iov[i].iov_len < bytes ? iov[i].iov_len : bytes;

		memcpy(iov[i].iov_base, data, n);
		data += n;
		bytes -= n;
	}
	return (long)total;
}

long serve_pread64(const long *a)
{
	const struct ix_file *file = file_of(a[0]);
	size_t n;

	if (!file)
		return a[0] >= 0 && a[0] < FIRST ? -ESPIPE : -EBADF;
	if (a[3] < 0)
		return -EINVAL;
	n = there_is(file, (uint64_t)a[3], (size_t)a[2]);
	if (n)
		memcpy((void *)a[1], (const char *)at(file->at) + a[3], n);
	return (long)n;
}

/* Under the lock. */
static long seek(struct open_file *f, long offset, long whence)
{
	long from = whence == SEEK_CUR ? (long)f->at : whence == SEEK_END ? (long)f->file->bytes : 0, to;

	if (whence != SEEK_SET && whence != SEEK_CUR && whence != SEEK_END)
		return -EINVAL;
	if (__builtin_add_overflow(from, offset, &to))
		return -EOVERFLOW;
	if (to < 0)
		return -EINVAL;
	f->at = (uint64_t)to;
	return to;
}

long serve_lseek(const long *a)
{
	struct open_file *f;
	long result = a[0] >= 0 && a[0] < FIRST ? -ESPIPE : -EBADF;

	lock();
	f = of_descriptor(a[0]);
	if (f)
		result = seek(f, a[1], a[2]);
	unlock();
	return result;
}

static long put_stat(struct stat *st, const struct ix_file *file)
{
	const struct ix_file *all = at(0);

	memset(st, 0, sizeof(*st));
	st->st_nlink = 1;
	st->st_blksize = PAGE_BYTES;
	st->st_mode = S_IFREG | (file->is_secret ? 0400 : 0444);
	st->st_ino = (ino_t)(file - all) + 1;
	st->st_size = (off_t)file->bytes;
	st->st_blocks = (blkcnt_t)((file->bytes + 511) / 512);
	return 0;
}

static long put_other(struct stat *st, mode_t mode)
{
	memset(st, 0, sizeof(*st));
	st->st_nlink = 1;
	st->st_blksize = PAGE_BYTES;
	st->st_mode = mode;
	return 0;
}

/* struct stat of musl is the one of Linux on this machine [musl arch/x86_64/bits/stat.h]. */
static long stat_path(const char *path, struct stat *st)
{
	const struct ix_file *file = find(path);

	if (file)
		return put_stat(st, file);
	return is_folder(path) ? put_other(st, S_IFDIR | 0555) : -ENOENT;
}

long serve_stat(const long *a)
{
	return stat_path((const char *)a[0], (struct stat *)a[1]);
}

long serve_fstat(const long *a)
{
	const struct ix_file *file = file_of(a[0]);

	if (file)
		return put_stat((struct stat *)a[1], file);
	return a[0] >= 0 && a[0] < FIRST ? put_other((struct stat *)a[1], S_IFCHR | 0620) : -EBADF;
}

long serve_newfstatat(const long *a)
{
	const long words[] = { a[0], a[2] };

	if ((a[3] & AT_EMPTY_PATH) && *(const char *)a[1] == '\0')
		return serve_fstat(words);
	return stat_path((const char *)a[1], (struct stat *)a[2]);
}

static long access_path(const char *path, long mode)
{
	if (!find(path) && !is_folder(path))
		return -ENOENT;
	if (mode & W_OK)
		return -EROFS;
	return mode & X_OK && find(path) ? -EACCES : 0;
}

long serve_access(const long *a)
{
	return access_path((const char *)a[0], a[1]);
}

long serve_faccessat(const long *a)
{
	return access_path((const char *)a[1], a[2]);
}

long serve_fcntl(const long *a)
{
	if ((a[0] < 0 || a[0] >= FIRST) && !file_of(a[0]))
		return -EBADF;
	switch (a[1]) {
	case F_GETFD:
	case F_SETFD:
	case F_SETFL:
		return 0;
	case F_GETFL:
		return a[0] == STDOUT_FILENO || a[0] == STDERR_FILENO ? O_WRONLY : O_RDONLY;
	default:
		return -EINVAL;
	}
}

long files_map(long fd, uint64_t offset, uint64_t bytes, bool is_written)
{
	const struct ix_file *file = file_of(fd);
	const long anonymous[] = { 0, (long)bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0 };
	uint64_t whole;
	long to;

	if (!file)
		return fd >= 0 && fd < FIRST ? -ENODEV : -EBADF;
	whole = (file->bytes + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
	if (offset % PAGE_BYTES || bytes > whole || offset > whole - bytes)
		return -EINVAL; /* there are no pages behind a file's last one that could be mapped */
	if (!is_written)
		return (long)(IX_FILES_VA + file->at + offset);
	to = serve_mmap(anonymous);
	if (to > 0 || to < -4095)
		memcpy((void *)to, at(file->at + offset),
		       bytes); // NOLINT(performance-no-int-to-ptr): an address as Linux returns it
	return to;
}

bool files_is_mapped(const void *address)
{
	uintptr_t va = (uintptr_t)address;

	return libc_info()->files && va >= IX_FILES_VA && va < IX_STACK_VA;
}
