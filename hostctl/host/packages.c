/* SPDX-License-Identifier: MIT */
/* Which Debian packages a host needs (ci/setup has the same names), and how they come onto it. */
#include "hostctl/host/part.h"
#include "hostctl/base/blob.h"
#include "hostctl/base/exec.h"
#include "hostctl/base/say.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define INSTALL_TIMEOUT_S 1800
#define POLICY "/usr/sbin/policy-rc.d"
#define BACKPORTS "/etc/apt/sources.list.d/ix-backports.sources"
#define WORDS_MAX 64u

/* Debian 12's own are too old for those that are taken from its backports; nothing there names OVS's pool of frames. */
static const struct {
	const char *name;
	bool is_backport;
} packages[] = {
	{ "openvswitch-switch-dpdk", false },
	{ "librte-mempool-ring23", false },
	{ "iproute2", false },
	{ "ethtool", false },
	{ "nftables", false },
	{ "tcpdump", false },
	{ "libmicrohttpd12", false }, /* these three: ixd's libraries, where it was not built here */
	{ "libxml2", false },
	{ "libjansson4", false },
	{ "qemu-system-x86", true },
	{ "qemu-system-common", true },
	{ "qemu-system-data", true },
	{ "seabios", true },
	{ "libvirt0", true },
	{ "libvirt-common", true },
	{ "libvirt-daemon", true },
	{ "libvirt-daemon-common", true },
	{ "libvirt-daemon-log", true },
	{ "libvirt-daemon-driver-qemu", true },
	{ "libvirt-clients", true },
};
#define PACKAGE_COUNT (sizeof(packages) / sizeof(packages[0]))

/* "openvswitch-switch-dpdk installed" on a line of its own. */
static bool is_listed(const char *have, const char *name)
{
	size_t bytes = strlen(name);

	for (const char *at = have; at != NULL; at = strchr(at, '\n') != NULL ? strchr(at, '\n') + 1 : NULL)
		if (strncmp(at, name, bytes) == 0 && strncmp(at + bytes, " installed", 10) == 0)
			return true;
	return false;
}

/* Which of them are missing, as a set of bits. -1 with @err: nobody knows. */
static int find_missing(uint32_t *missing, struct err *err)
{
	const char *argv[PACKAGE_COUNT + 5] = { "dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n" };
	struct exec e = { .argv = argv, .timeout_s = STEP_TIMEOUT_S };

	*missing = 0;
	for (unsigned i = 0; i < PACKAGE_COUNT; i++)
		argv[4 + i] = packages[i].name;
	if (exec_run(&e, err) != 0)
		return -1;
	for (unsigned i = 0; i < PACKAGE_COUNT; i++)
		if (!is_listed((const char *)e.out.data, packages[i].name))
			*missing |= 1u << i;
	exec_fini(&e);
	return 0;
}

static char *names_of(uint32_t missing)
{
	struct blob text = { 0 };

	for (unsigned i = 0; i < PACKAGE_COUNT; i++)
		if ((missing >> i & 1) != 0) {
			blob_add(&text, " ", text.bytes != 0);
			blob_add(&text, packages[i].name, strlen(packages[i].name));
		}
	blob_add(&text, "", 1);
	return (char *)text.data;
}

static bool is_bookworm(void)
{
	char *text = step_text("/etc/os-release");
	bool is_it = text != NULL && strstr(text, "VERSION_CODENAME=bookworm") != NULL;

	free(text);
	return is_it;
}

/* Backports from where this machine takes Debian 12; nothing comes from there unless asked for by name. */
static int add_backports(struct err *err)
{
	char *mirror = NULL, *listed = NULL, *text;
	int result;

	if (STEP_ASK(&listed, err, "apt-get", "indextargets", "--format", "$(CODENAME)",
		     "Codename: bookworm-backports") != 0 ||
	    STEP_ASK(&mirror, err, "apt-get", "indextargets", "--format", "$(REPO_URI)", "Codename: bookworm") != 0) {
		free(listed);
		return -1;
	}
	mirror[strcspn(mirror, "\n")] = '\0';
	result = *listed != '\0';
	free(listed);
	if (result == 0) {
		if (asprintf(&text,
			     "# Written by ixctl host setup. Backports are never taken unless asked for by "
			     "name.\nTypes: deb\n"
			     "URIs: %s\nSuites: bookworm-backports\nComponents: main\n"
			     "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n",
			     *mirror != '\0' ? mirror : "http://deb.debian.org/debian") < 0)
			abort();
		result = step_write(BACKPORTS, text, err);
		free(text);
	}
	free(mirror);
	return result < 0 ? -1 : 0;
}

/* The packages' own services would start the switch without DPDK; we start what is to run ourselves. */
static bool hold_services(void)
{
	static const char text[] =
		"#!/bin/sh\n# Written by ixctl host setup for the length of one installation.\nexit 101\n";
	struct err ignored = { 0 };
	bool is_ours = access(POLICY, F_OK) != 0 && step_write(POLICY, text, &ignored) == 1 && chmod(POLICY, 0755) == 0;

	err_fini(&ignored);
	return is_ours;
}

static int install(uint32_t missing, struct err *err)
{
	const char *argv[WORDS_MAX] = {
		"apt-get",         "-o",     "DPkg::Lock::Timeout=600", "-qq", "-y", "--no-install-recommends", "-o",
		"Dpkg::Use-Pty=0", "install"
	};
	unsigned count = 9;
	char *words[PACKAGE_COUNT] = { 0 };
	bool is_old = is_bookworm(), is_held;
	int result;

	if (is_old && add_backports(err) != 0)
		return -1;
	if (!STEP_TRY("apt-get", "-o", "DPkg::Lock::Timeout=600", "-qq", "update"))
		say("some package lists could not be read; going on with the rest");
	for (unsigned i = 0; i < PACKAGE_COUNT; i++)
		if ((missing >> i & 1) != 0) {
			if (asprintf(&words[i], "%s%s", packages[i].name,
				     is_old && packages[i].is_backport ? "/bookworm-backports" : "") < 0)
				abort();
			argv[count++] = words[i];
		}
	is_held = hold_services();
	setenv("DEBIAN_FRONTEND", "noninteractive", 1);
	result = exec_ok(argv, INSTALL_TIMEOUT_S, NULL, err);
	if (is_held)
		unlink(POLICY);
	for (unsigned i = 0; i < PACKAGE_COUNT; i++)
		free(words[i]);
	return result;
}

int part_packages(bool is_install, struct err *err)
{
	uint32_t missing;
	char *names;
	int result = 0;

	if (find_missing(&missing, err) != 0) {
		err_fini(err);
		return err_set(err, STATUS_MACHINE, "there is no dpkg-query: ixctl host setup is made for Debian 12");
	}
	if (missing == 0)
		return 0;
	names = names_of(missing);
	if (!is_install) {
		result = err_set(
			err, STATUS_MACHINE,
			"packages are missing: run ixctl host setup without --no-install, or apt-get install %s",
			names);
	} else {
		say("installing %s", names);
		result = install(missing, err);
	}
	free(names);
	return result;
}
