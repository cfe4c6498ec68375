/* SPDX-License-Identifier: MIT */
/* What an application sees of its files and secrets: test/system/files.py passes them, and looks at the exit status. */
#include "lib/libc/libc.h"
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define BIG_BYTES 10000 /* byte i is (i * 7 + i / 256) & 255, as files.py makes it */
#define FILES_OPEN_MAX 64

static unsigned failures;

static void expect(bool holds, const char *what)
{
	if (holds)
		return;
	failures++;
	printf("FAIL %s (errno %d)\n", what, errno);
}
#define EXPECT(holds) expect((holds), #holds)

static bool is_big(const unsigned char *data, size_t from, size_t bytes)
{
	for (size_t i = from; i < from + bytes; i++)
		if (data[i - from] != (unsigned char)(i * 7 + i / 256))
			return false;
	return true;
}

static void test_stdio(void)
{
	char line[64] = "";
	FILE *f = fopen("/secrets/key", "re");

	EXPECT(f && fgets(line, sizeof(line), f) && strcmp(line, "first line\n") == 0);
	EXPECT(f && fgets(line, sizeof(line), f) && strcmp(line, "second") == 0);
	EXPECT(f && !fgets(line, sizeof(line), f) && feof(f));
	EXPECT(f && fseek(f, 6, SEEK_SET) == 0 && fgetc(f) == 'l' && fclose(f) == 0);
	f = fopen("/etc/motd", "r"); /* of the image */
	EXPECT(f && fgets(line, sizeof(line), f) && strcmp(line, "hello from the image\n") == 0);
	if (f)
		(void)fclose(f);
}

static void test_sizes(void)
{
	static unsigned char data[BIG_BYTES + 1];
	struct stat st;
	int fd = open("/files/empty", O_RDONLY);

	EXPECT(fd >= 3 && read(fd, data, 1) == 0 && fstat(fd, &st) == 0 && st.st_size == 0 && close(fd) == 0);
	EXPECT(close(fd) == -1 && errno == EBADF);
	fd = open("/files/one", O_RDONLY);
	EXPECT(read(fd, data, 100) == 1 && data[0] == '1' && read(fd, data, 100) == 0 && close(fd) == 0);
	fd = openat(AT_FDCWD, "/files/big", O_RDONLY | O_CLOEXEC);
	EXPECT(read(fd, data, sizeof(data)) == BIG_BYTES && is_big(data, 0, BIG_BYTES));
	EXPECT(pread(fd, data, 100, 5000) == 100 && is_big(data, 5000, 100));
	EXPECT(pread(fd, data, 100, BIG_BYTES - 7) == 7 && pread(fd, data, 1, BIG_BYTES) == 0);
	EXPECT(lseek(fd, -5, SEEK_END) == BIG_BYTES - 5 && lseek(fd, -1, SEEK_SET) == -1 && errno == EINVAL);
	EXPECT(readv(fd, (struct iovec[]){ { data, 2 }, { data + 10, 0 }, { data + 20, 100 } }, 3) == 5);
	EXPECT(is_big(data, BIG_BYTES - 5, 2) && is_big(data + 20, BIG_BYTES - 3, 3));
	EXPECT(stat("/files/big", &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 0777) == 0444);
	EXPECT(stat("/secrets/key", &st) == 0 && (st.st_mode & 0777) == 0400 && stat("/files", &st) == 0 &&
	       S_ISDIR(st.st_mode));
	EXPECT(close(fd) == 0);
}

static void test_map(void)
{
	int fd = open("/files/big", O_RDONLY);
	unsigned char *p = mmap(NULL, BIG_BYTES, PROT_READ, MAP_PRIVATE, fd, 0), *q;

	EXPECT(p != MAP_FAILED && is_big(p, 0, BIG_BYTES) && p[BIG_BYTES] == 0);
	q = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 4096);
	EXPECT(q != MAP_FAILED && is_big(q, 4096, 4096));
	if (q != MAP_FAILED)
		q[0] ^= 1; /* a copy: the file stays as it is */
	EXPECT(is_big(p, 0, BIG_BYTES) && munmap(q, 4096) == 0 && munmap(p, BIG_BYTES) == 0);
	EXPECT(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED && errno == EACCES);
	EXPECT(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 100) == MAP_FAILED && errno == EINVAL);
	EXPECT(mmap(NULL, 4 * 4096, PROT_READ, MAP_PRIVATE, fd, 0) == MAP_FAILED && errno == EINVAL);
	EXPECT(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, 60, 0) == MAP_FAILED && errno == EBADF);
	close(fd);
}

static void test_refused(void)
{
	int fds[FILES_OPEN_MAX + 1], n = 0;

	EXPECT(open("/files/none", O_RDONLY) == -1 && errno == ENOENT);
	EXPECT(open("files/big", O_RDONLY) == -1 && errno == ENOENT);
	EXPECT(open("/files/big/", O_RDONLY) == -1 && errno == ENOENT);
	EXPECT(open("/files/big", O_RDWR) == -1 && errno == EROFS);
	EXPECT(open("/files/new", O_WRONLY | O_CREAT, 0600) == -1 && errno == EROFS);
	EXPECT(!fopen("/files/big", "w") && errno == EROFS);
	EXPECT(open("/files", O_RDONLY) == -1 && errno == EACCES);
	EXPECT(access("/files/big", R_OK) == 0 && access("/files/big", W_OK) == -1 && errno == EROFS);
	EXPECT(access("/secrets/none", F_OK) == -1 && errno == ENOENT);
	EXPECT(read(63, fds, 1) == -1 && errno == EBADF && read(-1, fds, 1) == -1 && errno == EBADF);
	EXPECT(write(3, "x", 1) == -1 && errno == EBADF);
	while (n <= FILES_OPEN_MAX && (fds[n] = open("/files/one", O_RDONLY)) >= 0)
		n++;
	EXPECT(n == FILES_OPEN_MAX && errno == EMFILE);
	while (n > 0)
		EXPECT(close(fds[--n]) == 0);
}

static int other_core(void *arg)
{
	char byte = 0;
	int fd = open("/files/one", O_RDONLY);

	EXPECT(read(fd, &byte, 1) == 1 && byte == '1' && close(fd) == 0);
	__atomic_store_n((bool *)arg, true, __ATOMIC_RELEASE);
	while (libc_info()->abi_version)
		ix_entry(IX_RUN_IO, 0, 0, 0);
	return 1;
}

int main(int argc, char **argv)
{
	static bool is_done;

	if (argc > 1 && strcmp(argv[1], "write") == 0) { /* the walls: ring 3 may not */
		void *p = mmap(NULL, 1, PROT_READ, MAP_PRIVATE, open("/files/one", O_RDONLY), 0);

		*(volatile char *)p = 'x';
		return 1;
	}
	test_stdio();
	test_sizes();
	test_map();
	test_refused();
	EXPECT(libc_info()->core_count > 1 && libc_core_start(1, other_core, &is_done) == 0);
	while (!__atomic_load_n(&is_done, __ATOMIC_ACQUIRE))
		__builtin_ia32_pause();
	printf("files: %u failures\n", failures);
	return failures ? 1 : 42;
}
