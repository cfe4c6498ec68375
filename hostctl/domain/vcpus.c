/* SPDX-License-Identifier: MIT */
/*
 * vCPUs that come and go. libvirt is asked to make them and to take them away, and QEMU is asked what became of it: their counts
 * differ when libvirt gave up waiting, was killed halfway, or when somebody talked to QEMU past it.
 */
#include "hostctl/domain/connect.h"
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define TRIES_MAX (2 * DOMAIN_VCPUS_MAX) /* one a vCPU, and one more for libvirt's count of it */
#define IDLE_MAX 2u                      /* tries after which nothing had changed */
#define EJECT_MS 6000u                   /* a guest takes milliseconds, and refuses after IX_PAGE_LEAVE_MS */
#define VCPU_ALIAS "vcpu"                /* libvirt's name for what it plugged */
#define SETTLE_MS 200u                   /* QEMU has made or buried the thread by then */
#define LOOK_MS 20u
#define STAT_BYTES 512
#define STAT_START 20u /* starttime is the 22nd field, and the 20th behind the name [proc_pid_stat(5)] */

/* The array of a QMP answer (a new reference to it); NULL with @err. */
static json_t *answered(const char *text, const char *what, struct err *err)
{
	json_error_t why;
	json_t *o = json_loads(text, JSON_REJECT_DUPLICATES, &why);
	json_t *list = json_incref(json_object_get(o, "return"));

	json_decref(o);
	if (json_is_array(list))
		return list;
	json_decref(list);
	err_set(err, STATUS_MACHINE, "QEMU's answer to %s is not a list", what);
	return NULL;
}

static int take_cpus(struct domain_vcpus *out, const json_t *list, struct err *err)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *cpu = json_array_get(list, i);
		const json_t *index = json_object_get(cpu, "cpu-index"), *thread = json_object_get(cpu, "thread-id");
		json_int_t n = json_integer_value(index), tid = json_integer_value(thread);

		if (!json_is_integer(index) || n < 0 || n >= DOMAIN_VCPUS_MAX || !json_is_integer(thread) || tid <= 0 ||
		    tid > INT32_MAX || (out->present >> n & 1))
			return err_set(err, STATUS_MACHINE, "QEMU's answer to query-cpus-fast makes no sense");
		out->present |= 1ull << n;
		out->threads[n] = (int32_t)tid;
		out->count++;
	}
	return out->count > 0 ? 0 : err_set(err, STATUS_MACHINE, "QEMU says that it has no vCPU");
}

/* Slots, of which those with a path are taken. */
static int take_slots(struct domain_vcpus *out, const json_t *list, struct err *err)
{
	size_t slots = json_array_size(list);
	uint32_t taken = 0;

	for (size_t i = 0; i < slots; i++) {
		const json_t *slot = json_array_get(list, i);

		if (json_integer_value(json_object_get(slot, "vcpus-count")) != 1)
			return err_set(err, STATUS_MACHINE, "QEMU's vCPUs do not come and go one by one");
		taken += json_is_string(json_object_get(slot, "qom-path"));
	}
	out->max = (uint32_t)(slots <= DOMAIN_VCPUS_MAX ? slots : DOMAIN_VCPUS_MAX);
	/* One answer is older than the other when something changed in between. */
	return taken == out->count ? 0 : err_set(err, STATUS_MACHINE, "QEMU's vCPUs change just now");
}

int domain_parse_vcpus(struct domain_vcpus *out, const char *cpus, const char *hotpluggable, struct err *err)
{
	json_t *list, *slots = NULL;
	int result = -1;

	memset(out, 0, sizeof(*out));
	list = answered(cpus, "query-cpus-fast", err);
	if (list != NULL)
		slots = answered(hotpluggable, "query-hotpluggable-cpus", err);
	if (slots != NULL && take_cpus(out, list, err) == 0)
		result = take_slots(out, slots, err);
	json_decref(slots);
	json_decref(list);
	if (result != 0)
		out->count = 0;
	return result;
}

static void nap(unsigned ms)
{
	nanosleep(&(struct timespec){ ms / 1000, ms % 1000 * 1000000l }, NULL);
}

static int ask_qemu(struct domains *d, const char *name, struct domain_vcpus *out, struct err *err)
{
	char *cpus = NULL, *slots = NULL;
	int result = domain_monitor(d, name, "{\"execute\":\"query-cpus-fast\"}", &cpus, err);

	if (result == 0)
		result = domain_monitor(d, name, "{\"execute\":\"query-hotpluggable-cpus\"}", &slots, err);
	if (result == 0)
		result = domain_parse_vcpus(out, cpus, slots, err);
	free(cpus);
	free(slots);
	return result;
}

static int ask_qemu_twice(struct domains *d, const char *name, struct domain_vcpus *out, struct err *err)
{
	struct err first = { 0 };
	int result = ask_qemu(d, name, out, &first);

	err_fini(&first);
	if (result == 0)
		return 0;
	nap(LOOK_MS);
	return ask_qemu(d, name, out, err);
}

