/* SPDX-License-Identifier: MIT */
/*
 * The RAM of a guest that runs: the file without a name that QEMU has it in, because the switch maps it, too. Reading it asks
 * nobody and stops nobody, neither QEMU nor the guest. [QEMU hw/i386/pc_q35.c: what lies below 4 GiB]
 */
#include "hostctl/domain/domain.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MEMFD "/memfd:memory-backend-memfd"
#define LOW_BYTES_MAX 0xb0000000ull /* q35: up to here all RAM is below 4 GiB */
#define LOW_BYTES_SPLIT 0x80000000ull
#define HIGH_PA 0x100000000ull
#define CMDLINE_BYTES 8192

static uint64_t low_bytes(uint64_t ram_bytes)
{
	return ram_bytes >= LOW_BYTES_MAX ? LOW_BYTES_SPLIT : ram_bytes;
}

uint64_t domain_memory_end(uint64_t ram_bytes)
{
	uint64_t low = low_bytes(ram_bytes);

	return low == ram_bytes ? low : HIGH_PA + (ram_bytes - low);
}

int64_t domain_memory_at(uint64_t ram_bytes, uint64_t pa, uint64_t bytes)
{
	uint64_t low = low_bytes(ram_bytes), end = domain_memory_end(ram_bytes);

	if (bytes <= low && pa <= low - bytes)
		return (int64_t)pa;
	if (end > HIGH_PA && pa >= HIGH_PA && bytes <= end - HIGH_PA && pa <= end - bytes)
		return (int64_t)(pa - HIGH_PA + low);
	return -1;
}

/* A pid may have become somebody else's: libvirt tells QEMU "-name guest=NAME,...". */
static bool is_qemu_of(int32_t pid, const char *name)
{
	char *text = calloc(1, CMDLINE_BYTES + 1), *wanted, path[48];
	bool is_found = false;
	ssize_t n = -1;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (text == NULL || asprintf(&wanted, "guest=%s,", name) < 0)
		abort();
	if (fd >= 0) {
		n = read(fd, text, CMDLINE_BYTES);
		close(fd);
	}
	for (char *word = text; n > 0 && word < text + n && !is_found; word += strlen(word) + 1)
		is_found = strncmp(word, wanted, strlen(wanted)) == 0;
	free(wanted);
	free(text);
	return is_found;
}

/* Opens entry @number of the folder of descriptors @at if it is memory of @bytes; else -1. */
static int open_if_memory(int at, const char *number, uint64_t bytes)
{
	char target[sizeof(MEMFD)] = "";
	struct stat st;
	int fd;

	if (readlinkat(at, number, target, sizeof(target) - 1) < 0 || strcmp(target, MEMFD) != 0)
		return -1;
	fd = openat(at, number, O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || (uint64_t)st.st_size != bytes)) {
		close(fd);
		fd = -1;
	}
	return fd;
}

int domain_memory(int32_t pid, const char *name, uint64_t ram_bytes, struct err *err)
{
	char path[40];
	struct dirent *entry;
	DIR *folder;
	int fd = -1;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	folder = pid > 0 && is_qemu_of(pid, name) ? opendir(path) : NULL;
	if (folder == NULL)
		return err_set(err, STATUS_MACHINE, "QEMU of %s (process %d) is gone or may not be looked into", name,
			       pid);
	while (fd < 0 && (entry = readdir(folder)) != NULL)
		fd = open_if_memory(dirfd(folder), entry->d_name, ram_bytes);
	closedir(folder);
	return fd >= 0 ? fd
		       : err_set(err, STATUS_MACHINE, "QEMU of %s has no shared memory of %llu MiB", name,
				 (unsigned long long)(ram_bytes >> 20));
}
