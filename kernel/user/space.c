/* SPDX-License-Identifier: MIT */
/*
 * The partition: one piece of physical memory seen by ring 3 as program, data and heap, and a stack for
 * each core. Mapped whole at start with the program's rights, never unmapped.
 */
#include "kernel/user/space.h"

#include "kernel/abi/call.h"
#include "kernel/abi/event.h"
#include "kernel/base/assert.h"
#include "kernel/base/bytes.h"
#include "kernel/base/err.h"
#include "kernel/base/log.h"
#include "kernel/conf/conf.h"
#include "kernel/cpu/cpu.h"
#include "kernel/cpu/start.h"
#include "kernel/mem/map.h"
#include "kernel/mem/mem.h"
#include "kernel/user/elf.h"
#include "kernel/user/user.h"

#define AT_NULL 0 /* [System V ABI 3.4.3] */
#define AT_PHDR 3
#define AT_PHENT 4
#define AT_PHNUM 5
#define AT_PAGESZ 6
#define AT_ENTRY 9
#define AT_SECURE 23
#define AT_RANDOM 25
#define AUX_WORDS 18u
#define STACK_TEXT_BYTES 32768u /* most that name, arguments and environment may fill */

struct user_partition user_partition;

static struct elf_program program;
static const uint8_t *elf_file; /* the pristine copy, inside the image */
static const struct conf *conf;
static uint64_t initial_rsp;

/* What is being put on top of core 0's stack. */
struct stack_writer {
	uint8_t *low; /* direct map of the stack's lowest byte */
	uint64_t off; /* from low; moves down */
};

static uint64_t stack_va(const struct stack_writer *w)
{
	return IX_STACK_VA + w->off;
}

static uint64_t push_bytes(struct stack_writer *w, const void *data, size_t bytes)
{
	w->off -= bytes;
	memcpy(w->low + w->off, data, bytes);
	return stack_va(w);
}

static uint64_t push_text(struct stack_writer *w, const char *text)
{
	return push_bytes(w, text, strlen(text) + 1);
}

/* argc, argv, envp and auxv as a C library expects them at its first instruction [System V ABI 3.4.1]. */
static uint64_t build_stack(void)
{
	struct stack_writer w = { user_partition.stacks, IX_STACK_BYTES };
	uint64_t words[1 + 1 + IX_ARGS_MAX + 1 + IX_ENV_MAX + 1 + AUX_WORDS], random_va;
	uint8_t random[16];
	unsigned n = 0;

	cpu_random(random, sizeof(random));
	random_va = push_bytes(&w, random, sizeof(random));
	words[n++] = conf->arg_count + 1;
	words[n++] = push_text(&w, conf->name);
	for (uint32_t i = 0; i < conf->arg_count; i++)
		words[n++] = push_text(&w, conf->args[i]);
	words[n++] = 0;
	for (uint32_t i = 0; i < conf->env_count; i++)
		words[n++] = push_text(&w, conf->env[i]);
	words[n++] = 0;
	const uint64_t aux[AUX_WORDS] = { AT_PHDR,   program.phdr_va,    AT_PHENT,  56,
					  AT_PHNUM,  program.phdr_count, AT_PAGESZ, PAGE_BYTES,
					  AT_ENTRY,  program.entry,      AT_SECURE, 0,
					  AT_RANDOM, random_va,          AT_NULL,   0 };
	memcpy(words + n, aux, sizeof(aux));
	n += AUX_WORDS;
	w.off = ALIGN_DOWN(w.off - n * 8, 16);
	memcpy(w.low + w.off, words, n * 8);
	return stack_va(&w);
}

static uint64_t text_bytes(void)
{
	uint64_t bytes = strlen(conf->name) + 1;

	for (uint32_t i = 0; i < conf->arg_count; i++)
		bytes += strlen(conf->args[i]) + 1;
	for (uint32_t i = 0; i < conf->env_count; i++)
		bytes += strlen(conf->env[i]) + 1;
	return bytes;
}

void space_load(bool again)
{
	if (again) {
		memset(user_partition.data, 0, user_partition.bytes);
		memset(user_partition.stacks, 0, user_partition.cores * IX_STACK_BYTES);
		for (uint32_t c = 0; c < user_partition.cores; c++) {
			memset(map_core_page(c, IX_CALL_ARRAY_VA), 0, sizeof(struct ix_call_array));
			memset(map_core_page(c, IX_EVENT_ARRAY_VA), 0, sizeof(struct ix_event_array));
		}
	}
	for (uint32_t i = 0; i < program.segment_count; i++) {
		const struct elf_segment *s = &program.segments[i];

		memcpy(user_partition.data + s->off, elf_file + s->file_off, s->file_bytes);
	}
	initial_rsp = build_stack();
	((struct ix_info *)map_info_page())->restarts += again;
}

