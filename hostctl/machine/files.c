/* SPDX-License-Identifier: MIT */
/* Files and secrets of a run: opened when they are named, passed to QEMU as descriptors under opt/ix/. */
#include "hostctl/machine/argv.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_BYTES_MAX (64ll << 20)

/* It becomes a word of QEMU's with commas, and a path in the guest. */
static int set_name(struct machine_file *f, const char *name, size_t bytes, struct err *err)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

	if (bytes == 0 || bytes >= sizeof(f->name) || *name == '.' || strspn(name, plain) < bytes)
		return err_set(err, STATUS_USAGE,
			       "a file's name is made of letters, digits, '.', '_' and '-', not '.' first, at most "
			       "%zu; got %.60s",
			       sizeof(f->name) - 1, name);
	memcpy(f->name, name, bytes);
	f->name[bytes] = '\0';
	return 0;
}

int machine_add_file(struct machine *m, const char *text, bool is_secret, struct err *err)
{
	const char *equals = strchr(text, '='), *path = equals != NULL ? equals + 1 : text;
	const char *name = equals != NULL ? text : (strrchr(text, '/') != NULL ? strrchr(text, '/') + 1 : text);
	struct machine_file *f = &m->files[m->file_count];
	struct stat st;

	if (m->file_count == MACHINE_FILES_MAX)
		return err_set(err, STATUS_USAGE, "at most %u files and secrets are taken", MACHINE_FILES_MAX);
	if (set_name(f, name, equals != NULL ? (size_t)(equals - name) : strlen(name), err) != 0)
		return -1;
	for (unsigned i = 0; i < m->file_count; i++)
		if (strcmp(m->files[i].name, f->name) == 0)
			return err_set(err, STATUS_USAGE, "file %s is said twice", f->name);
	f->is_secret = is_secret;
	f->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (f->fd < 0)
		return err_set(err, STATUS_USAGE, "%s: %s", path, strerror(errno));
	m->file_count++;
	if (fstat(f->fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size > FILE_BYTES_MAX)
		return err_set(err, STATUS_USAGE, "%s: expected a regular file of at most %lld MiB", path,
			       FILE_BYTES_MAX >> 20);
	return 0;
}

int files_add(struct argv *a, const struct machine *m, struct err *err)
{
	for (unsigned i = 0; i < m->file_count; i++) {
		int fd = fcntl(m->files[i].fd, F_DUPFD_CLOEXEC, 3);

		if (fd < 0)
			return err_set(err, STATUS_MACHINE, "file %s: %s", m->files[i].name, strerror(errno));
		argv_add(a, "-fw_cfg", "name=opt/ix/%s/%s,file=/proc/self/fd/%d",
			 m->files[i].is_secret ? "secret" : "file", m->files[i].name, argv_add_fd(a, fd));
	}
	return 0;
}

uint64_t machine_files_room(const struct machine *m)
{
	uint64_t room = 0;

	for (unsigned i = 0; i < m->file_count; i++) {
		struct stat st;

		if (fstat(m->files[i].fd, &st) == 0)
			room += image_file_room((uint64_t)st.st_size);
	}
	return room;
}

void machine_close_files(struct machine *m)
{
	while (m->file_count > 0)
		close(m->files[--m->file_count].fd);
}
