/* SPDX-License-Identifier: MIT */
/*
 * Open vSwitch with DPDK [OVS dpdk.rst]. What it is told lies in its own database under other_config; a switch that runs with
 * DPDK already is somebody's, and is taken as it is.
 */
#include "hostctl/base/say.h"
#include "hostctl/host/part.h"
#include "hostctl/sw/sw.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DATABASE "/etc/openvswitch/conf.db"
#define SCHEMA "/usr/share/openvswitch/vswitch.ovsschema"
#define TUN "/dev/net/tun"
#define START_S 60u
#define WORDS_MAX 18u
#define SLEEP_US 500 /* of a PMD thread on a small machine */

/* Ours, so that teardown knows: external_ids of the one row of table Open_vSwitch. */
#define MADE "external_ids:ix-made=true"

static const char *const keys[] = { "dpdk-init",    "dpdk-lcore-mask",   "pmd-cpu-mask",
				    "pmd-maxsleep", "pmd-sleep-max",     "per-port-memory",
				    "dpdk-extra",   "dpdk-hugepage-dir", "dpdk-alloc-mem" };
#define KEY_COUNT (sizeof(keys) / sizeof(keys[0]))

/* A column of the one row of table Open_vSwitch, on the heap; NULL if there is no answer. */
static char *ask_row(const char *column)
{
	struct err ignored = { 0 };
	char *text = NULL;

	STEP_ASK(&text, &ignored, "ovs-vsctl", "--timeout=15", "--no-wait", "get", "Open_vSwitch", ".", column);
	err_fini(&ignored);
	return text;
}

static bool is_dpdk_on(void *arg)
{
	char *text = ask_row("dpdk_initialized");
	bool is_on = text != NULL && strcmp(text, "true") == 0;

	(void)arg;
	free(text);
	return is_on;
}

/* A database that was not there is made, and marked. */
static int make_database(struct err *err)
{
	bool is_new = access(DATABASE, F_OK) != 0;
	int started;

	if (!step_is_systemd()) {
		if (step_folder("/etc/openvswitch", 0755, err) != 0 ||
		    step_folder("/run/openvswitch", 0755, err) != 0 ||
		    step_folder("/var/log/openvswitch", 0755, err) != 0)
			return -1;
		if (is_new && STEP(err, "ovsdb-tool", "create", DATABASE, SCHEMA) != 0)
			return -1;
	}
	started = service_start(SERVICE_DATABASE, err);
	if (started < 0 || STEP(err, "ovs-vsctl", "--timeout=15", "--no-wait", "init") != 0)
		return -1;
	if (is_new && STEP(err, "ovs-vsctl", "--timeout=15", "--no-wait", "set", "Open_vSwitch", ".", MADE) != 0)
		return -1;
	return 0;
}

/* From OVS 3.2 on pmd-maxsleep is called pmd-sleep-max, and each takes the other's for unknown. */
static const char *sleep_key(void)
{
	struct err ignored = { 0 };
	unsigned major = 0, minor = 0;
	char *text = NULL, *at;

	if (STEP_ASK(&text, &ignored, HOST_VSWITCHD, "--version") == 0 && (at = strstr(text, ") ")) != NULL)
		sscanf(at + 2, "%u.%u", &major, &minor); /* NOLINT(cert-err34-c): what is not there stays 0 */
	free(text);
	err_fini(&ignored);
	return major > 3 || (major == 3 && minor >= 2) ? "pmd-sleep-max" : "pmd-maxsleep";
}

static void say_choice(const struct cores *c, const struct memory *m)
{
	char memory[64];

	if (m->page_kib != 0)
		snprintf(memory, sizeof(memory), "%" PRIu64 " MiB of hugepages", m->mib);
	else
		snprintf(memory, sizeof(memory), "%" PRIu64 " MiB of ordinary memory (there are no hugepages)", m->mib);
	say("Open vSwitch: %s; PMD on CPUs 0x%" PRIx64 " of %u%s", memory, c->pmd_mask, c->count,
	    c->is_small ? ", asleep when idle" : "");
}

/* "other_config:KEY=VALUE" in OVS's own syntax, on the heap. */
static char *setting(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static char *setting(const char *fmt, ...)
{
	char *value, *word;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&value, fmt, ap);
	va_end(ap);
	if (n < 0 || asprintf(&word, "other_config:%s", value) < 0)
		abort();
	free(value);
	return word;
}

