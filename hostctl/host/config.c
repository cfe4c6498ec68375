/* SPDX-License-Identifier: MIT */
/* What `ixctl host setup` chose, kept for ixd and for the next setup. */
#include "hostctl/base/blob.h"
#include "hostctl/base/paths.h"
#include "hostctl/base/words.h"
#include "hostctl/host/host.h"
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int host_load(struct host *out, struct err *err)
{
	const char *address, *user;
	json_error_t why;
	json_t *o;
	int is_kvm, result = 0;
	json_int_t uid, gid, cores = 0;

	memset(out, 0, sizeof(*out));
	if (access(PATHS_HOST, F_OK) != 0)
		return err_set(err, STATUS_MACHINE, "this host is not set up: run ixctl host setup");
	o = json_load_file(PATHS_HOST, JSON_REJECT_DUPLICATES, &why);
	if (o == NULL ||
	    json_unpack(o, "{s:s, s:b, s:s, s:I, s:I, s?I}", "address", &address, "kvm", &is_kvm, "qemu_user", &user,
			"qemu_uid", &uid, "qemu_gid", &gid, "cores", &cores) != 0 ||
	    !words_ipv4_prefix(address, out->address, &out->prefix) || strlen(user) >= sizeof(out->qemu_user) ||
	    uid < 0 || uid > UINT32_MAX || gid < 0 || gid > UINT32_MAX || cores < 0 || cores > HOST_CORES_MAX) {
		result = err_set(err, STATUS_DATA, PATHS_HOST " is damaged: run ixctl host setup again");
	} else {
		out->is_kvm = is_kvm;
		snprintf(out->qemu_user, sizeof(out->qemu_user), "%s", user);
		out->qemu_uid = (uint32_t)uid;
		out->qemu_gid = (uint32_t)gid;
		out->cores = (uint32_t)cores;
	}
	json_decref(o);
	return result;
}

int host_save(const struct host *h, struct err *err)
{
	char address[24];
	struct blob text = { 0 };
	char *dump;
	json_t *o;
	int result;

	snprintf(address, sizeof(address), "%u.%u.%u.%u/%u", h->address[0], h->address[1], h->address[2], h->address[3],
		 h->prefix);
	o = json_pack("{s:s, s:b, s:s, s:I, s:I, s:I}", "address", address, "kvm", h->is_kvm, "qemu_user", h->qemu_user,
		      "qemu_uid", (json_int_t)h->qemu_uid, "qemu_gid", (json_int_t)h->qemu_gid, "cores",
		      (json_int_t)h->cores);
	dump = json_dumps(o, JSON_INDENT(1));
	if (dump == NULL)
		abort();
	blob_add(&text, dump, strlen(dump));
	blob_add(&text, "\n", 1);
	result = blob_write(&text, PATHS_HOST, err);
	blob_fini(&text);
	free(dump);
	json_decref(o);
	return result;
}
