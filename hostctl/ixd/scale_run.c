/* SPDX-License-Identifier: MIT */
/*
 * A resize: a look at what is so, one move, and a look again, until it is as wanted. Nothing is remembered between two moves but
 * the record, so that one who finds a resize half done does the same as one who began it.
 */
#include "hostctl/ixd/command.h"
#include "hostctl/ixd/scale_run.h"
#include "kernel/abi/status.h"
#include <string.h>
#include <time.h>

#define MOVES_MAX 12u
#define POLL_MS 2
#define SET_MS (4 * (int64_t)IX_PAGE_LEAVE_MS) /* each core that leaves may take its time; so may a busy host */
#define WAIT_MS 10000                          /* for a core that was made to turn its loop */

static void nap(void)
{
	nanosleep(&(struct timespec){ 0, POLL_MS * 1000000l }, NULL);
}

/* The guest has noticed what came and went; of vCPUs beyond its limit it need not know. */
static bool is_counted(const struct scale_look *now)
{
	uint32_t count = now->vcpus.count < now->limit ? now->vcpus.count : now->limit;

	return now->present == count || (now->present > now->limit && count == now->limit);
}

enum scale_move scale_next(const struct scale_look *now, uint32_t cores, bool keeps)
{
	if (now->vcpus.count < cores)
		return SCALE_MOVE_PLUG;
	if (now->vcpus.count != now->vcpus.libvirt)
		return SCALE_MOVE_COUNT;
	if (now->running < cores)
		return now->wanted < cores ? SCALE_MOVE_SET : SCALE_MOVE_WAIT;
	if (now->running > cores)
		return now->wanted > cores ? SCALE_MOVE_SET : SCALE_MOVE_WAIT;
	/* So many run, and one that comes while we look is not to. */
	if (now->vcpus.count > cores && now->wanted > cores)
		return SCALE_MOVE_SET;
	if (now->vcpus.count > cores && !keeps)
		return SCALE_MOVE_UNPLUG;
	return is_counted(now) ? SCALE_DONE : SCALE_MOVE_WAIT;
}

/* ---- looking ---- */

/* The guest's page now; what sample.c read last may be a tenth of a second old. False: it says nothing. */
static bool look_at_page(const char *name, struct ix_page_guest *guest, struct ix_page_resize *resize)
{
	bool is_good = false;
	struct known *k;

	pthread_mutex_lock(&ixd.lock);
	k = known_find(name);
	if (k != NULL && k->page != NULL && page_guest(k->page, guest) == PAGE_GOOD) {
		is_good = true;
		/* Who asks what came of it is not told what was so before. */
		k->guest.cores = guest->cores;
		k->guest.cores_present = guest->cores_present;
		k->guest.cores_wanted = guest->cores_wanted;
		if (page_resize(k->page, resize) != PAGE_GOOD)
			memset(resize, 0, sizeof(*resize)); /* nothing has come or gone so far */
	}
	pthread_mutex_unlock(&ixd.lock);
	return is_good;
}

/* What the first look is compared with: itself, or the last one when somebody else has done the work already. */
static void before(struct resize *rs)
{
	const struct known *k;

	rs->before = rs->after;
	if (rs->why.by != SCALE_BY_VIRSH)
		return;
	pthread_mutex_lock(&ixd.lock);
	k = known_find(rs->g->name);
	if (k != NULL)
		rs->before = k->scale.last;
	pthread_mutex_unlock(&ixd.lock);
}

static int look_at_guest(struct resize *rs, struct err *err)
{
	int64_t until = now_ms() + 1000;
	struct ix_page_guest guest;

	while (!look_at_page(rs->g->name, &guest, &rs->after)) {
		if (now_ms() > until)
			return err_set(err, STATUS_USAGE, "%s: its control page says nothing that can be believed",
				       rs->g->name);
		nap();
	}
	if (!rs->has_page)
		before(rs);
	rs->has_page = true;
	rs->now.running = guest.cores;
	rs->now.wanted = guest.cores_wanted;
	rs->now.present = guest.cores_present;
	rs->now.limit = guest.cores_max;
	return 0;
}

