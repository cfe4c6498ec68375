/* SPDX-License-Identifier: MIT */
/* The fakes of world.h. */
#include "test/unit/ctl/world.h"

#include <sys/mman.h>
#include <unistd.h>
#include "kernel/base/log.h"
#include "kernel/cores/cores.h"
#include "kernel/cpu/start.h"
#include "kernel/cpu/trap.h"
#include "kernel/event/event.h"
#include "kernel/mem/mem.h"
#include "kernel/sys/sys.h"
#include "test/fake/cpu.h"
#include "test/fake/machine.h"
#include "test/fake/mem.h"

struct world world;
tsc_t fake_now;
uint64_t fake_msr[2];
struct user_partition user_partition;
static struct nic_info nic;
static const uint8_t page_id[16] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 };

void world_begin(void)
{
	struct fake_function *f;

	memset(&world, 0, sizeof(world));
	world.fd = memfd_create("page", MFD_CLOEXEC);
	assert_int_equal(ftruncate(world.fd, IX_PAGE_BYTES), 0);
	world.page = mmap(NULL, IX_PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, world.fd, 0);
	assert_true(world.page != MAP_FAILED);
	*world_head() = (struct ix_page_head){ .magic = IX_PAGE_MAGIC,
					       .version = IX_PAGE_VERSION,
					       .bytes = IX_PAGE_BYTES };
	memcpy(world_head()->id, page_id, sizeof(page_id));
	fake_mem_reset(SIZE_MAX);
	fake_mem_device(WORLD_PAGE_PA, IX_PAGE_BYTES, world.page);
	fake_pci_reset();
	f = fake_pci_add(0, 3, 0, 0x1af4, 0x1110, 0);
	fake_pci_bar(f, 2, WORLD_PAGE_PA, IX_PAGE_BYTES, true);
	world.conf.cores_min = 1;
	world.conf.cores_max = 4;
	world.conf.connections = 1000;
	world.groups = 4;
	world.end.how = USER_END_FAULT;
	nic = (struct nic_info){ .mac = { 2, 1, 2, 3, 4, 5 }, .queue_pairs = 2 };
	percore_id = 0;
	fake_core_count = 1;
	world.core_state = IX_PAGE_CORE_RUNS;
	fake_now = 5000 * (tsc_t)WORLD_MS;
	ctl_core = (struct ctl_core){ 0 };
	event_core_init(&world.events);
	event_begin();
}

void world_end(void)
{
	munmap(world.page, IX_PAGE_BYTES);
	close(world.fd);
}

void world_start(void)
{
	acpi_events_init(&world.acpi);
	ctl_init(&world.conf, &world.acpi);
	ctl_core_init();
}

void world_turn(void)
{
	fake_now += WORLD_MS + 1;
	ctl_turn(fake_now, 0, 0);
}

struct ix_page_head *world_head(void)
{
	return (struct ix_page_head *)(world.page + IX_PAGE_AT_HEAD);
}

struct ix_page_guest *world_guest(void)
{
	return (struct ix_page_guest *)(world.page + IX_PAGE_AT_GUEST);
}

struct ix_page_core *world_core(unsigned core)
{
	return (struct ix_page_core *)(world.page + IX_PAGE_AT_CORES + core * IX_PAGE_CORE_STRIDE);
}

struct ix_page_answer *world_answer(void)
{
	return (struct ix_page_answer *)(world.page + IX_PAGE_AT_ANSWER);
}

struct ix_page_groups *world_groups(void)
{
	return (struct ix_page_groups *)(world.page + IX_PAGE_AT_GROUPS);
}

struct ix_page_crash *world_crash(void)
{
	return (struct ix_page_crash *)(world.page + IX_PAGE_AT_CRASH);
}

struct ix_page_command *world_command(void)
{
	return (struct ix_page_command *)(world.page + IX_PAGE_AT_COMMAND);
}

/* CRC-32C by division of the whole message, most significant bit first, unlike the kernel's. */
void world_seal(struct ix_page_command *c)
{
	const uint8_t *p = (const uint8_t *)c;
	uint32_t remainder = UINT32_MAX, sum = 0;

	for (size_t bit = 0; bit < 8 * offsetof(struct ix_page_command, crc); bit++) {
		uint32_t top = remainder >> 31 ^ (p[bit / 8] >> bit % 8 & 1);

		remainder = remainder << 1 ^ (top ? 0x1edc6f41u : 0);
	}
	for (unsigned bit = 0; bit < 32; bit++)
		sum |= (remainder >> bit & 1) << (31 - bit);
	c->crc = ~sum;
}

uint32_t world_say(uint32_t op, uint64_t arg0, uint64_t arg1)
{
	struct ix_page_command *c = world_command();
	struct ix_page_command next = { .sequence = c->sequence + 1, .op = op, .arg = { arg0, arg1 } };

	world_seal(&next);
	*c = next;
	return next.sequence;
}

int32_t world_ask(uint32_t op, uint64_t arg0, uint64_t arg1)
{
	uint32_t sequence = world_say(op, arg0, arg1);

	for (unsigned i = 0; i < 5 && world_answer()->sequence != sequence; i++)
		world_turn();
	assert_int_equal(world_answer()->sequence, sequence);
	return world_answer()->status;
}

/* ---- what stands around kernel/ctl ---- */
void net_who(struct net_who *out)
{
	*out = world.who;
}

void net_drain(bool is_on)
{
	world.is_draining = is_on;
}

bool net_is_draining(void)
{
	return world.is_draining;
}

void net_stats(struct net_stats *out)
{
	*out = world.stats;
}

unsigned flow_groups(void)
{
	return world.groups;
}

uint32_t flow_owner(uint8_t group)
{
	return world.owner[group];
}

void flow_core_stats(struct flow_stats *out)
{
	*out = (struct flow_stats){ .handed_over = 11, .wakes = 12 };
}

uint32_t buf_available(void)
{
	return 21;
}

uint32_t buf_total(void)
{
	return 22;
}

size_t mem_slab_used(void)
{
	return 23;
}

const struct nic_info *nic_info(void)
{
	return &nic;
}

bool user_is_ending(void)
{
	return world.is_ending;
}

struct user_end user_end_cause(void)
{
	return world.end;
}

void user_on_fault(void (*fn)(const struct trap_frame *frame, uint32_t how, bool is_reported))
{
	world.on_fault = fn;
}

void power_on_exit(void (*fn)(unsigned how))
{
	world.on_exit = fn;
}

void power_pvpanic(volatile uint8_t *device)
{
	world.pvpanic = device;
}

bool net_has_events(void)
{
	return false;
}

bool sys_has_events(void)
{
	return false;
}

enum ix_page_core_state cores_state(uint32_t core)
{
	return cores_is_silent(core) ? IX_PAGE_CORE_ABSENT : world.core_state;
}

bool cores_is_silent(uint32_t core)
{
	return !(cpu_running() >> core & 1);
}

uint64_t cores_present(void)
{
	return world.present ? world.present : cpu_running();
}

uint32_t cores_wanted(void)
{
	return world.wanted;
}

const struct ix_page_resize *cores_resize(uint64_t *seen)
{
	(*seen)++;
	return &world.resize;
}

int order_submit(const struct order *o)
{
	world.order = *o;
	world.orders++;
	return world.order_status;
}

void order_on_answer(void (*fn)(const struct order_answer *answer))
{
	world.on_answer = fn;
}

bool cpu_take_rung(void)
{
	bool was = world.is_rung;

	world.is_rung = false;
	return was;
}

uint64_t trap_address(void)
{
	return 0xdead000;
}
