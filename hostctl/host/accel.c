/* SPDX-License-Identifier: MIT */
/*
 * KVM or not: /dev/kvm that opens is no proof, since one that emulates ring 0 may not know all that a guest of ours does.
 * The probe is an image that ends at once; it is run as every image is.
 */
#include "hostctl/base/exec.h"
#include "hostctl/base/say.h"
#include "hostctl/host/part.h"
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PROBE_TIMEOUT_S 30

/* Beside us: build/bin/ixctl and build/images/probe.ix, or /usr/bin/ixctl and /usr/share/ix/probe.ix. On the heap. */
static char *find_probe(void)
{
	char *self = realpath("/proc/self/exe", NULL), *path = NULL;
	const char *top = self != NULL ? dirname(dirname(self)) : NULL;

	if (top != NULL && asprintf(&path, "%s/images/probe.ix", top) < 0)
		abort();
	if (path != NULL && access(path, R_OK) != 0) {
		free(path);
		if (asprintf(&path, "%s/share/ix/probe.ix", top) < 0)
			abort();
	}
	free(self);
	return path;
}

/* Whether an image ends with 0 under KVM. @why: if not. */
static bool can_run(const char *probe, char why[160])
{
	const char *argv[] = { "/proc/self/exe", "run", probe, "--accel", "kvm", NULL };
	struct exec e = { .argv = argv, .timeout_s = PROBE_TIMEOUT_S };
	struct err err = { 0 };
	bool is_good = false;

	if (exec_run(&e, &err) != 0) {
		snprintf(why, 160, "the probe under KVM %.120s", err.text);
	} else {
		const char *last = (const char *)e.error.data, *at;

		is_good = e.status == 0;
		while ((at = strchr(last, '\n')) != NULL && at[1] != '\0')
			last = at + 1;
		at = strstr(last,
			    "can: "); /* "the accelerator cannot run this guest; --accel tcg can: KVM internal error" */
		snprintf(why, 160, "KVM does not run an image: %.*s", (int)strcspn(at != NULL ? at + 5 : last, "\n"),
			 at != NULL ? at + 5 : last);
		exec_fini(&e);
	}
	err_fini(&err);
	return is_good;
}

int part_accel(enum host_accel wish, struct host *h, char why[160], struct err *err)
{
	char *probe;

	h->is_kvm = false;
	snprintf(why, 160, "--accel tcg");
	if (wish == HOST_ACCEL_TCG)
		return 0;
	if (access("/dev/kvm", R_OK | W_OK) != 0) {
		snprintf(why, 160, "there is no /dev/kvm");
	} else {
		probe = find_probe();
		h->is_kvm = can_run(probe, why);
		if (h->is_kvm)
			snprintf(why, 160, "an image has run with it");
		free(probe);
	}
	if (wish == HOST_ACCEL_KVM && !h->is_kvm)
		return err_set(err, STATUS_MACHINE, "--accel kvm: %s; use --accel auto or tcg", why);
	return 0;
}