int domain_vcpus(struct domains *d, const char *name, struct domain_vcpus *out, struct err *err)
{
	struct domain_info info = { 0 };
	int result;

	memset(out, 0, sizeof(*out));
	result = ask_qemu_twice(d, name, out, err);
	if (result == 0)
		result = domain_info(d, name, &info, err);
	/* libvirt counts a vCPU when QEMU has made it: one too many may have come since QEMU was asked. */
	if (result == 0 && info.cpus > out->count)
		result = ask_qemu_twice(d, name, out, err);
	if (result == 0)
		out->libvirt = info.cpus;
	else
		out->count = 0;
	return result;
}

/* Until QEMU and libvirt say @count, or the time is over. */
static bool is_settled(struct domains *d, const char *name, unsigned count, struct domain_vcpus *out)
{
	struct err ignored = { 0 };
	bool is = false;

	for (unsigned ms = 0; ms <= SETTLE_MS && !is; ms += LOOK_MS) {
		if (ms > 0)
			nap(LOOK_MS);
		is = domain_vcpus(d, name, out, &ignored) == 0 && out->count == count && out->libvirt == count;
		if (out->count == count && out->libvirt != count)
			break; /* its count does not come right by itself */
	}
	err_fini(&ignored);
	return is;
}

static int set_once(struct domains *d, const char *name, unsigned count, struct err *err)
{
	virDomain *domain = connect_domain(d, name, err);
	int result;

	if (domain == NULL)
		return -1;
	result = virDomainSetVcpusFlags(domain, count, VIR_DOMAIN_AFFECT_LIVE) == 0 ? 0 : connect_error(err, name);
	connect_put(domain);
	return result;
}

int domain_set_vcpus(struct domains *d, const char *name, unsigned count, struct domain_vcpus *out, struct err *err)
{
	unsigned idle = 0;
	bool is_there = false;

	memset(out, 0, sizeof(*out));
	for (unsigned i = 0; i < TRIES_MAX && idle < IDLE_MAX && !is_there; i++) {
		uint32_t had = out->count, said = out->libvirt;

		err_fini(err);
		(void)set_once(d, name, count, err); /* that it failed is worth saying only if it is so */
		is_there = is_settled(d, name, count, out);
		idle = out->count == had && out->libvirt == said ? idle + 1 : 0;
	}
	if (is_there) {
		err_fini(err);
		return 0;
	}
	if (err->status == 0)
		err_set(err, STATUS_MACHINE, "%s has %u vCPUs, libvirt says %u, and both were to be %u", name,
			out->count, out->libvirt, count);
	return -1;
}

/* QEMU asks the guest for vCPU @vcpu back. */
static int ask_back(struct domains *d, const char *name, unsigned vcpu, struct err *err)
{
	char command[96], *answer = NULL;
	json_error_t why;
	const char *text;
	json_t *o;
	int result;

	snprintf(command, sizeof(command), "{\"execute\":\"device_del\",\"arguments\":{\"id\":\"" VCPU_ALIAS "%u\"}}",
		 vcpu);
	result = domain_monitor(d, name, command, &answer, err);
	if (result != 0)
		return -1;
	o = json_loads(answer, 0, &why);
	text = json_string_value(json_object_get(json_object_get(o, "error"), "desc"));
	if (text != NULL)
		result = err_set(err, STATUS_MACHINE, "%s: QEMU does not take vCPU %u away: %s", name, vcpu, text);
	json_decref(o);
	free(answer);
	return result;
}

int domain_eject_vcpus(struct domains *d, const char *name, unsigned count, struct domain_vcpus *out, struct err *err)
{
	if (domain_vcpus(d, name, out, err) != 0)
		return -1;
	while (out->count > count) {
		unsigned last = 63u - (unsigned)__builtin_clzll(out->present);
		uint64_t had = out->present;

		if (ask_back(d, name, last, err) != 0)
			return -1;
		for (unsigned ms = 0; out->present == had; ms += LOOK_MS) {
			if (ms > EJECT_MS)
				return err_set(err, STATUS_MACHINE, "%s did not give vCPU %u back within %u s", name,
					       last, EJECT_MS / 1000);
			nap(LOOK_MS);
			if (domain_vcpus(d, name, out, err) != 0)
				return -1;
		}
	}
	return 0;
}

uint64_t domain_process_start(int32_t pid)
{
	char path[40], text[STAT_BYTES + 1], *at;
	unsigned long long start = 0;
	ssize_t n = -1;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	fd = pid > 0 ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	if (fd >= 0) {
		n = read(fd, text, STAT_BYTES);
		close(fd);
	}
	text[n > 0 ? n : 0] = '\0';
	at = strrchr(text, ')'); /* the name may have anything in it */
	for (unsigned i = 0; at != NULL && i < STAT_START; i++)
		at = strchr(at + 1, ' ');
	return at != NULL && sscanf(at, " %llu", &start) == 1 ? start : 0;
}
