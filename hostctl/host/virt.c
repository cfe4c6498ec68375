/* SPDX-License-Identifier: MIT */
/*
 * libvirt. Its own defaults are right where systemd runs: QEMU as a user of its own, its seccomp filter on, files owned by
 * that user while a guest runs. Elsewhere there are neither its log daemon nor cgroups that it may shape, and it is told so.
 */
#include "hostctl/base/blob.h"
#include "hostctl/base/say.h"
#include "hostctl/host/part.h"
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define QEMU_CONF "/etc/libvirt/qemu.conf"
#define GUESTS_END "libvirt-guests.service"
#define BEGIN "# ixctl host setup: begin\n"
#define END "# ixctl host setup: end\n"

static const char ours[] = BEGIN "namespaces = []\n"
				 "cgroup_controllers = []\n"
				 "stdio_handler = \"file\"\n" END;

/* The file's text without our lines. */
static void strip(char *text)
{
	char *from = strstr(text, BEGIN), *to = from != NULL ? strstr(from, END) : NULL;

	if (to != NULL)
		memmove(from, to + strlen(END), strlen(to + strlen(END)) + 1);
}

/* Return: 1 if the file says something else now, 0, or -1 with @err. */
static int put_settings(const char *settings, struct err *err)
{
	char *now = step_text(QEMU_CONF);
	struct blob text = { 0 };
	int result;

	if (now == NULL)
		return settings == NULL ? 0 : err_set(err, STATUS_MACHINE, QEMU_CONF " cannot be read");
	strip(now);
	blob_add(&text, now, strlen(now));
	if (settings != NULL)
		blob_add(&text, settings, strlen(settings));
	blob_add(&text, "", 1);
	result = step_write(QEMU_CONF, (const char *)text.data, err);
	blob_fini(&text);
	free(now);
	return result;
}

/*
 * With systemd: asks guests to end before the machine does. Debian enables it, but while packages are installed nothing starts; one
 * that was disabled is somebody's wish.
 */
static int start_guests_end(struct err *err)
{
	if (!step_is_systemd() || !STEP_TRY("systemctl", "is-enabled", "--quiet", GUESTS_END) ||
	    STEP_TRY("systemctl", "is-active", "--quiet", GUESTS_END))
		return 0;
	return STEP(err, "systemctl", "start", GUESTS_END);
}

/*
 * Guests' QEMUs, each a user of its own, pass this folder to their own inside, which are closed to others. libvirt's own packages
 * have it so, Debian's have not; a mode that somebody told dpkg is somebody's wish.
 */
static int open_qemu_folder(struct err *err)
{
	struct stat st;

	if (stat(HOST_QEMU_FOLDER, &st) != 0 || (st.st_mode & S_IXOTH) != 0 ||
	    STEP_TRY("dpkg-statoverride", "--list", HOST_QEMU_FOLDER))
		return 0;
	return STEP(err, "dpkg-statoverride", "--update", "--add", "libvirt-qemu", "libvirt-qemu", "0751",
		    HOST_QEMU_FOLDER);
}

int part_virt(struct err *err)
{
	int changed = step_is_systemd() ? 0 : put_settings(ours, err), started;

	if (changed < 0)
		return -1;
	if (changed > 0 && service_pid(SERVICE_LIBVIRT) != 0 && service_stop(SERVICE_LIBVIRT, err) != 0)
		return -1; /* guests go on without it */
	started = open_qemu_folder(err) == 0 ? service_start(SERVICE_LIBVIRT, err) : -1;
	if (started > 0)
		say("libvirt: started");
	return started < 0 ? -1 : start_guests_end(err);
}

int part_virt_end(struct err *err)
{
	struct err ignored = { 0 };
	char *domains = NULL;
	bool is_alone;

	if (step_is_systemd())
		return 0; /* the distribution's, as we found it */
	if (service_pid(SERVICE_LIBVIRT) == 0)
		return put_settings(NULL, err) < 0 ? -1 : 0;
	is_alone = STEP_ASK(&domains, &ignored, "virsh", "-q", "-c", "qemu:///system", "list", "--name", "--all") ==
			   0 &&
		   domains[strspn(domains, "\n ")] == '\0';
	free(domains);
	err_fini(&ignored);
	if (!is_alone) {
		say("libvirt runs on: it has domains that are not ours");
		return 0;
	}
	if (service_stop(SERVICE_LIBVIRT, err) != 0)
		return -1;
	return put_settings(NULL, err) < 0 ? -1 : 0;
}
