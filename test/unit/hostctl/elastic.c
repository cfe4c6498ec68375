/* SPDX-License-Identifier: MIT */
/* The machine of elastic.h. What libvirt and QEMU do is as seen with libvirt 11.3 and QEMU 10.0 under emulation. */
#include "hostctl/ixd/command.h"
#include "test/unit/hostctl/elastic.h"
#include "hostctl/base/paths.h"
#include "hostctl/domain/connect.h"
#include "kernel/abi/status.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct ixd ixd = { .lock = PTHREAD_MUTEX_INITIALIZER };
struct elastic *elastic;
static uint8_t *memory;
static int page_fd = -1;

/* ---- the guest ---- */

static struct ix_page_resize *resize(void)
{
	return (struct ix_page_resize *)(memory + IX_PAGE_AT_RESIZE);
}

uint32_t elastic_count(void)
{
	return (uint32_t)__builtin_popcountll(elastic->present);
}

static uint64_t guest_us(void)
{
	struct ix_page_guest *g = (struct ix_page_guest *)(memory + IX_PAGE_AT_GUEST);

	return g->up_us += 1000;
}

static void write_guest(void)
{
	struct ix_page_guest *g = (struct ix_page_guest *)(memory + IX_PAGE_AT_GUEST);
	const struct ix_page_head *head = (const struct ix_page_head *)memory;
	uint64_t up_us = g->up_us;

	*g = (struct ix_page_guest){ .sequence = g->sequence + 2,
				     .state = IX_PAGE_READY,
				     .beat = g->beat + 1,
				     .up_us = up_us + 1,
				     .cores = elastic->is_late ? elastic->cores_min : elastic->cores,
				     .cores_min = elastic->cores_min,
				     .cores_max = elastic->cores_max,
				     .cores_present = elastic->is_deaf || elastic->is_late ? elastic->cores_min
											   : elastic_count(),
				     .cores_wanted = elastic->wanted,
				     .groups = 128 };
	memcpy(g->id, head->id, sizeof(g->id));
}

static void comes(uint32_t core)
{
	struct ix_page_core *c = (struct ix_page_core *)(memory + IX_PAGE_AT_CORES + core * IX_PAGE_CORE_STRIDE);
	struct ix_page_steps *s = &resize()->core[core];

	s->inserted_us = guest_us();
	s->started_us = guest_us();
	s->given_us = guest_us();
	c->sequence += 2;
	c->state = IX_PAGE_CORE_RUNS;
	c->value[IX_VALUE_FIRST_FRAME] = guest_us() * 1000;
	resize()->came++;
	resize()->groups += 32;
	resize()->connections += 7;
}

static void goes(uint32_t core)
{
	struct ix_page_core *c = (struct ix_page_core *)(memory + IX_PAGE_AT_CORES + core * IX_PAGE_CORE_STRIDE);

	resize()->core[core].leaving_us = guest_us();
	resize()->core[core].parked_us = guest_us();
	c->sequence += 2;
	c->state = IX_PAGE_CORE_PARKED;
	resize()->went++;
	resize()->groups += 32;
	resize()->connections += 5;
}

/* The lowest of those that are there run, as many as are wanted. */
static void settle_cores(void)
{
	uint32_t to = elastic_count() < elastic->wanted ? elastic_count() : elastic->wanted;

	if (elastic->is_deaf)
		return;
	while (elastic->cores < to)
		comes(elastic->cores++);
	while (elastic->cores > to)
		goes(--elastic->cores);
	resize()->sequence += 2;
	write_guest();
}

/* ---- QEMU ---- */

static void make_thread(uint32_t vcpu)
{
	static int32_t last = 1000;

	elastic->present |= 1ull << vcpu;
	elastic->threads[vcpu] = ++last;
	elastic->is_dead |= ++elastic->made > elastic->max && !ixd.host.is_kvm;
}

static void qemu_insert(uint32_t vcpu)
{
	make_thread(vcpu);
	elastic->wanted = elastic->cores_max;
	resize()->plugged++;
	settle_cores();
}

/* Whether the guest gave it back. */
static bool qemu_remove(uint32_t vcpu)
{
	if (elastic->is_deaf)
		return false;
	if (elastic->is_busy && vcpu < elastic->cores) {
		resize()->refused++;
		resize()->refused_why = IX_PAGE_REFUSED_BUSY;
		resize()->refused_core = vcpu;
		write_guest();
		return false;
	}
	elastic->present &= ~(1ull << vcpu);
	elastic->threads[vcpu] = 0;
	settle_cores();
	resize()->core[vcpu].ejected_us = guest_us();
	resize()->ejected++;
	write_guest();
	return true;
}

void elastic_take(void)
{
	qemu_remove(elastic_count() - 1);
}

static int set_vcpus(uint32_t count);

/* ixd may be killed here. */
static void may_die(void)
{
	if (++elastic->steps == elastic->dies_at)
		_exit(77);
	elastic->is_away |= elastic->steps == elastic->away_at;
	if (elastic->steps == elastic->noticed_at) {
		elastic->is_late = false;
		write_guest();
	}
}

