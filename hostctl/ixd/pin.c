/* SPDX-License-Identifier: MIT */
/*
 * Once a second: vCPUs that came get CPUs of the host, and QEMU's other threads what is left. What was pinned before an ixd began
 * is pinned anew, which changes nothing for who is where he should be. A host of few CPUs is left as it is.
 */
#include "hostctl/base/paths.h"
#include "hostctl/base/say.h"
#include "hostctl/ixd/ixd.h"
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define POLLERS_EVERY 60u /* seconds */
#define WORDS 120u

/* A thread of QEMU and where it is to run. */
struct task {
	char name[33];
	int vcpu; /* -1: all threads that are none */
	struct place_set cpus;
};

/* What was done about a guest. Under our own lock of one thread: nobody else looks. */
struct done {
	char name[33];
	int32_t pid;                  /* of QEMU then */
	int32_t cpu[PLACE_VCPUS_MAX]; /* a CPU, or SHARED */
	struct place_set shared, others;
};
#define NEVER (-2)
#define SHARED (-1)

static struct {
	struct place_guest places[IXD_GUESTS_MAX];
	struct known *known[IXD_GUESTS_MAX];
	struct done done[IXD_GUESTS_MAX];
	unsigned count, done_count;
	struct task *tasks;
	unsigned task_count, task_room;
	bool is_told;
} * all;

static pthread_mutex_t topology_lock = PTHREAD_MUTEX_INITIALIZER;
static struct place_topology topology;
static bool has_topology;

bool pin_topology(struct place_topology *out)
{
	bool has;

	pthread_mutex_lock(&topology_lock);
	has = has_topology;
	if (has)
		*out = topology;
	pthread_mutex_unlock(&topology_lock);
	return has;
}

/* CPUs that this process may use: in a container not all. */
static void allowed(struct place_set *out)
{
	cpu_set_t *set = CPU_ALLOC(PLACE_CPUS_MAX);
	size_t bytes = CPU_ALLOC_SIZE(PLACE_CPUS_MAX);

	memset(out, 0, sizeof(*out));
	if (set == NULL)
		abort();
	if (sched_getaffinity(0, bytes, set) != 0)
		memset(out, 0xff, sizeof(*out));
	else
		for (unsigned i = 0; i < PLACE_CPUS_MAX; i++)
			if (CPU_ISSET_S(i, bytes, set))
				place_add(out, i);
	CPU_FREE(set);
}

/* The CPUs of the host, and those on which the switch polls. While its database is away, what was known stays. */
static void look_at_host(void)
{
	static struct place_topology t; /* of one thread, as all below */
	static struct place_set pollers, mine;
	struct err err = { 0 };
	static char there[WORDS], guests[WORDS], polling[WORDS];
	char *text = sw_pollers(&err);

	if (text == NULL || place_read(&t, PATHS_ROOT, &err) != 0 || (text[0] != '\0' && !place_mask(text, &pollers))) {
		if (!all->is_told)
			say("CPUs of this host: %s", err.text != NULL ? err.text : "pmd-cpu-mask is no mask");
		all->is_told = true;
		err_fini(&err);
		free(text);
		return;
	}
	if (text[0] == '\0')
		memset(&pollers, 0, sizeof(pollers));
	free(text);
	allowed(&mine);
	place_settle(&t, &mine, &pollers);
	pthread_mutex_lock(&topology_lock);
	if (!has_topology || memcmp(&t.guests, &topology.guests, sizeof(t.guests)) != 0 ||
	    memcmp(&t.pollers, &topology.pollers, sizeof(t.pollers)) != 0) {
		place_words(&t.there, there, sizeof(there));
		place_words(&t.guests, guests, sizeof(guests));
		place_words(&t.pollers, polling, sizeof(polling));
		say("CPUs %s: the switch polls on %s, guests have %s%s", there, polling[0] != '\0' ? polling : "none",
		    guests, t.is_small ? ", all shared" : "");
	}
	topology = t;
	has_topology = true;
	pthread_mutex_unlock(&topology_lock);
}

static void add_task(const char *name, int vcpu, const struct place_set *cpus)
{
	struct task *t;

	if (all->task_count == all->task_room) {
		all->task_room = all->task_room * 2 + 64;
		all->tasks = realloc(all->tasks, all->task_room * sizeof(*all->tasks));
		if (all->tasks == NULL)
			abort();
	}
	t = &all->tasks[all->task_count++];
	memcpy(t->name, name, sizeof(t->name));
	t->vcpu = vcpu;
	t->cpus = *cpus;
}

/* What was done about @k; a QEMU that is new has nothing of it. NULL: no room. */
static struct done *done_of(const struct known *k)
{
	struct done *d = NULL;

	for (unsigned i = 0; i < all->done_count && d == NULL; i++)
		if (strcmp(all->done[i].name, k->name) == 0)
			d = &all->done[i];
	if (d == NULL && all->done_count < IXD_GUESTS_MAX) {
		d = &all->done[all->done_count++];
		memcpy(d->name, k->name, sizeof(d->name));
		d->pid = 0;
	}
	if (d != NULL && (d->pid != k->domain.pid || d->pid == 0)) {
		d->pid = k->domain.pid;
		memset(&d->others, 0, sizeof(d->others));
		for (unsigned v = 0; v < PLACE_VCPUS_MAX; v++)
			d->cpu[v] = NEVER;
	}
	return d;
}