/* Segments with their own rights, which the gap before one shares; what lies after them is data. */
static int map_partition(pa_t pa)
{
	uint64_t off = 0, end;
	int err = 0;

	for (uint32_t i = 0; i < program.segment_count && !err; i++) {
		const struct elf_segment *s = &program.segments[i];
		unsigned rights = MAP_USER | (s->write ? MAP_WRITE : 0) | (s->exec ? MAP_EXEC : 0);

		end = MAX(ALIGN_UP(s->off + s->bytes, HUGE_BYTES), off);
		err = map_range(IX_PARTITION_VA + off, pa + off, end - off, rights);
		off = end;
		if (!s->write)
			user_partition.writable_off = off;
	}
	if (err)
		return err;
	return map_range(IX_PARTITION_VA + off, pa + off, user_partition.bytes - off, MAP_USER | MAP_WRITE);
}

static int map_stacks(void)
{
	int err = 0;

	for (uint32_t c = 0; c < user_partition.cores && !err; c++)
		err = map_range(IX_STACK_VA + c * IX_STACK_STRIDE, mem_pa(user_partition.stacks) + c * IX_STACK_BYTES,
				IX_STACK_BYTES, MAP_USER | MAP_WRITE);
	return err;
}

static void fill_info(void)
{
	struct ix_info *info = map_info_page();

	*info = (struct ix_info){ .abi_version = IX_ABI_VERSION,
				  .core_count = user_partition.cores,
				  .tsc_hz = cpu_tsc_hz,
				  .tsc_boot = cpu_tsc(),
				  .realtime_boot_ns = cpu_realtime_ns(),
				  .heap_va = IX_PARTITION_VA + program.end_off,
				  .heap_bytes = user_partition.bytes - program.end_off,
				  .has_fsgsbase = cpu_has_fsgsbase(),
				  .connections = conf->connections };
}

int user_init(const struct conf *c, const void *elf, size_t elf_bytes)
{
	const char *error;
	uint64_t heap;
	int err = elf_parse(elf, elf_bytes, &program, &error);

	conf = c;
	elf_file = elf;
	if (err) {
		log_line("the application cannot be loaded: %s", error);
		return err;
	}
	if (text_bytes() > STACK_TEXT_BYTES) {
		log_line("args and env fill more than %u bytes: use files[] instead", STACK_TEXT_BYTES);
		return KERR_INVALID;
	}
	heap = ALIGN_UP((uint64_t)conf->heap_mib << 20, HUGE_BYTES);
	user_partition.cores = cpu_core_limit();
	user_partition.bytes = program.end_off + heap;
	user_partition.data = mem_boot_alloc(user_partition.bytes, HUGE_BYTES);
	user_partition.stacks = mem_boot_alloc(user_partition.cores * IX_STACK_BYTES, HUGE_BYTES);
	if (!user_partition.data || !user_partition.stacks) {
		log_line("no memory for the partition: it wants %lu MiB in one piece, %lu MiB are left; raise "
			 "memory_mib "
			 "or lower heap_mib",
			 (user_partition.bytes >> 20) + 2 * user_partition.cores, mem_boot_free_bytes() >> 20);
		return KERR_NO_MEMORY;
	}
	err = map_partition(mem_pa(user_partition.data));
	err = err ? err : map_stacks();
	if (err) {
		log_line("no memory for the partition's page tables: raise memory_mib");
		return err;
	}
	fill_info();
	space_load(false);
	return 0;
}

uint64_t space_entry(void)
{
	return program.entry;
}

uint64_t space_initial_rsp(void)
{
	return initial_rsp;
}

uint32_t space_watchdog_ms(void)
{
	return conf->watchdog_ms;
}

bool space_is_code(uint64_t va)
{
	uint64_t off = va - IX_PARTITION_VA;

	for (uint32_t i = 0; i < program.segment_count; i++) {
		const struct elf_segment *s = &program.segments[i];

		if (s->exec && off >= s->off && off - s->off < s->bytes)
			return true;
	}
	return false;
}

const void *space_read(uint64_t va, uint64_t bytes)
{
	uint64_t off = va - IX_PARTITION_VA, core = (va - IX_STACK_VA) / IX_STACK_STRIDE;
	uint64_t stack_off = (va - IX_STACK_VA) % IX_STACK_STRIDE;

	if (va >= IX_PARTITION_VA && bytes <= user_partition.bytes && off <= user_partition.bytes - bytes)
		return user_partition.data + off;
	if (va >= IX_STACK_VA && core < user_partition.cores && bytes <= IX_STACK_BYTES &&
	    stack_off <= IX_STACK_BYTES - bytes)
		return user_partition.stacks + core * IX_STACK_BYTES + stack_off;
	return NULL;
}
