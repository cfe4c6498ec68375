/* SPDX-License-Identifier: MIT */
/* Who may talk to ixd, whom QEMU runs as, and whose our folders are. */
#include "hostctl/base/paths.h"
#include "hostctl/base/say.h"
#include "hostctl/host/part.h"
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define QEMU_CONF "/etc/libvirt/qemu.conf"

/* `user = "NAME"` as a line of its own in libvirt's configuration: what the operator chose. On the heap, NULL: not said. */
static char *chosen_user(void)
{
	char *text = step_text(QEMU_CONF), *user = NULL;

	for (char *line = text; line != NULL && user == NULL; line = strchr(line, '\n')) {
		char word[34];

		line += *line == '\n';
		if (sscanf(line, "user = \"%33[^\"\n]\"", word) == 1)
			user = strdup(word);
	}
	free(text);
	return user;
}

static int set_user(struct host *h, const char *name, struct err *err)
{
	const struct passwd *p = getpwnam(name);

	if (p == NULL || strlen(name) >= sizeof(h->qemu_user))
		return err_set(err, STATUS_DATA, "there is no user '%s', whom " QEMU_CONF " wants QEMU to run as",
			       name);
	snprintf(h->qemu_user, sizeof(h->qemu_user), "%s", name);
	h->qemu_uid = p->pw_uid;
	h->qemu_gid = p->pw_gid;
	return 0;
}

/* Debian's libvirt was built for libvirt-qemu, user and group of that name. */
static int find_user(struct host *h, struct err *err)
{
	char *chosen = chosen_user();
	const struct group *group = getgrnam("libvirt-qemu");
	int result = set_user(h, chosen != NULL ? chosen : "libvirt-qemu", err);

	if (result == 0 && chosen == NULL && group != NULL)
		h->qemu_gid = group->gr_gid;
	free(chosen);
	return result;
}

int part_accounts(struct host *h, struct err *err)
{
	if (getgrnam(PATHS_GROUP) == NULL) {
		if (STEP(err, "groupadd", "--system", PATHS_GROUP) != 0)
			return -1;
		say("group " PATHS_GROUP ": made; its members may use ixctl (usermod -aG " PATHS_GROUP " USER)");
	}
	if (find_user(h, err) != 0)
		return -1;
	if (h->qemu_uid == 0)
		say("QEMU runs as root, because " QEMU_CONF " says so");
	return 0;
}

int part_folders(struct err *err)
{
	return step_folder(PATHS_RUN, 0755, err) == 0 && step_folder(PATHS_STATE, 0711, err) == 0 &&
			       step_folder(PATHS_GUESTS, 0711, err) == 0 && step_folder(PATHS_LOG, 0711, err) == 0
		       ? 0
		       : -1;
}