/* An answer is on its way: somebody has libvirt plug a vCPU, and ixd looks at the guest's page. */
static void may_plug(void)
{
	if (elastic->plug_in == 0 || --elastic->plug_in != 0)
		return;
	(void)set_vcpus(elastic->count + 1);
	known_find("web")->guest.cores_present = elastic_count();
}

static void device_del(const char *command)
{
	const char *id = strstr(command, "\"vcpu");
	unsigned vcpu;

	if (id == NULL || sscanf(id, "\"vcpu%u\"", &vcpu) != 1 || vcpu == 0 || !(elastic->present >> vcpu & 1))
		abort();
	qemu_remove(vcpu);
}

int domain_monitor(struct domains *d, const char *name, const char *command, char **answer, struct err *err)
{
	bool is_cpus = strstr(command, "query-cpus-fast") != NULL;
	json_t *list = json_array(), *o;

	(void)d;
	(void)name;
	may_die();
	if (elastic->is_away) {
		json_decref(list);
		return err_set(err, STATUS_MACHINE, "libvirtd does not answer");
	}
	if (strstr(command, "device_del") != NULL) {
		json_decref(list);
		device_del(command);
		*answer = strdup("{\"return\":{}}");
		may_die();
		return 0;
	}
	for (uint32_t i = 0; i < elastic->max; i++) {
		bool is_there = elastic->present >> i & 1;

		if (is_cpus && is_there)
			json_array_append_new(list, json_pack("{s:i, s:i}", "cpu-index", (int)i, "thread-id",
							      (int)elastic->threads[i]));
		else if (!is_cpus)
			json_array_append_new(list,
					      is_there ? json_pack("{s:i, s:s}", "vcpus-count", 1, "qom-path", "/x")
						       : json_pack("{s:i}", "vcpus-count", 1));
	}
	o = json_pack("{s:o}", "return", list);
	*answer = json_dumps(o, 0);
	json_decref(o);
	may_plug();
	return 0;
}

/* ---- libvirt ---- */

/* It takes its own count for QEMU's, gives up on a vCPU that goes under emulation, and looks again when it is asked again. */
static int set_vcpus(uint32_t count)
{
	if (elastic->is_away)
		return -1;
	for (uint32_t i = 0; i < elastic->max && elastic->count < count; i++)
		if (!(elastic->present >> i & 1)) {
			qemu_insert(i);
			elastic->count++;
		}
	for (uint32_t i = elastic->max; i-- > 0 && elastic->count > count;) {
		if (!(elastic->present >> i & 1))
			continue;
		if (elastic->count > elastic_count()) {
			elastic->count = elastic_count();
			continue;
		}
		if (!qemu_remove(i))
			return -1;
		if (!ixd.host.is_kvm) {
			elastic->timeouts++;
			return -1;
		}
		elastic->count--;
	}
	return 0;
}

int virDomainSetVcpusFlags(virDomain *domain, unsigned count, unsigned flags)
{
	int result;

	(void)domain;
	if (flags != VIR_DOMAIN_AFFECT_LIVE)
		abort();
	may_die();
	result = set_vcpus(count);
	may_die();
	return result;
}

virDomain *connect_domain(struct domains *d, const char *name, struct err *err)
{
	(void)d;
	(void)name;
	if (!elastic->is_away)
		return (virDomain *)elastic;
	err_set(err, STATUS_MACHINE, "libvirtd does not answer");
	return NULL;
}

void connect_put(virDomain *domain)
{
	(void)domain;
}

int connect_error(struct err *err, const char *what)
{
	return err_set(err, STATUS_MACHINE, "%s: vcpu unplug request timed out", what);
}

int domains_connect(struct domains *d, struct err *err)
{
	(void)d;
	return elastic->is_away ? err_set(err, STATUS_MACHINE, "libvirtd does not answer") : 0;
}

int domain_info(struct domains *d, const char *name, struct domain_info *out, struct err *err)
{
	(void)d;
	(void)name;
	memset(out, 0, sizeof(*out));
	if (elastic->is_away)
		return err_set(err, STATUS_MACHINE, "libvirtd does not answer");
	out->state = elastic->is_dead ? DOMAIN_CRASHED : DOMAIN_RUNNING;
	out->cpus = elastic->count;
	out->cpus_max = elastic->max;
	out->pid = elastic->pid;
	may_plug();
	return 0;
}

int elastic_virsh(uint32_t count)
{
	uint32_t steps = elastic->steps, dies_at = elastic->dies_at;
	int result;

	elastic->dies_at = 0;
	result = set_vcpus(count);
	elastic->steps = steps;
	elastic->dies_at = dies_at;
	return result;
}

/* ---- what of ixd is not under test ---- */

int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ll + t.tv_nsec / 1000000 + elastic->clock_ms;
}

int64_t wall_ms(void)
{
	return (int64_t)time(NULL) * 1000;
}

