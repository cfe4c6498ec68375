/* SPDX-License-Identifier: MIT */
/* Where QEMU is, what it calls itself, and what the host offers to speed it up. */
#include "hostctl/machine/argv.h"
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define QEMU_NAME "qemu-system-x86_64"

char *qemu_find(struct err *err)
{
	const char *given = getenv("IXCTL_QEMU");
	const char *path = getenv("PATH");
	char *copy, *folder, *save = NULL, *found = NULL;

	if (given != NULL && *given != '\0') {
		if (access(given, X_OK) == 0)
			return strdup(given);
		err_set(err, STATUS_MACHINE, "IXCTL_QEMU: %s: %s", given, strerror(errno));
		return NULL;
	}
	copy = strdup(path != NULL ? path : "/usr/bin");
	for (folder = strtok_r(copy, ":", &save); folder != NULL && found == NULL;
	     folder = strtok_r(NULL, ":", &save)) {
		if (asprintf(&found, "%s/" QEMU_NAME, folder) < 0)
			found = NULL;
		if (found != NULL && access(found, X_OK) != 0) {
			free(found);
			found = NULL;
		}
	}
	free(copy);
	if (found == NULL)
		err_set(err, STATUS_MACHINE, QEMU_NAME " is not on PATH: run `ci/setup` as root, or set IXCTL_QEMU");
	return found;
}

bool qemu_has_qboot(const char *qemu)
{
	char *real = realpath(qemu, NULL);
	char *beside = NULL;
	bool is_there = access("/usr/share/qemu/qboot.rom", R_OK) == 0;

	if (!is_there && real != NULL && asprintf(&beside, "%s/../share/qemu/qboot.rom", dirname(real)) >= 0) {
		is_there = access(beside, R_OK) == 0;
		free(beside);
	}
	free(real);
	return is_there;
}

char *qemu_version(const char *qemu)
{
	char *command = NULL, *version = NULL;
	char line[256];
	FILE *pipe;

	if (strchr(qemu, '\'') != NULL || asprintf(&command, "'%s' --version 2>/dev/null", qemu) < 0)
		return NULL;
	pipe = popen(command, "re");
	free(command);
	if (pipe == NULL)
		return NULL;
	while (version == NULL && fgets(line, sizeof(line), pipe) != NULL) {
		char *at = strstr(line, "version ");

		if (at != NULL)
			version = strndup(at + 8, strspn(at + 8, "0123456789."));
	}
	pclose(pipe);
	return version;
}

bool qemu_is_good_version(const char *version)
{
	unsigned major = 0, minor = 0;

	if (sscanf(version, "%u.%u", &major, &minor) != 2)
		return false;
	return major > 9 || (major == 9 && minor >= 2);
}

/* Why KVM cannot be used here; NULL if it can. */
static const char *kvm_obstacle(void)
{
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	int version;

	if (fd < 0 && errno == ENOENT)
		return "there is no /dev/kvm";
	if (fd < 0 && (errno == EACCES || errno == EPERM))
		return "/dev/kvm may not be opened (add yourself to group kvm)";
	if (fd < 0)
		return "/dev/kvm does not open";
	version = ioctl(fd, KVM_GET_API_VERSION, 0);
	close(fd);
	return version == KVM_API_VERSION ? NULL : "/dev/kvm does not answer";
}

int accel_choose(struct command *c, const struct machine *m, struct err *err)
{
	const char *obstacle = m->accel == MACHINE_ACCEL_TCG ? NULL : kvm_obstacle();

	c->accel_note = "";
	if (m->accel == MACHINE_ACCEL_KVM && obstacle != NULL)
		return err_set(err, STATUS_USAGE, "--accel kvm: %s; use --accel tcg", obstacle);
	if (m->accel == MACHINE_ACCEL_TCG || obstacle != NULL) {
		c->accel = "tcg";
		if (obstacle != NULL)
			c->accel_note = obstacle;
		return 0;
	}
	c->accel = "kvm";
	return 0;
}
