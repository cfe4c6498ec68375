/* SPDX-License-Identifier: MIT */
/*
 * AppArmor, as Debian's libvirt uses it. A domain's profile is made from what its XML names: image, files, sockets and page are
 * in it by themselves (virt-aa-helper), the file that its console is written to is not. Profiles are made when guests start, so
 * the rule lies there whether AppArmor is on now or not; without it nobody reads it.
 */
#include "hostctl/base/paths.h"
#include "hostctl/host/part.h"
#include <errno.h>
#include <string.h>
#include <unistd.h>

#define ABSTRACTION PATHS_ROOT "/etc/apparmor.d/abstractions/libvirt-qemu"
#define FOLDER ABSTRACTION ".d"
#define RULES FOLDER "/ix"

/* Modes keep one guest's QEMU from another's console: the files are root's, and open when QEMU gets them. */
static const char text[] = "# Written by ixctl host setup: consoles of guests, which libvirt opens for QEMU.\n"
			   "  " PATHS_LOG "/*.console w,\n";

int part_confine(struct err *err)
{
	if (access(ABSTRACTION, F_OK) != 0)
		return 0;
	return step_folder(FOLDER, 0755, err) == 0 && step_write(RULES, text, err) >= 0 ? 0 : -1;
}

int part_confine_end(struct err *err)
{
	if (unlink(RULES) != 0)
		return errno == ENOENT ? 0 : err_set(err, STATUS_MACHINE, RULES ": %s", strerror(errno));
	rmdir(FOLDER); /* if nobody else's rules are there */
	return 0;
}