/* Threads that are new are counted before anything else is done. */
static int see_threads(struct guest *g, const struct domain_vcpus *v, struct err *err)
{
	struct domain_info info;

	if (domain_info(ixd.domains, g->name, &info, err) != 0)
		return -1;
	return guest_vcpus_see(&g->vcpus, info.pid, domain_process_start(info.pid), v->threads) ? guest_save(g, err)
												: 0;
}

/*
 * vCPUs that others made and took away between two looks had threads that nobody saw. But none goes that the guest has not given back,
 * and its page says how many it has; one that says less than is so can end nobody's QEMU but its own.
 */
static int see_ejected(struct resize *rs, struct err *err)
{
	struct guest_vcpus *v = &rs->g->vcpus;
	uint64_t ever = (uint64_t)rs->now.vcpus.count + rs->after.ejected;

	if (ixd.host.is_kvm || ever <= v->made)
		return 0;
	v->made = ever <= INT32_MAX ? (uint32_t)ever : INT32_MAX;
	return guest_save(rs->g, err);
}

int scale_look(struct resize *rs, struct err *err)
{
	if (domain_vcpus(ixd.domains, rs->g->name, &rs->now.vcpus, err) != 0 ||
	    see_threads(rs->g, &rs->now.vcpus, err) != 0 || look_at_guest(rs, err) != 0)
		return -1;
	return see_ejected(rs, err);
}

/* ---- moving ---- */

static void add_step(struct resize *rs, enum scale_step step, int64_t since_ms)
{
	rs->has_step[step] = true;
	rs->step_us[step] += (uint64_t)(now_ms() - since_ms) * 1000;
}

static int set_cores(struct resize *rs, struct err *err)
{
	struct command c = { .op = IX_PAGE_SET_CORES, .arg = { rs->to }, .ms = SET_MS };
	bool is_growth = rs->now.running < rs->to;
	int64_t since = now_ms();
	struct err why = { 0 };
	int result = command_do(rs->g->name, &c, &why);

	if (result == 0)
		add_step(rs, is_growth ? SCALE_UNPARK : SCALE_PARK, since);
	else if (c.answer.status == IX_IN_USE)
		err_set(err, STATUS_MACHINE,
			"%s: its application did not let go of a core within %u s, which runs on; try again",
			rs->g->name, IX_PAGE_LEAVE_MS / 1000);
	else if (c.answer.status == IX_UNSUPPORTED)
		err_set(err, STATUS_DATA, "%s: its image is older than cores that come and go; ixctl replace %s IMAGE",
			rs->g->name, rs->g->name);
	else
		err_set(err, why.status, "%s", why.text);
	err_fini(&why);
	return result;
}

/* Under emulation QEMU ends when it has made too many threads. Those that are about to be made are counted before. */
static int take_from_budget(struct resize *rs, uint32_t count, struct err *err)
{
	if (ixd.host.is_kvm)
		return 0;
	if ((uint64_t)rs->g->vcpus.made + count > rs->now.vcpus.max)
		return err_set(err, STATUS_USAGE,
			       "%s has used %u of the %u vCPUs that an emulated machine can have in its life, and this "
			       "takes %u more: `ixctl replace %s IMAGE` starts to count anew",
			       rs->g->name, rs->g->vcpus.made, rs->now.vcpus.max, count, rs->g->name);
	rs->g->vcpus.made += count;
	return guest_save(rs->g, err);
}

static int plug(struct resize *rs, struct err *err)
{
	uint32_t count = rs->to - rs->now.vcpus.count;
	struct domain_vcpus now;
	int64_t since = now_ms();
	int result;

	if (take_from_budget(rs, count, err) != 0)
		return -1;
	request_say(rs->r, "plugging %u vCPU%s", count, count == 1 ? "" : "s");
	result = domain_set_vcpus(ixd.domains, rs->g->name, rs->to, &now, err);
	/* Those that came are found by their threads; only while nobody knows whether they came does the guess stand. */
	if (!ixd.host.is_kvm && now.count > 0)
		rs->g->vcpus.made -= count;
	if (result == 0)
		add_step(rs, SCALE_PLUG, since);
	return result;
}

