/* SPDX-License-Identifier: MIT */
/*
 * What nobody asked us for. Once a second the numbers of vCPUs are compared: a record that says that a resize is under way, on
 * which nobody works, is one that was cut short; a QEMU of another number began anew; and vCPUs that came or went without us
 * are an operator's wish.
 */
#include "hostctl/ixd/scale_run.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define AGAIN_MS 2000 /* until what failed is tried again */

/* What was asked of a guest whose QEMU began anew, or whose resize was cut short, goes on. */
static void go_on(struct guest *g, enum scale_by by)
{
	struct resize *rs = calloc(1, sizeof(*rs));
	struct err ignored = { 0 }; /* the event says it */

	if (rs == NULL)
		abort();
	rs->g = g;
	rs->to = scale_within(g, g->cores);
	rs->why.by = by;
	/* The policy parks first; whether vCPUs go, too, is for it to say again. */
	rs->why.keeps_vcpus = by == SCALE_BY_POLICY;
	rs->is_resumed = true;
	scale_by_record(rs, &ignored);
	err_fini(&ignored);
	free(rs);
}

/*
 * Somebody talked to libvirt or QEMU past us: that is what is wanted from now on. The guest did its part by itself; what is left
 * to do is to wait for it, and to have libvirt count again.
 */
static void follow(struct guest *g, uint32_t before, uint32_t now)
{
	struct resize *rs = calloc(1, sizeof(*rs));
	struct err ignored = { 0 };

	if (rs == NULL)
		abort();
	rs->g = g;
	rs->from = before;
	rs->to = scale_within(g, now);
	rs->why = (struct scale_why){ .by = SCALE_BY_VIRSH, .keeps_vcpus = true };
	g->is_auto = false;
	scale_by_record(rs, &ignored);
	err_fini(&ignored);
	free(rs);
}

static enum scale_by by_of(const char *word)
{
	for (unsigned i = 0; i < SCALE_BY_NR; i++)
		if (strcmp(word, scale_by_name((enum scale_by)i)) == 0)
			return (enum scale_by)i;
	return SCALE_BY_HAND;
}

/*
 * What has been settled is what is so afterwards, else a vCPU that came before and goes now would look like nothing new. First what the
 * guest said, then what libvirt does: where one goes in between they differ. Return: whether there are still the @count vCPUs that the
 * record has, else somebody went on past us meanwhile; and libvirt counts right.
 */
static bool is_agreed(const char *name, uint32_t count, struct scale_seen *seen)
{
	struct err ignored = { 0 };
	struct domain_vcpus now;
	struct known *k;
	bool is;

	pthread_mutex_lock(&ixd.lock);
	k = known_find(name);
	seen->present = k != NULL && k->has_guest ? k->guest.cores_present : 0;
	pthread_mutex_unlock(&ixd.lock);
	is = domain_vcpus(ixd.domains, name, &now, &ignored) == 0 && now.count == count && now.libvirt == count;
	seen->libvirt = now.libvirt;
	err_fini(&ignored);
	return is;
}

/* With the lock. Return: 0 when there is nothing left to settle now: then @seen is as it is. */
static int settle(struct guest *g, struct scale_seen *seen, struct err *err)
{
	struct guest_vcpus before = g->vcpus;
	struct domain_vcpus now;
	struct domain_info info;

	if (domain_info(ixd.domains, g->name, &info, err) != 0)
		return -1;
	if (info.state != DOMAIN_RUNNING)
		return 0;
	if (domain_vcpus(ixd.domains, g->name, &now, err) != 0)
		return -1;
	guest_vcpus_see(&g->vcpus, info.pid, domain_process_start(info.pid), now.threads);
	if (g->scaling[0] != '\0') {
		go_on(g, by_of(g->scaling));
	} else if (before.pid != g->vcpus.pid || before.start != g->vcpus.start) {
		scale_remember(g->name, true);
		if (g->is_auto)
			g->cores = scale_within(g, now.count);
		if (guest_save(g, err) == 0 && scale_within(g, g->cores) != now.count)
			go_on(g, SCALE_BY_HAND);
	} else if (before.count != now.count) {
		follow(g, before.count, now.count);
	} else if (now.count != now.libvirt && domain_set_vcpus(ixd.domains, g->name, now.count, &now, err) == 0) {
		event_note(g->name, "vcpus-counted", json_pack("{s:i}", "vcpus", (int)now.count));
	}
	scale_remember(g->name, false);
	scale_know(g);
	return err->status == 0 && is_agreed(g->name, g->vcpus.count, seen) ? 0 : -1;
}

static void *run_settle(void *arg)
{
	char *name = arg;
	struct guest *g = scale_record();
	struct err err = { 0 };
	int lock = scale_take(name, g, &err);
	struct known *k;
	struct scale_seen seen = { .pid = 0 };
	bool is_settled = lock >= 0 && settle(g, &seen, &err) == 0;

	if (lock >= 0)
		close(lock);
	err_fini(&err);
	guest_fini(g);
	free(g);
	pthread_mutex_lock(&ixd.lock);
	k = known_find(name);
	if (k != NULL) {
		k->scale.is_at_work = false;
		k->scale.settled_ms = now_ms();
		if (!is_settled) {
			k->scale.settled.pid = 0; /* look again */
		} else if (seen.libvirt != 0) {
			k->scale.settled.libvirt = seen.libvirt;
			k->scale.settled.present = seen.present;
		}
	}
	pthread_mutex_unlock(&ixd.lock);
	free(name);
	return NULL;
}

/* Whether something is not as it was when it was settled last. A guest that is not honest gets one look for each lie. */
static bool is_news(const struct known *k, const struct scale_seen *seen)
{
	if (k->is_busy || k->domain.state != DOMAIN_RUNNING || !k->has_guest || k->trust != PAGE_GOOD ||
	    k->guest.state == IX_PAGE_BOOTING || k->scale.is_at_work)
		return false;
	if (memcmp(seen, &k->scale.settled, sizeof(*seen)) != 0)
		return k->scale.settled.pid != 0 || now_ms() - k->scale.settled_ms >= AGAIN_MS ||
		       k->scale.settled_ms == 0;
	return k->scale.is_open && now_ms() - k->scale.settled_ms >= AGAIN_MS;
}

void scale_watch(struct known *k)
{
	struct scale_seen seen = { .pid = k->domain.pid,
				   .libvirt = k->domain.cpus,
				   .present = k->has_guest ? k->guest.cores_present : 0 };
	pthread_t thread;
	char *name;

	if (!is_news(k, &seen))
		return;
	name = strdup(k->name);
	if (name == NULL)
		abort();
	k->scale.is_at_work = true;
	k->scale.settled = seen;
	if (pthread_create(&thread, NULL, run_settle, name) == 0) {
		pthread_detach(thread);
		return;
	}
	k->scale.is_at_work = false;
	k->scale.settled.pid = 0;
	free(name);
}
