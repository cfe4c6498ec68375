/* SPDX-License-Identifier: MIT */
/* image.yaml: what is read and found good is compiled, and the compiled manifest must be one that the kernel takes. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include "hostctl/image/image.h"
#include "hostctl/image/source.h"
#include "kernel/conf/conf.h"
#include "test/fuzz/fuzz.h"

static const char *file(const uint8_t *data, size_t bytes)
{
	static char path[64];
	static int fd = -1;

	if (fd < 0)
		fd = memfd_create("image.yaml", 0);
	FUZZ_CHECK(fd >= 0 && ftruncate(fd, 0) == 0 && pwrite(fd, data, bytes, 0) == (ssize_t)bytes);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return path;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static struct conf conf;
	const char *path = file(data, bytes);
	struct err err = { 0 };
	struct blob part = { 0 };
	struct source *s;
	char error[160];

	if (source_read(&s, path, &err)) {
		FUZZ_CHECK(err.text && err.text[0]);
		err_fini(&err);
		return 0;
	}
	if (!source_check(s, path, &err) && !source_compile(s, path, &part, &err))
		FUZZ_CHECK(!conf_load(&conf, part.data, part.bytes, "", error));
	err_fini(&err);
	blob_fini(&part);
	source_free(s);
	return 0;
}
