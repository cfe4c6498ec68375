/* SPDX-License-Identifier: MIT */
/* The image that a verb is told of: a file, or a folder that is built first. */
#include "hostctl/image/image.h"
#include "hostctl/ixctl/ixctl.h"
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define IMAGE_BYTES_MAX (1ull << 32)

static bool is_source(const char *path)
{
	size_t n = strlen(path);
	struct stat st;

	return (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) || (n > 5 && strcmp(path + n - 5, ".yaml") == 0);
}

int target_load(struct image **out, const char *target, const char *kernel, char **app, struct err *err)
{
	char *apps = path_in_build("apps");
	struct image_source from = { .folder = target, .kernel = kernel, .apps = apps };
	struct blob bytes;
	int result = is_source(target) ? image_build(&from, &bytes, NULL, app, err)
				       : blob_read(&bytes, target, IMAGE_BYTES_MAX, err);

	if (result == 0)
		result = image_load(out, &bytes, target, err);
	free(apps);
	return result;
}

int target_open(const char *target, struct err *err)
{
	char *kernel = path_in_build("kernel.elf");
	struct image *image = NULL;
	int fd = target_load(&image, target, kernel, NULL, err) == 0 ? blob_memfd(&image->file, "image", err) : -1;

	image_free(image);
	free(kernel);
	return fd;
}