static int configure(struct err *err)
{
	char *words[WORDS_MAX] = { "ovs-vsctl", "--timeout=15", "--no-wait", "set", "Open_vSwitch", "." };
	const char *argv[WORDS_MAX + 1] = { 0 };
	unsigned own = 6, n = own;
	struct memory m;
	struct cores c;
	int result;

	cores_choose(&c);
	memory_choose(&m);
	say_choice(&c, &m);
	words[n++] = setting("dpdk-init=true");
	words[n++] = setting("dpdk-lcore-mask=0x%" PRIx64, c.main_mask);
	words[n++] = setting("pmd-cpu-mask=0x%" PRIx64, c.pmd_mask);
	words[n++] = setting("per-port-memory=true");
	if (c.is_small)
		words[n++] = setting("%s=%d", sleep_key(), SLEEP_US);
	/* Without --legacy-mem OVS adds --in-memory, which --no-huge does not go with. */
	if (m.page_kib == 0)
		words[n++] = setting("dpdk-extra=\"--no-huge --legacy-mem -m %" PRIu64 " --no-pci --no-telemetry\"",
				     m.mib);
	else
		words[n++] = setting("dpdk-extra=\"--no-pci --no-telemetry\"");
	if (m.page_kib != 0)
		words[n++] = setting("dpdk-alloc-mem=%" PRIu64, m.mib);
	for (unsigned i = 0; i < n; i++)
		argv[i] = words[i];
	result = step_run(NULL, err, argv);
	while (n > own)
		free(words[--n]);
	return result;
}

/* The build with DPDK is there, and is what systemd's unit starts. */
static int choose_build(struct err *err)
{
	if (access(HOST_VSWITCHD, X_OK) != 0)
		return err_set(err, STATUS_MACHINE, HOST_VSWITCHD " is not there: install openvswitch-switch-dpdk");
	if (!step_is_systemd())
		return 0;
	return STEP(err, "update-alternatives", "--set", "ovs-vswitchd", HOST_VSWITCHD);
}

int part_switch(struct err *err)
{
	if (access(TUN, F_OK) != 0)
		return err_set(err, STATUS_MACHINE, TUN " is not there, the bridge's own port is one: modprobe tun");
	if (make_database(err) != 0)
		return -1;
	if (service_pid(SERVICE_SWITCH) != 0 && is_dpdk_on(NULL))
		return 0;
	if (choose_build(err) != 0 || configure(err) != 0)
		return -1;
	if (service_pid(SERVICE_SWITCH) != 0) {
		say("Open vSwitch runs without DPDK: it is started anew");
		if (service_stop(SERVICE_SWITCH, err) != 0)
			return -1;
	}
	/* A daemon that was killed has left its `true` behind. */
	if (STEP(err, "ovs-vsctl", "--timeout=15", "--no-wait", "set", "Open_vSwitch", ".", "dpdk_initialized=false") !=
		    0 ||
	    service_start(SERVICE_SWITCH, err) < 0)
		return -1;
	if (!step_await(is_dpdk_on, NULL, START_S))
		return err_set(err, STATUS_MACHINE,
			       "Open vSwitch does not start DPDK; see /var/log/openvswitch/ovs-vswitchd.log");
	return 0;
}

/* Bridges that are not ours. On the heap, "" if none. */
static char *other_bridges(void)
{
	struct err ignored = { 0 };
	char *text = NULL;

	if (STEP_ASK(&text, &ignored, "ovs-vsctl", "--timeout=15", "--no-wait", "list-br") != 0)
		text = strdup("");
	err_fini(&ignored);
	return text;
}

static int forget_settings(struct err *err)
{
	const char *argv[WORDS_MAX] = { "ovs-vsctl", "--timeout=15", "--no-wait", "remove", "Open_vSwitch",
					".",         "other_config" };
	unsigned count = 7;

	for (unsigned i = 0; i < KEY_COUNT; i++)
		argv[count++] = keys[i];
	return step_run(NULL, err, argv);
}

int part_switch_end(struct err *err)
{
	char *made, *others;
	bool is_ours, is_alone;
	int result = 0;

	if (service_pid(SERVICE_DATABASE) == 0)
		return service_stop(SERVICE_SWITCH, err);
	others = other_bridges();
	is_alone = *others == '\0';
	made = ask_row("external_ids:ix-made");
	is_ours = made != NULL;
	free(made);
	if (!is_alone) {
		others[strcspn(others, "\n")] = '\0';
		say("Open vSwitch runs on: it has other bridges (%s)", others);
	} else if (forget_settings(err) != 0 || service_stop(SERVICE_SWITCH, err) != 0 ||
		   (is_ours && service_stop(SERVICE_DATABASE, err) != 0)) {
		result = -1;
	} else if (is_ours) {
		unlink(DATABASE);
		unlink("/etc/openvswitch/.conf.db.~lock~");
	}
	free(others);
	if (result == 0 && step_is_systemd())
		result = STEP(err, "update-alternatives", "--auto", "ovs-vswitchd");
	return result;
}
