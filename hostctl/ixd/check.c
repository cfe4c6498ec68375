/* SPDX-License-Identifier: MIT */
/*
 * Once a second: what libvirt and the switch say of each guest, and what is missing is mended: flows that went with the
 * daemon of the switch, a guest that is wanted and whose host began anew. Slow answers hold up nobody but this thread.
 */
#include "hostctl/base/name.h"
#include "hostctl/base/paths.h"
#include "hostctl/base/say.h"
#include "hostctl/ixd/ixd.h"
#include "hostctl/ixd/lease.h"
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PERIOD_S 1u
#define REFUSED_MS 5000
#define STARTERS 4u
#define PORTLESS 3u                    /* looks: whoever is about to make the port has done so by then */
#define BOOT_MARK PATHS_RUN "/started" /* gone with /run when the host starts anew */

/* The names of all guests, copied under the lock. The caller frees. */
static char (*names(unsigned *count))[33]
{
	char(*out)[33];

	pthread_mutex_lock(&ixd.lock);
	*count = ixd.guest_count;
	out = calloc(*count + 1, sizeof(*out));
	for (unsigned i = 0; out != NULL && i < *count; i++)
		memcpy(out[i], ixd.guests[i]->name, sizeof(out[i]));
	pthread_mutex_unlock(&ixd.lock);
	if (out == NULL)
		abort();
	return out;
}

/* A guest that runs and whose page nobody has open: ours, from before we were killed. */
static void adopt(struct known *k)
{
	struct err err = { 0 };

	if (k->page != NULL || k->domain.state != DOMAIN_RUNNING)
		return;
	k->page = page_open(k->name, &err);
	k->beat_ms = now_ms();
	if (k->page != NULL)
		event_note(k->name, "adopted", NULL);
	else
		snprintf(k->why, sizeof(k->why), "%s", err.text);
	err_fini(&err);
}

/*
 * An event when frames were refused, and then one every REFUSED_MS at most, however many there are: a guest must not fill the
 * host's disk with lies. Counts that became smaller are those of another start of the switch.
 */
static void note_refused(struct known *k, enum refusal why, uint64_t count)
{
	static const char *const names[REFUSED_NR] = { [REFUSED_SPOOFED] = "spoofed",
						       [REFUSED_FORBIDDEN] = "forbidden",
						       [REFUSED_FLOODED] = "flooded",
						       [REFUSED_LIMITED] = "limited" };
	int64_t now = now_ms();

	if (count < k->refused[why].told)
		k->refused[why].told = 0;
	if (k->is_port_old)
		k->refused[why].told = count;
	if (count == k->refused[why].told || (k->refused[why].at_ms != 0 && now - k->refused[why].at_ms < REFUSED_MS))
		return;
	event_note(k->name, names[why], json_pack("{s:I}", "frames", (json_int_t)(count - k->refused[why].told)));
	k->refused[why].told = count;
	k->refused[why].at_ms = now;
}

static void note_port(struct known *k, const struct sw_state *port)
{
	if (k->port.is_linked != port->is_linked && k->domain.state == DOMAIN_RUNNING && !k->is_port_old)
		event_note(k->name, port->is_linked ? "port-linked" : "port-lost", NULL);
	note_refused(k, REFUSED_SPOOFED, port->spoofed);
	note_refused(k, REFUSED_FORBIDDEN, port->forbidden);
	note_refused(k, REFUSED_FLOODED, port->flooded);
	note_refused(k, REFUSED_LIMITED, port->limited);
	k->port = *port;
	k->is_port_old = false;
}

/* It runs and nobody is about to make it a port: we were killed just then, or somebody took it away. */
static void count_portless(struct known *k)
{
	bool runs = k->domain.state == DOMAIN_RUNNING || k->domain.state == DOMAIN_PAUSED;

	k->portless = runs && !k->is_busy && k->port.number <= 0 ? k->portless + 1 : 0;
}

/* The daemon of the switch is away: what was counted stays known, the link does not. */
static void note_port_lost(struct known *k)
{
	if (k->port.is_linked && k->domain.state == DOMAIN_RUNNING)
		event_note(k->name, "port-lost", NULL);
	k->port.is_linked = false;
}

static bool is_off(const struct domain_info *domain)
{
	return domain->state == DOMAIN_OFF || domain->state == DOMAIN_ABSENT || domain->state == DOMAIN_CRASHED;
}

/* @ports: NULL while nobody says anything of them; then what was known of the port stays, and frames may well pass. */
static void look_at(const char *name, const struct sw_states *ports)
{
	struct err err = { 0 };
	struct domain_info domain;
	bool has_domain = domain_info(ixd.domains, name, &domain, &err) == 0;
	struct known *k;

	pthread_mutex_lock(&ixd.lock);
	k = known_find(name);
	/* Who makes it run knows better: we may have asked before it did. */
	if (k != NULL && has_domain && !(k->is_busy && is_off(&domain))) {
		k->domain = domain;
		k->is_seen = true;
		adopt(k);
		if (is_off(&domain))
			k->has_guest = false;
		scale_watch(k);
	}
	if (k != NULL && ports != NULL && ports->is_alive) {
		note_port(k, sw_states_of(ports, name));
		count_portless(k);
	} else if (k != NULL && ports != NULL)
		note_port_lost(k);
	pthread_mutex_unlock(&ixd.lock);
	err_fini(&err);
}