/* Guests that are no more need no memory of theirs. Under the lock. */
static void forget_removed(void)
{
	for (unsigned i = 0; i < all->done_count;)
		if (known_find(all->done[i].name) != NULL)
			i++;
		else
			all->done[i] = all->done[--all->done_count];
}

/* Those of a guest that are not where they should be. */
static void add_tasks(const struct known *k, const struct place_set *shared, const struct place_set *others)
{
	const struct place_guest *g = &k->elastic.place;
	struct done *d = done_of(k);

	if (d == NULL)
		return;
	for (unsigned v = 0; v < PLACE_VCPUS_MAX; v++) {
		struct place_set own = { 0 };

		if (v >= g->vcpus) {
			d->cpu[v] = NEVER;
			continue;
		}
		if (g->cpu[v] >= 0 ? d->cpu[v] == g->cpu[v]
				   : d->cpu[v] == SHARED && memcmp(&d->shared, shared, sizeof(*shared)) == 0)
			continue;
		if (g->cpu[v] >= 0)
			place_add(&own, (unsigned)g->cpu[v]);
		add_task(k->name, (int)v, g->cpu[v] >= 0 ? &own : shared);
		d->cpu[v] = g->cpu[v] >= 0 ? g->cpu[v] : SHARED;
	}
	d->shared = *shared;
	if (memcmp(&d->others, others, sizeof(*others)) != 0)
		add_task(k->name, -1, others);
	d->others = *others;
}

/* Guests that have vCPUs, highest priority first: it chooses first. Under the lock. */
static void collect(void)
{
	all->count = 0;
	for (uint32_t priority = POLICY_PRIORITY_MAX + 1; priority-- > 0;)
		for (unsigned i = 0; i < ixd.guest_count; i++) {
			struct known *k = ixd.guests[i];

			if ((k->scale.priority <= POLICY_PRIORITY_MAX ? k->scale.priority : POLICY_PRIORITY_MAX) !=
			    priority)
				continue;
			if (!k->elastic.is_placed)
				place_new(&k->elastic.place);
			k->elastic.is_placed = true;
			k->elastic.place.vcpus = k->domain.state == DOMAIN_RUNNING || k->domain.state == DOMAIN_PAUSED
							 ? k->domain.cpus
							 : 0;
			all->known[all->count] = k;
			all->places[all->count++] = k->elastic.place;
		}
}

/* Under the lock. */
static void place(const struct place_topology *t)
{
	static struct place_set shared, others;

	collect();
	forget_removed();
	place_all(t, all->places, all->count);
	place_shared(t, all->places, all->count, &shared);
	place_others(t, all->places, all->count, &others);
	all->task_count = 0;
	for (unsigned i = 0; i < all->count; i++) {
		all->known[i]->elastic.place = all->places[i];
		if (!t->is_small && all->places[i].vcpus > 0)
			add_tasks(all->known[i], &shared, &others);
	}
}

/* Not done is to be done again. */
static void forget(const struct task *t)
{
	for (unsigned i = 0; i < all->done_count; i++)
		if (strcmp(all->done[i].name, t->name) == 0)
			all->done[i].pid = 0;
}

static void carry_out(const struct task *t)
{
	struct domain_cpus cpus = { .bits = t->cpus.bits, .count = PLACE_CPUS_MAX };
	struct err err = { 0 };
	char words[WORDS];

	if (domain_pin(ixd.domains, t->name, t->vcpu, &cpus, &err) != 0) {
		forget(t);
	} else if (t->vcpu >= 0) {
		place_words(&t->cpus, words, sizeof(words));
		event_note(t->name, "pinned", json_pack("{s:i, s:s}", "vcpu", t->vcpu, "cpus", words));
	}
	err_fini(&err);
}

void pin_turn(unsigned second)
{
	static struct place_topology t;

	if (second % POLLERS_EVERY == 0 || !has_topology)
		look_at_host();
	if (!pin_topology(&t))
		return;
	pthread_mutex_lock(&ixd.lock);
	place(&t);
	pthread_mutex_unlock(&ixd.lock);
	for (unsigned i = 0; i < all->task_count; i++)
		carry_out(&all->tasks[i]);
}

static void *run(void *arg)
{
	(void)arg;
	for (unsigned second = 0;; second++) {
		pin_turn(second);
		nanosleep(&(struct timespec){ 1, 0 }, NULL);
	}
	return NULL;
}

void pin_init(void)
{
	if (all != NULL)
		free(all->tasks);
	free(all);
	all = calloc(1, sizeof(*all));
	if (all == NULL)
		abort();
}

void pin_start(void)
{
	pthread_t thread;

	pin_init();
	if (pthread_create(&thread, NULL, run, NULL) != 0)
		abort();
	pthread_detach(thread);
}