static int unplug(struct resize *rs, struct err *err)
{
	struct domain_vcpus now;
	int64_t since = now_ms();
	struct err ignored = { 0 };

	request_say(rs->r, "taking %u vCPU%s away", rs->now.vcpus.count - rs->to,
		    rs->now.vcpus.count - rs->to == 1 ? "" : "s");
	/* What cannot be done past libvirt, it may still do. */
	if (!ixd.host.is_kvm && domain_eject_vcpus(ixd.domains, rs->g->name, rs->to, &now, &ignored) != 0)
		err_fini(&ignored);
	if (domain_set_vcpus(ixd.domains, rs->g->name, rs->to, &now, err) != 0)
		return -1;
	add_step(rs, SCALE_UNPLUG, since);
	return 0;
}

static int mend_count(struct resize *rs, struct err *err)
{
	struct domain_vcpus now;

	return domain_set_vcpus(ixd.domains, rs->g->name, rs->now.vcpus.count, &now, err);
}

static int say_refused(const struct resize *rs, struct err *err)
{
	static const char *const words[IX_PAGE_REFUSED_NR] = {
		[IX_PAGE_REFUSED_NONE] = "",
		[IX_PAGE_REFUSED_MINIMUM] = ": fewer would be left than it needs",
		[IX_PAGE_REFUSED_BOOT] = ": its first core stays",
		[IX_PAGE_REFUSED_BUSY] = ": its application did not let go of the core",
		[IX_PAGE_REFUSED_MANY] = ": it has made no room for so many",
		[IX_PAGE_REFUSED_SILENT] = ": the core was started and did not answer",
		[IX_PAGE_REFUSED_MEMORY] = ": it had no memory for the change",
	};

	return err_set(err, STATUS_MACHINE, "%s refused%s (core %u)", rs->g->name, words[rs->after.refused_why],
		       rs->after.refused_core);
}

/* Until so many run. What the guest refused meanwhile it will not do later. */
static int wait_for_guest(struct resize *rs, struct err *err)
{
	int64_t until = now_ms() + WAIT_MS;

	while (rs->now.running != rs->to || !is_counted(&rs->now)) {
		if (rs->after.refused != rs->before.refused && rs->after.refused_core < rs->to)
			return say_refused(rs, err);
		if (now_ms() > until)
			return err_set(err, STATUS_MACHINE,
				       "%s runs %u cores and sees %u vCPUs, not %u and %u, after %d s", rs->g->name,
				       rs->now.running, rs->now.present, rs->to, rs->now.vcpus.count, WAIT_MS / 1000);
		nap();
		if (look_at_guest(rs, err) != 0)
			return -1;
	}
	return 0;
}

static int move(struct resize *rs, enum scale_move what, struct err *err)
{
	switch (what) {
	case SCALE_MOVE_SET:
		return set_cores(rs, err);
	case SCALE_MOVE_PLUG:
		return plug(rs, err);
	case SCALE_MOVE_UNPLUG:
		return unplug(rs, err);
	case SCALE_MOVE_COUNT:
		return mend_count(rs, err);
	case SCALE_MOVE_WAIT:
		return wait_for_guest(rs, err);
	default:
		return 0;
	}
}

int scale_run(struct resize *rs, struct err *err)
{
	for (unsigned i = 0; i < MOVES_MAX; i++) {
		enum scale_move what;

		if (scale_look(rs, err) != 0)
			return -1;
		what = scale_next(&rs->now, rs->to, rs->why.keeps_vcpus);
		if (what == SCALE_DONE)
			return 0;
		if (move(rs, what, err) != 0) {
			struct err ignored = { 0 };

			scale_look(rs, &ignored);
			err_fini(&ignored);
			return -1;
		}
	}
	return err_set(err, STATUS_MACHINE, "%s has %u vCPUs and runs %u cores, and does not come to rest at %u",
		       rs->g->name, rs->now.vcpus.count, rs->now.running, rs->to);
}
