/* SPDX-License-Identifier: MIT */
/* Crashes on disk: made beside the others and renamed, the oldest thrown away. They hold an application's memory: root's alone. */
#include "hostctl/ixd/crash.h"
#include "hostctl/base/paths.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FRESH "new" /* sorts behind all stamps, which begin with a digit */

/* PATHS_LOG/NAME.crash[/STAMP[/FILE]] on the heap. */
static char *path_of(const char *name, const char *stamp, const char *file)
{
	char *path;

	if (asprintf(&path, PATHS_LOG "/%s.crash%s%s%s%s", name, stamp ? "/" : "", stamp ? stamp : "", file ? "/" : "",
		     file ? file : "") < 0)
		abort();
	return path;
}

static void remove_one(const char *name, const char *stamp)
{
	static const char *const files[] = { CRASH_REPORT, CRASH_CORE };
	char *folder = path_of(name, stamp, NULL);

	for (unsigned i = 0; i < 2; i++) {
		char *path = path_of(name, stamp, files[i]);

		unlink(path);
		free(path);
	}
	rmdir(folder);
	free(folder);
}

static int is_stamp(const struct dirent *d)
{
	return d->d_name[0] >= '0' && d->d_name[0] <= '9';
}

static int newest_first(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*b)->d_name, (*a)->d_name);
}

/* Those that are kept. Return: how many; *@out is freed by free_list(). */
static int list(const char *name, struct dirent ***out)
{
	char *folder = path_of(name, NULL, NULL);
	int count = scandir(folder, out, is_stamp, newest_first);

	free(folder);
	if (count < 0)
		*out = NULL;
	return count < 0 ? 0 : count;
}

static void free_list(struct dirent **all, int count)
{
	for (int i = 0; i < count; i++)
		free(all[i]);
	free(all);
}

char *crash_store_begin(const char *name, struct err *err)
{
	char *folder = path_of(name, NULL, NULL), *fresh = path_of(name, FRESH, NULL);

	remove_one(name, FRESH); /* of somebody who was killed at it */
	if ((mkdir(folder, 0700) != 0 && errno != EEXIST) || mkdir(fresh, 0700) != 0) {
		err_set(err, STATUS_MACHINE, "%s: %s", fresh, strerror(errno));
		free(fresh);
		fresh = NULL;
	}
	free(folder);
	return fresh;
}

int crash_store_end(const char *name, const char *stamp, struct err *err)
{
	char *fresh = path_of(name, FRESH, NULL), *path = path_of(name, stamp, NULL);
	struct dirent **all;
	int result = rename(fresh, path) == 0 ? 0 : err_set(err, STATUS_MACHINE, "%s: %s", path, strerror(errno)),
	    count;

	count = list(name, &all);
	for (int i = CRASH_KEPT; i < count; i++)
		remove_one(name, all[i]->d_name);
	free_list(all, count);
	free(fresh);
	free(path);
	return result;
}

bool crash_store_has(const char *name, const char *tail)
{
	size_t bytes = strlen(tail);
	struct dirent **all;
	int count = list(name, &all);
	bool has = false;

	for (int i = 0; i < count; i++) {
		size_t n = strlen(all[i]->d_name);

		has |= n >= bytes && strcmp(all[i]->d_name + n - bytes, tail) == 0;
	}
	free_list(all, count);
	return has;
}

char *crash_store_newest(const char *name)
{
	struct dirent **all;
	int count = list(name, &all);
	char *stamp = count > 0 ? strdup(all[0]->d_name) : NULL;

	free_list(all, count);
	return stamp;
}

int crash_store_open(const char *name, const char *stamp, const char *file)
{
	char *path = path_of(name, stamp, file);
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	free(path);
	return fd;
}
