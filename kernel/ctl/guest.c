/* SPDX-License-Identifier: MIT */
/* What the page says of the guest as a whole: its state, heartbeat, addresses, who owns which flow group. Boot core. */
#include "kernel/abi/exit.h"
#include "kernel/base/bytes.h"
#include "kernel/buf/buf.h"
#include "kernel/conf/conf.h"
#include "kernel/cores/cores.h"
#include "kernel/cpu/cpu.h"
#include "kernel/cpu/start.h"
#include "kernel/ctl/page.h"
#include "kernel/flow/flow.h"
#include "kernel/net/net.h"
#include "kernel/nic/nic.h"
#include "kernel/user/user.h"

#define GROUPS_US 10000u

static struct guest_self {
	tsc_t groups_at; /* when they are written next */
	bool is_stopping;
	uint32_t restarts;
	uint64_t cores_seen; /* of cores_resize() */
} self;

static uint32_t state_now(const struct net_who *who)
{
	if (user_is_ending())
		return user_end_cause().how == USER_END_EXIT ? IX_PAGE_STOPPING : IX_PAGE_FAULTED;
	if (self.is_stopping)
		return IX_PAGE_STOPPING;
	if (!who->is_ready)
		return self.restarts ? IX_PAGE_FAULTED : IX_PAGE_BOOTING;
	return net_is_draining() ? IX_PAGE_DRAINING : IX_PAGE_READY;
}

static void publish_groups(tsc_t now)
{
	struct ix_page_groups *g = page_at(IX_PAGE_AT_GROUPS);

	if (now < self.groups_at)
		return;
	self.groups_at = now + cpu_us_to_tsc(GROUPS_US);
	page_begin(&g->sequence);
	g->count = flow_groups();
	for (unsigned i = 0; i < flow_groups(); i++)
		g->owner[i] = (uint8_t)flow_owner((uint8_t)i);
	page_end(&g->sequence);
}

/* Of a core that runs nothing nobody else tells; of one that never has there is no more to tell than that. */
static void publish_silent(uint32_t core)
{
	struct ix_page_core *block = page_at(IX_PAGE_AT_CORES + core * IX_PAGE_CORE_STRIDE);
	uint32_t state = cores_state(core);

	if (!cores_is_silent(core) || block->state == state)
		return;
	page_begin(&block->sequence);
	block->state = state;
	page_end(&block->sequence);
}

static void publish_cores(void)
{
	struct ix_page_resize *r = page_at(IX_PAGE_AT_RESIZE);
	const struct ix_page_resize *now = cores_resize(&self.cores_seen);

	if (!now)
		return;
	for (uint32_t core = 0; core < cpu_core_limit(); core++)
		publish_silent(core);
	page_begin(&r->sequence);
	memcpy((uint8_t *)r + sizeof(r->sequence), (const uint8_t *)now + sizeof(now->sequence),
	       sizeof(*now) - sizeof(now->sequence));
	page_end(&r->sequence);
}

void guest_publish(tsc_t now)
{
	struct ix_page_guest *g = page_at(IX_PAGE_AT_GUEST);
	struct net_who who;

	net_who(&who);
	page_begin(&g->sequence);
	g->state = state_now(&who);
	g->beat++;
	g->up_us = cpu_tsc_to_us(now);
	g->cores = cpu_count(cpu_running());
	g->cores_present = cpu_count(cores_present());
	g->cores_wanted = cores_wanted();
	g->restarts = self.restarts;
	memcpy(g->address, &who.address, sizeof(g->address));
	memcpy(g->address6, &who.address6, sizeof(g->address6));
	g->prefix = (uint8_t)who.prefix;
	g->prefix6 = (uint8_t)who.prefix6;
	page_end(&g->sequence);
	publish_groups(now);
	publish_cores();
}

void guest_note_stop(void)
{
	self.is_stopping = true;
}

void guest_note_restart(void)
{
	self.restarts++;
}

/* The last word: whatever ends the guest, on whatever core. */
static void on_exit(unsigned how)
{
	struct ix_page_guest *g = page_at(IX_PAGE_AT_GUEST);

	page_begin(&g->sequence);
	g->state = IX_PAGE_ENDED;
	g->exit_how = how;
	page_end(&g->sequence);
}

void guest_init(const struct conf *conf)
{
	struct ix_page_guest *g = page_at(IX_PAGE_AT_GUEST);
	const struct ix_page_head *head = page_at(IX_PAGE_AT_HEAD);
	const struct nic_info *nic = nic_info();

	self = (struct guest_self){ 0 };
	page_begin(&g->sequence);
	memset((uint8_t *)g + sizeof(g->sequence), 0, sizeof(*g) - sizeof(g->sequence));
	memcpy(g->id, head->id, sizeof(g->id));
	g->tsc_khz = cpu_tsc_hz / 1000;
	g->cores_min = conf->cores_min;
	g->cores_max = conf->cores_max;
	g->cores_wanted = cores_wanted();
	g->cores_present = cpu_count(cores_present());
	g->groups = flow_groups();
	g->queue_pairs = nic->queue_pairs;
	memcpy(g->mac, nic->mac, sizeof(g->mac));
	g->connections_max = conf->connections;
	g->buffers_total = buf_total();
	page_end(&g->sequence);
	power_on_exit(on_exit);
}
