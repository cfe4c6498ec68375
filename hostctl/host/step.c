/* SPDX-License-Identifier: MIT */
/* Programs, files and waiting, in the words that setup, status and teardown use. */
#include "hostctl/host/step.h"
#include "hostctl/base/blob.h"
#include "hostctl/base/exec.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define POLL_MS 20u
#define TEXT_MAX (1u << 20)

int step_run(char **out, struct err *err, const char *const *argv)
{
	return exec_ok(argv, STEP_TIMEOUT_S, out, err);
}

bool step_try(const char *const *argv)
{
	struct err ignored = { 0 };
	bool is_good = exec_ok(argv, STEP_TIMEOUT_S, NULL, &ignored) == 0;

	err_fini(&ignored);
	return is_good;
}

int step_folder(const char *path, mode_t mode, struct err *err)
{
	if ((mkdir(path, mode) != 0 && errno != EEXIST) || chmod(path, mode) != 0)
		return err_set(err, STATUS_MACHINE, "%s: %s", path, strerror(errno));
	return 0;
}

char *step_text(const char *path)
{
	struct blob b = { 0 };
	struct err ignored = { 0 };

	if (blob_read(&b, path, TEXT_MAX, &ignored) != 0) {
		err_fini(&ignored);
		return NULL;
	}
	blob_add(&b, "", 1);
	return (char *)b.data;
}

int step_write(const char *path, const char *text, struct err *err)
{
	struct blob b = { 0 };
	char *now = step_text(path);
	bool is_same = now != NULL && strcmp(now, text) == 0;
	int result = 0;

	free(now);
	if (is_same)
		return 0;
	blob_add(&b, text, strlen(text));
	result = blob_write(&b, path, err);
	blob_fini(&b);
	return result == 0 ? 1 : -1;
}

bool step_await(bool (*is_done)(void *arg), void *arg, unsigned seconds)
{
	for (unsigned ms = 0; ms < seconds * 1000; ms += POLL_MS) {
		if (is_done(arg))
			return true;
		nanosleep(&(struct timespec){ 0, POLL_MS * 1000000l }, NULL);
	}
	return is_done(arg);
}

bool step_is_systemd(void)
{
	return access("/run/systemd/system", F_OK) == 0;
}
