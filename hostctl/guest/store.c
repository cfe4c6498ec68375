/* SPDX-License-Identifier: MIT */
/* Records on disk: written beside and renamed, so that at each moment one of them, whole, is there. */
#include "hostctl/base/name.h"
#include "hostctl/base/paths.h"
#include "hostctl/guest/guest.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define RECORD "guest.json"
#define CHUNK_BYTES (256u << 10)
#define FOLDERS_OPEN 8 /* at once, while a folder is removed */
#define LOCK_POLL_MS 20u

static int os_error(struct err *err, const char *path)
{
	return err_set(err, STATUS_MACHINE, "%s: %s", path, strerror(errno));
}

/* The folder of @name and what is in it; fine if they are there. */
static int make_folders(const char *name, struct err *err)
{
	static const char *const inside[] = { NULL, "files", "secrets" };
	int result = mkdir(PATHS_GUESTS, 0711);

	if (result != 0 && errno != EEXIST)
		return os_error(err, PATHS_GUESTS);
	for (unsigned i = 0; i < 3; i++) {
		char *path = paths_of_guest(PATHS_GUESTS, name, inside[i]);

		result = mkdir(path, i == 2 ? 0711 : 0755);
		if (result != 0 && errno != EEXIST)
			os_error(err, path);
		free(path);
		if (err->status != 0)
			return -1;
	}
	return 0;
}

/* All that can be read from @from, into @to. */
static int copy(int from, int to, uint64_t max_bytes, const char *path, struct err *err)
{
	char *chunk = malloc(CHUNK_BYTES);
	uint64_t done = 0;
	ssize_t n = 0;

	if (chunk == NULL)
		abort();
	while ((n = read(from, chunk, CHUNK_BYTES)) > 0) {
		done += (uint64_t)n;
		if (done > max_bytes || write(to, chunk, (size_t)n) != n)
			break;
	}
	free(chunk);
	if (done > max_bytes)
		return err_set(err, STATUS_DATA, "%s is larger than %llu bytes", path, (unsigned long long)max_bytes);
	return n == 0 ? 0 : os_error(err, path);
}

/* Gives the new file its name, and the folder the time to remember it. */
static int settle(int fd, const char *fresh, const char *path, struct err *err)
{
	char *folder = strdup(path);
	int at;

	if (folder == NULL)
		abort();
	*strrchr(folder, '/') = '\0';
	if (fsync(fd) != 0 || rename(fresh, path) != 0) {
		free(folder);
		return os_error(err, path);
	}
	at = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (at >= 0) {
		fsync(at);
		close(at);
	}
	free(folder);
	return 0;
}

int guest_put_file(const char *name, const char *file, int from, uint64_t max_bytes, struct err *err)
{
	char *path, *fresh;
	int result = -1, fd;

	if (make_folders(name, err) != 0)
		return -1;
	path = paths_of_guest(PATHS_GUESTS, name, file);
	if (asprintf(&fresh, "%s.new", path) < 0)
		abort();
	unlink(fresh);
	fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0) {
		os_error(err, fresh);
	} else {
		if (copy(from, fd, max_bytes, path, err) == 0)
			result = settle(fd, fresh, path, err);
		close(fd);
		if (result != 0)
			unlink(fresh);
	}
	free(fresh);
	free(path);
	return result;
}

int guest_save(const struct guest *g, struct err *err)
{
	json_t *o = guest_to_json(g);
	char *path = paths_of_guest(PATHS_GUESTS, g->name, RECORD), *fresh;
	int fd, result = -1;

	if (asprintf(&fresh, "%s.new", path) < 0)
		abort();
	if (make_folders(g->name, err) == 0) {
		fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (fd < 0 || json_dumpfd(o, fd, JSON_INDENT(1)) != 0)
			os_error(err, fresh);
		else
			result = settle(fd, fresh, path, err);
		if (fd >= 0)
			close(fd);
	}
	json_decref(o);
	free(fresh);
	free(path);
	return result;
}

int guest_load(struct guest *out, const char *name, struct err *err)
{
	char *path;
	json_error_t why;
	json_t *o;
	int fd, result;

	memset(out, 0, sizeof(*out));
	if (name_check(name, err) != 0)
		return -1;
	path = paths_of_guest(PATHS_GUESTS, name, RECORD);
	fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0) {
		result = errno == ENOENT ? err_set(err, STATUS_USAGE, "there is no guest '%s'", name)
					 : os_error(err, path);
		free(path);
		return result;
	}
	o = json_loadfd(fd, JSON_REJECT_DUPLICATES, &why);
	close(fd);
	if (o == NULL)
		result = err_set(err, STATUS_DATA, "%s:%d: %s", path, why.line, why.text);
	else
		result = guest_from_json(out, o, err);
	if (result == 0 && strcmp(out->name, name) != 0)
		result = err_set(err, STATUS_DATA, "%s is the record of '%s'", path, out->name);
	json_decref(o);
	free(path);
	return result;
}

bool guest_exists(const char *name)
{
	char *path = paths_of_guest(PATHS_GUESTS, name, RECORD);
	bool exists = access(path, F_OK) == 0;

	free(path);
	return exists;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *where)
{
	(void)st;
	(void)kind;
	(void)where;
	return remove(path);
}

/* Not FTW_MOUNT: on overlayfs, as in a container, files and folders say that they are on different devices. */
int guest_remove(const char *name, struct err *err)
{
	char *path = paths_of_guest(PATHS_GUESTS, name, NULL);
	int result = 0;

	if (nftw(path, remove_one, FOLDERS_OPEN, FTW_DEPTH | FTW_PHYS) != 0 && errno != ENOENT)
		result = os_error(err, path);
	free(path);
	return result;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

int guest_list(json_t **out, struct err *err)
{
	struct dirent **found = NULL;
	int count = scandir(PATHS_GUESTS, &found, NULL, by_name);
	struct err not_a_name = { 0 };

	*out = json_array();
	if (count < 0)
		return errno == ENOENT ? 0 : os_error(err, PATHS_GUESTS);
	for (int i = 0; i < count; i++) {
		if (name_check(found[i]->d_name, &not_a_name) == 0 && guest_exists(found[i]->d_name))
			json_array_append_new(*out, json_string(found[i]->d_name));
		err_fini(&not_a_name);
		free(found[i]);
	}
	free(found);
	return 0;
}

int guest_lock(const char *name, unsigned timeout_s, struct err *err)
{
	char *path;
	int fd;

	if (mkdir(PATHS_RUN, 0755) != 0 && errno != EEXIST)
		return os_error(err, PATHS_RUN);
	if (asprintf(&path, PATHS_RUN "/%s.lock", name) < 0)
		abort();
	fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		os_error(err, path);
	for (unsigned waited = 0; fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0; waited += LOCK_POLL_MS) {
		if (errno != EWOULDBLOCK || waited >= timeout_s * 1000) {
			if (errno == EWOULDBLOCK)
				err_set(err, STATUS_MACHINE, "another request is busy with '%s'; try again", name);
			else
				os_error(err, path);
			close(fd);
			fd = -1;
			break;
		}
		nanosleep(&(struct timespec){ 0, LOCK_POLL_MS * 1000000l }, NULL);
	}
	free(path);
	return fd;
}