/* Unless somebody is at work on the guest: then the next look finds whether it is still due. */
static void mend_port(const char *name)
{
	struct guest *g = calloc(1, sizeof(*g));
	struct err err = { 0 };
	unsigned looks = 0;
	struct known *k;
	int lock;

	if (g == NULL)
		abort();
	pthread_mutex_lock(&ixd.lock);
	k = known_find(name);
	if (k != NULL)
		looks = k->portless;
	pthread_mutex_unlock(&ixd.lock);
	lock = looks >= PORTLESS ? guest_lock(name, 0, &err) : -1;
	if (lock >= 0) {
		if (guest_load(g, name, &err) == 0 && deploy_port(g, &err) == 0)
			event_note(name, "port-made", NULL);
		close(lock);
	}
	err_fini(&err);
	guest_fini(g);
	free(g);
}

/*
 * The daemon of the switch forgets flows when it ends; the database does not forget what they should be. And a port may get
 * its number late, or another one.
 */
static void mend_flows(const struct sw_states *ports)
{
	static uint64_t made_for;
	struct err err = { 0 };

	if (ports->has_flows && ports->ports == made_for)
		return;
	if (sw_flows(&err) == 0) {
		made_for = ports->ports;
		if (!ports->has_flows)
			event_note(NULL, "flows-made", NULL);
	}
	err_fini(&err);
}

/* The switch answers again, or does not any more. */
static void note_switch(bool is_there, const char *why)
{
	static bool was_lost;

	if (is_there == !was_lost)
		return;
	was_lost = !is_there;
	event_note(NULL, is_there ? "switch-back" : "switch-lost", is_there ? NULL : json_pack("{s:s}", "why", why));
}

static void look_at_all(void)
{
	struct err err = { 0 };
	struct sw_states *ports = sw_states(&err);
	unsigned count;
	char(*all)[33] = names(&count);

	note_switch(ports != NULL && ports->is_alive, err.text);
	for (unsigned i = 0; i < count; i++) {
		look_at(all[i], ports);
		logs_keep_short(all[i]);
		if (ports != NULL && ports->is_alive) {
			mend_port(all[i]);
			lease_look(all[i], ports);
		}
	}
	if (ports != NULL && ports->is_alive)
		mend_flows(ports);
	free(all);
	free(ports);
	err_fini(&err);
}

/* With the lock of the guest: somebody may have started it while we waited for that. */
static bool is_not_running(const char *name, struct err *err)
{
	struct domain_info domain;

	return domain_info(ixd.domains, name, &domain, err) == 0 && domain.state != DOMAIN_RUNNING &&
	       domain.state != DOMAIN_PAUSED;
}

static void start_one(const char *name)
{
	struct guest *g = calloc(1, sizeof(*g));
	struct err err = { 0 };
	int lock = guest_lock(name, 5, &err);

	if (g == NULL)
		abort();
	if (lock >= 0 && guest_load(g, name, &err) == 0 && g->is_wanted && g->is_autostart &&
	    is_not_running(name, &err) && deploy_start(g, NULL, NULL, &err) == 0)
		event_note(name, "autostarted", NULL);
	if (err.status != 0)
		event_note(name, "autostart-failed", json_pack("{s:s}", "why", err.text));
	err_fini(&err);
	guest_fini(g);
	free(g);
	if (lock >= 0)
		close(lock);
}

/* All that were up before, for those who start them. */
struct starting {
	char (*names)[33];
	unsigned count, next; /* next: atomic */
};

static void *start_some(void *arg)
{
	struct starting *s = arg;
	unsigned i;

	while ((i = __atomic_fetch_add(&s->next, 1, __ATOMIC_RELAXED)) < s->count)
		start_one(s->names[i]);
	return NULL;
}

/* A guest that does not become ready holds up a quarter of the others, for a minute. */
static void *start_all(void *arg)
{
	struct starting *s = arg;
	pthread_t others[STARTERS - 1];
	unsigned n = 0;
	int mark;

	while (n < STARTERS - 1 && pthread_create(&others[n], NULL, start_some, s) == 0)
		n++;
	start_some(s);
	while (n > 0)
		pthread_join(others[--n], NULL);
	/* Last: killed halfway, we try the rest when we begin again. */
	mark = open(BOOT_MARK, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (mark >= 0)
		close(mark);
	free(s->names);
	free(s);
	return NULL;
}

/* Once after the host began: what was up is up again. Not after a mere restart of ours, when a guest may be off for a reason. */
static void start_wanted(void)
{
	struct starting *s;
	pthread_t thread;

	if (access(BOOT_MARK, F_OK) == 0)
		return;
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		abort();
	s->names = names(&s->count);
	if (pthread_create(&thread, NULL, start_all, s) != 0)
		abort();
	pthread_detach(thread);
}

static void wait_for_host(void)
{
	struct err err = { 0 };

	while (sw_is_up(&err) != 0 || domains_connect(ixd.domains, &err) != 0) {
		err_fini(&err);
		sleep(PERIOD_S);
	}
	deploy_publish(&err);
	err_fini(&err);
	capture_sweep();
}

static void *run(void *arg)
{
	(void)arg;
	wait_for_host();
	replace_resume_all();
	start_wanted();
	for (;;) {
		look_at_all();
		__atomic_store_n(&ixd.checked_ms, now_ms(), __ATOMIC_RELAXED);
		sleep(PERIOD_S);
	}
	return NULL;
}

void check_start(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, run, NULL) != 0)
		abort();
	pthread_detach(thread);
}
