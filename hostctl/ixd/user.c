/* SPDX-License-Identifier: MIT */
/*
 * A user of its own for each guest: whoever gets out of one guest into its QEMU can read page, seed, secrets, sockets and memory
 * of no other, nor stop its process. The user has no name and no account. It stays the guest's until `down`.
 * QEMU has to pass libvirt's folder, which Debian closes to others and `host setup` opens; while it is closed, guests share
 * libvirt's user.
 */
#include "hostctl/ixd/user.h"
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ACCOUNT_BYTES 4096

/* Which are taken by records; a record that cannot be read is of a guest whose folder is there, and that cannot be started. */
static bool *taken(struct err *err)
{
	bool *is_taken = calloc(GUEST_UIDS, sizeof(*is_taken));
	struct err ignored = { 0 };
	json_t *names = NULL;

	if (is_taken == NULL)
		abort();
	if (guest_list(&names, err) != 0) {
		free(is_taken);
		return NULL;
	}
	for (size_t i = 0; i < json_array_size(names); i++) {
		struct guest *g = calloc(1, sizeof(*g));

		if (g == NULL)
			abort();
		if (guest_load(g, json_string_value(json_array_get(names, i)), &ignored) == 0 && g->uid != 0)
			is_taken[g->uid - GUEST_UID_FIRST] = true;
		err_fini(&ignored);
		guest_fini(g);
		free(g);
	}
	json_decref(names);
	return is_taken;
}

/* Somebody's after all, or that cannot be known. */
static bool has_account(uint32_t uid)
{
	struct passwd found, *at = NULL;
	char *text = malloc(ACCOUNT_BYTES);
	bool is_found = text == NULL || getpwuid_r(uid, &found, text, ACCOUNT_BYTES, &at) != 0 || at != NULL;

	free(text);
	return is_found;
}

int user_save(struct guest *g, struct err *err)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	bool *is_taken;
	int result = -1;

	pthread_mutex_lock(&lock);
	is_taken = taken(err);
	g->uid = 0;
	for (uint32_t i = 0; is_taken != NULL && i < GUEST_UIDS && g->uid == 0; i++)
		if (!is_taken[i] && !has_account(GUEST_UID_FIRST + i))
			g->uid = GUEST_UID_FIRST + i;
	if (is_taken != NULL)
		result = g->uid != 0 ? guest_save(g, err)
				     : err_set(err, STATUS_MACHINE, "all %u users of guests are taken; no more fit",
					       GUEST_UIDS);
	pthread_mutex_unlock(&lock);
	free(is_taken);
	return result;
}

bool user_is_own(const struct guest *g)
{
	struct stat st;

	return g->uid != 0 && stat(HOST_QEMU_FOLDER, &st) == 0 && (st.st_mode & S_IXOTH) != 0;
}

uint32_t user_uid(const struct guest *g)
{
	return user_is_own(g) ? g->uid : ixd.host.qemu_uid;
}

/* A group of its own, too; but where /dev/kvm is a group's it has to be that one. */
uint32_t user_gid(const struct guest *g)
{
	struct stat st;

	if (!user_is_own(g))
		return ixd.host.qemu_gid;
	if (ixd.host.is_kvm && stat("/dev/kvm", &st) == 0 && (st.st_mode & S_IROTH) == 0)
		return st.st_gid;
	return g->uid;
}