void event_note(const char *guest, const char *event, json_t *detail)
{
	char *text = json_dumps(detail, JSON_COMPACT);

	(void)guest;
	snprintf(elastic->events[elastic->event_count++ % ELASTIC_EVENTS_MAX], sizeof(elastic->events[0]), "%s %s",
		 event, text != NULL ? text : "");
	free(text);
	json_decref(detail);
}

bool elastic_event(const char *text)
{
	return elastic->event_count > 0 &&
	       strstr(elastic->events[(elastic->event_count - 1) % ELASTIC_EVENTS_MAX], text) != NULL;
}

int request_say(struct request *r, const char *fmt, ...)
{
	(void)r;
	(void)fmt;
	return 0;
}

int command_do(const char *name, struct command *c, struct err *err)
{
	(void)name;
	may_die();
	memset(&c->answer, 0, sizeof(c->answer));
	elastic->commands++;
	if (c->op != IX_PAGE_SET_CORES || elastic->is_deaf)
		c->answer.status = IX_UNSUPPORTED;
	else if (c->arg[0] < elastic->cores_min || c->arg[0] > elastic->cores_max)
		c->answer.status = IX_BAD_CALL;
	else if (elastic->is_busy && c->arg[0] < elastic->cores)
		c->answer.status = IX_IN_USE;
	else
		elastic->wanted = (uint32_t)c->arg[0];
	settle_cores();
	may_die();
	return c->answer.status == 0 ? 0 : err_set(err, STATUS_MACHINE, "refused (%d)", c->answer.status);
}

/* ---- ixd ---- */

static void forget(void)
{
	while (ixd.guest_count > 0)
		known_remove(ixd.guests[0]->name);
}

void elastic_ixd(void)
{
	struct err err = { 0 };
	struct known *k;

	forget();
	if (known_load() != 1)
		abort();
	k = known_find("web");
	k->page = page_adopt(dup(page_fd), &err);
	if (k->page == NULL)
		abort();
	k->is_wanted = true;
}

void elastic_look(void)
{
	struct known *k = known_find("web");
	struct err err = { 0 };
	struct domain_info info;

	elastic->clock_ms += 3000;
	pthread_mutex_lock(&ixd.lock);
	if (domain_info(ixd.domains, "web", &info, &err) == 0) {
		k->domain = info;
		k->trust = page_guest(k->page, &k->guest);
		k->has_guest = k->trust == PAGE_GOOD;
		scale_watch(k);
	}
	pthread_mutex_unlock(&ixd.lock);
	err_fini(&err);
	for (bool is_at_work = true; is_at_work; usleep(1000)) {
		pthread_mutex_lock(&ixd.lock);
		is_at_work = k->scale.is_at_work;
		pthread_mutex_unlock(&ixd.lock);
	}
}

static void save_record(uint32_t min, uint32_t max)
{
	struct err err = { 0 };
	json_t *o = json_pack("{s:s, s:{s:i, s:i}, s:b}", "name", "web", "cpus", "min", (int)min, "max", (int)max,
			      "wanted", 1);
	struct guest *g = calloc(1, sizeof(*g));

	if (g == NULL || guest_from_json(g, o, &err) != 0 || guest_save(g, &err) != 0)
		abort();
	json_decref(o);
	guest_fini(g);
	free(g);
}

void elastic_restart(uint32_t vcpus)
{
	struct err err = { 0 };
	struct page *fresh = page_fresh(dup(page_fd), &err);

	if (fresh == NULL)
		abort();
	page_close(fresh);
	/* A process that lives and is another one: ours, then our parent. */
	elastic->pid = elastic->pid == getpid() ? getppid() : getpid();
	elastic->present = 0;
	elastic->made = 0;
	elastic->count = elastic->cores = vcpus;
	elastic->wanted = elastic->cores_max;
	for (uint32_t i = 0; i < vcpus; i++)
		make_thread(i);
	write_guest();
}

void elastic_begin(uint32_t min, uint32_t max, bool is_kvm)
{
	static const char *const folders[] = { PATHS_ROOT, PATHS_ROOT "/run", PATHS_ROOT "/var", PATHS_ROOT "/var/lib",
					       PATHS_STATE };
	struct err err = { 0 };

	for (unsigned i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
		mkdir(folders[i], 0755);
	guest_remove("web", &err);
	elastic = mmap(NULL, sizeof(*elastic), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	page_fd = memfd_create("page", MFD_CLOEXEC);
	if (elastic == MAP_FAILED || page_fd < 0 || ftruncate(page_fd, IX_PAGE_BYTES) != 0)
		abort();
	memory = mmap(NULL, IX_PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, page_fd, 0);
	if (memory == MAP_FAILED)
		abort();
	ixd.host.is_kvm = is_kvm;
	elastic->max = is_kvm ? max : DOMAIN_TCG_CPUS;
	elastic->cores_min = min;
	elastic->cores_max = max;
	save_record(min, max);
	elastic_restart(min);
	elastic_ixd();
	elastic_look();
}

void elastic_end(void)
{
	struct err err = { 0 };

	forget();
	guest_remove("web", &err);
	err_fini(&err);
	munmap(memory, IX_PAGE_BYTES);
	munmap(elastic, sizeof(*elastic));
	close(page_fd);
}
