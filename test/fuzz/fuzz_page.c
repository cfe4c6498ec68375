/* SPDX-License-Identifier: MIT */
/*
 * The control page as ixd reads it. The input is what a guest does to it, step by step: u8 how, then
 *   0..3  u8 area, u16 offset in it, u64 value: written there (bit 3 of `how`: and the area's sequence is made even, not 0)
 *   4     u8 core: looked at;   5 guest;   6 groups, crash, resize;     8 u8 op: a command;   9 the answer
 * What is believed must lie inside its limits and never go back.
 */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include "hostctl/page/page.h"
#include "test/fuzz/fuzz.h"

#define STEPS_MAX 256u
#define MEMORY_BYTES (256ull << 20)

static uint8_t *memory;
static int file = -1;
static struct ix_page_core core_now;
static struct ix_page_crash crash_now;
static struct ix_page_core before[2]; /* of the page that is open */
static struct ix_page_resize resize_before;

static const uint32_t areas[] = { IX_PAGE_AT_GUEST, IX_PAGE_AT_ANSWER,  IX_PAGE_AT_GROUPS,
				  IX_PAGE_AT_CRASH, IX_PAGE_AT_CORES,   IX_PAGE_AT_CORES + IX_PAGE_CORE_STRIDE,
				  IX_PAGE_AT_HEAD,  IX_PAGE_AT_COMMAND, IX_PAGE_AT_RESIZE };

static void scribble(struct feed *f, bool is_even)
{
	uint32_t at = areas[feed_u8(f) % (sizeof(areas) / sizeof(areas[0]))];
	uint32_t offset = feed_u16(f) % (IX_PAGE_CORE_STRIDE - 8), sequence = 2;
	uint64_t value = feed_u64(f);

	memcpy(memory + at + offset, &value, sizeof(value));
	if (is_even)
		memcpy(memory + at, &sequence, sizeof(sequence));
}

static void look_at_core(struct page *page, unsigned core)
{
	if (page_core(page, core, &core_now) != PAGE_GOOD)
		return;
	for (unsigned i = 0; i < IX_VALUE_NR; i++)
		FUZZ_CHECK(!page_values[i].is_counter || core_now.value[i] >= before[core].value[i]);
	FUZZ_CHECK(core_now.value[IX_VALUE_IDLE_SLOW] <= 1000000);
	before[core] = core_now;
}

static void look_at_crash(struct page *page)
{
	uint64_t sum = 0;

	if (page_crash(page, MEMORY_BYTES, &crash_now) != PAGE_GOOD)
		return;
	FUZZ_CHECK(crash_now.range_count <= IX_PAGE_CRASH_RANGES && crash_now.text_bytes <= IX_PAGE_CRASH_TEXT);
	for (unsigned i = 0; i < crash_now.range_count; i++) {
		sum += crash_now.range[i].bytes;
		FUZZ_CHECK(crash_now.range[i].pa + crash_now.range[i].bytes <= MEMORY_BYTES);
	}
	FUZZ_CHECK(sum <= MEMORY_BYTES);
}

static void look_at_resize(struct page *page)
{
	static struct ix_page_resize now;

	if (page_resize(page, &now) != PAGE_GOOD)
		return;
	FUZZ_CHECK(now.refused_why < IX_PAGE_REFUSED_NR && now.refused_core < IX_PAGE_CORES_MAX);
	FUZZ_CHECK(now.plugged >= resize_before.plugged && now.groups >= resize_before.groups);
	resize_before = now;
}

static void step(struct page *page, struct feed *f)
{
	const uint64_t arg[4] = { 1, 2, 3, 4 };
	static uint32_t sequence;
	struct ix_page_guest guest;
	struct ix_page_groups groups;
	struct ix_page_answer answer;
	uint8_t how = feed_u8(f);

	switch (how & 7) {
	case 4:
		look_at_core(page, feed_u8(f) % 2);
		break;
	case 5:
		if (page_guest(page, &guest) == PAGE_GOOD)
			FUZZ_CHECK(guest.state < IX_PAGE_STATE_NR && guest.cores <= guest.cores_max);
		break;
	case 6:
		if (page_groups(page, &groups) == PAGE_GOOD)
			FUZZ_CHECK(groups.count <= IX_PAGE_GROUPS_MAX);
		look_at_crash(page);
		look_at_resize(page);
		break;
	case 7:
		if (how & 8 && page_answer(page, sequence, &answer) == PAGE_TORN)
			page_abandon(page);
		if (!(how & 8))
			sequence = page_command(page, (enum ix_page_op)feed_u8(f), arg);
		break;
	default:
		scribble(f, how & 8);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct feed f = { data, data + bytes };
	struct err err = { 0 };
	struct page *page;

	if (file < 0) {
		file = memfd_create("page", MFD_CLOEXEC);
		FUZZ_CHECK(file >= 0 && ftruncate(file, IX_PAGE_BYTES) == 0);
		memory = mmap(NULL, IX_PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
		FUZZ_CHECK(memory != MAP_FAILED);
	}
	page = page_fresh(dup(file), &err);
	FUZZ_CHECK(page);
	memset(before, 0, sizeof(before));
	memset(&resize_before, 0, sizeof(resize_before));
	for (unsigned i = 0; i < STEPS_MAX && feed_left(&f); i++)
		step(page, &f);
	page_close(page);
	memset(before, 0, sizeof(before));
	page = page_adopt(dup(file), &err); /* as an ixd that starts anew finds it */
	if (page)
		look_at_core(page, 0);
	page_close(page);
	err_fini(&err);
	return 0;
}
