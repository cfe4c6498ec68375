/* SPDX-License-Identifier: MIT */
/* A host becomes a machine again. Records of guests stay unless they are to go, so that a setup finds them. */
#include "hostctl/base/blob.h"
#include "hostctl/base/name.h"
#include "hostctl/base/paths.h"
#include "hostctl/base/say.h"
#include "hostctl/guest/guest.h"
#include "hostctl/host/part.h"
#include "hostctl/sw/sw.h"
#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define URI "qemu:///system"
#define SHUTDOWN_S 10u
#define FOLDERS_OPEN 8

/* libvirt's note of its QEMU. */
static bool runs(void *arg)
{
	const char *name = arg;
	char path[80];
	char *text;
	long pid;

	snprintf(path, sizeof(path), "/run/libvirt/qemu/%s.pid", name);
	text = step_text(path);
	pid = text != NULL ? strtol(text, NULL, 10) : 0;
	free(text);
	return pid > 0 && kill((pid_t)pid, 0) == 0;
}

static bool is_off(void *arg)
{
	return !runs(arg);
}

/* Those of @names that run, "web, db". On the heap, "" if none. */
static char *running(const json_t *names)
{
	struct blob text = { 0 };

	for (size_t i = 0; i < json_array_size(names); i++) {
		char name[NAME_MAX_BYTES + 1];

		snprintf(name, sizeof(name), "%s", json_string_value(json_array_get(names, i)));
		if (!runs(name))
			continue;
		blob_add(&text, ", ", text.bytes != 0 ? 2 : 0);
		blob_add(&text, name, strlen(name));
	}
	blob_add(&text, "", 1);
	return (char *)text.data;
}

/* The domain ends, asked first; nothing of it stays but its record. */
static int end_guest(const char *guest, struct err *err)
{
	char name[NAME_MAX_BYTES + 1], *page = paths_page(guest);

	snprintf(name, sizeof(name), "%s", guest);
	if (runs(name)) {
		STEP_TRY("virsh", "-q", "-c", URI, "shutdown", name);
		if (!step_await(is_off, name, SHUTDOWN_S))
			STEP_TRY("virsh", "-q", "-c", URI, "destroy", name);
		if (!step_await(is_off, name, SHUTDOWN_S))
			err_set(err, STATUS_MACHINE, "guest %s does not end", name);
	}
	STEP_TRY("virsh", "-q", "-c", URI, "undefine", name); /* there may be none */
	if (err->status == 0)
		unlink(page);
	free(page);
	return err->status == 0 ? 0 : -1;
}

static int end_guests(const json_t *names, bool is_force, struct err *err)
{
	char *up = running(names);
	int result = 0;

	if (*up != '\0' && !is_force)
		result = err_set(err, STATUS_USAGE,
				 "guests are up (%s): ixctl down each of them, or ixctl host teardown --force", up);
	free(up);
	if (result != 0 || json_array_size(names) == 0)
		return result;
	/* ixd would take their end for a crash; what remains of a guest is libvirt's to remove. */
	if (service_stop(SERVICE_IXD, err) != 0 || service_start(SERVICE_LIBVIRT, err) < 0)
		return -1;
	for (size_t i = 0; i < json_array_size(names) && result == 0; i++)
		result = end_guest(json_string_value(json_array_get(names, i)), err);
	return result;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st;
	(void)kind;
	(void)at;
	return remove(path);
}

/* Never through links. */
static void remove_folder(const char *path)
{
	if (nftw(path, remove_one, FOLDERS_OPEN, FTW_DEPTH | FTW_PHYS) != 0 && errno != ENOENT)
		say("%s stays: %s", path, strerror(errno));
}

static int end_switch(struct err *err)
{
	if (service_pid(SERVICE_DATABASE) == 0 && access("/run/openvswitch/db.sock", F_OK) != 0 &&
	    service_start(SERVICE_DATABASE, err) < 0)
		err_fini(err); /* never set up */
	if (service_pid(SERVICE_DATABASE) != 0 && sw_host_teardown(err) != 0)
		return -1;
	return part_switch_end(err);
}

int host_teardown(bool is_force, bool is_purge, struct err *err)
{
	json_t *names = NULL;
	int result;

	if (geteuid() != 0)
		return err_set(err, STATUS_USAGE,
			       "ixctl host setup and teardown change this machine: run them as root");
	if (guest_list(&names, err) != 0)
		return -1;
	result = end_guests(names, is_force, err);
	if (result == 0 && (service_stop(SERVICE_IXD, err) != 0 || part_unit_end(err) != 0 || end_switch(err) != 0 ||
			    part_virt_end(err) != 0 || part_confine_end(err) != 0))
		result = -1;
	if (result == 0) {
		remove_folder(PATHS_RUN);
		unlink(PATHS_HOST);
		if (is_purge || json_array_size(names) == 0) {
			remove_folder(PATHS_STATE);
			remove_folder(PATHS_LOG);
			STEP_TRY("groupdel", PATHS_GROUP);
		} else {
			say("%zu records stay in " PATHS_GUESTS " (--purge removes them)", json_array_size(names));
		}
		say("this machine is no host any more");
	}
	json_decref(names);
	return result;
}
