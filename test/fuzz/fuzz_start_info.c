/* SPDX-License-Identifier: MIT */
/*
 * PVH start info: the input is the loader's memory from 0x110000 on: start info, memory map, command line. What is handed out as
 * RAM must be whole pages, in order, apart from each other.
 */
#include <sys/mman.h>
#include "boot/boot.h"
#include "kernel/mem/layout.h"
#include "test/fuzz/fuzz.h"

#define LOW_PA 0x10000u
#define LOW_END 0x1000000u /* where the boot page tables end */
#define INFO_PA 0x110000u
#define INFO_BYTES 0x4000u

/* What the assembly and the link script would give. */
uint8_t kernel_end[1];
const uint8_t boot_ap_code[4] = { 1, 2, 3, 4 }, boot_ap_code_end[1];
const struct ix_image boot_image_note = { .magic = IX_IMAGE_MAGIC };

static struct boot_info info;

static void map_low(void)
{
	static bool is_mapped;
	void *low = (void *)(uintptr_t)LOW_PA;

	if (!is_mapped)
		FUZZ_CHECK(mmap(low, LOW_END - LOW_PA, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == low);
	is_mapped = true;
}

/* The host lets nobody have the lowest 64 KiB. */
static void lift(size_t off)
{
	uint8_t *at = (uint8_t *)(uintptr_t)INFO_PA + off;

	at[2] |= 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct feed f = { data, data + bytes };
	const char *error = NULL;

	map_low();
	feed_take(&f, (void *)(uintptr_t)INFO_PA, INFO_BYTES);
	lift(24);
	lift(40);
	if (boot_info_read(INFO_PA, &info, &error)) {
		FUZZ_CHECK(error);
		return 0;
	}
	FUZZ_CHECK(info.ram_count <= BOOT_RANGES_MAX && memchr(info.cmdline, 0, sizeof(info.cmdline)));
	for (unsigned i = 0; i < info.ram_count; i++) {
		const struct boot_range *r = &info.ram[i];

		FUZZ_CHECK(r->bytes && r->pa % PAGE_BYTES == 0 && r->bytes % PAGE_BYTES == 0);
		FUZZ_CHECK(r->pa + r->bytes > r->pa);
		FUZZ_CHECK(!i || r[-1].pa + r[-1].bytes <= r->pa);
	}
	return 0;
}
