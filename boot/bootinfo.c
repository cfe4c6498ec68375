/* SPDX-License-Identifier: MIT */
/*
 * The layout of PVH's start info [Xen include/public/arch-x86/hvm/start_info.h] and how it becomes a
 * struct boot_info. Runs on the boot page tables: only the lowest 16 MiB can be read.
 */
#include "boot/boot.h"

#include "kernel/base/bytes.h"
#include "kernel/base/err.h"
#include "kernel/mem/layout.h"

#define START_MAGIC 0x336ec578u
#define BOOT_MAPPED 0x1000000ull
#define MEMMAP_RAM 1u
#define MEMMAP_ENTRIES_MAX 128u

struct start_info {
	le32_t magic;
	le32_t version;
	le32_t flags;
	le32_t module_count;
	le64_t modules_pa;
	le64_t cmdline_pa;
	le64_t rsdp_pa;
	le64_t memmap_pa; /* version 1 on */
	le32_t memmap_entries;
	le32_t reserved;
};
_Static_assert(sizeof(struct start_info) == 56, "start_info.h");

struct memmap_entry {
	le64_t pa;
	le64_t bytes;
	le32_t type;
	le32_t reserved;
};
_Static_assert(sizeof(struct memmap_entry) == 24, "start_info.h");

extern const uint8_t boot_ap_code[], boot_ap_code_end[];
extern const struct ix_image boot_image_note;
extern uint8_t kernel_end[];
uint64_t boot_ap_root;

static const void *mapped(pa_t pa, uint64_t bytes)
{
	if (!pa || pa >= BOOT_MAPPED || bytes > BOOT_MAPPED - pa)
		return NULL;
	/* Identity-mapped by long_mode.S. */
	return (const void *)(uintptr_t)pa;
}

/* Keeps ranges sorted by address and disjoint, whole pages only: RAM that is named twice is handed out once. */
static void add_ram(struct boot_info *out, uint64_t pa, uint64_t bytes)
{
	uint64_t from = ALIGN_UP(pa, PAGE_BYTES), to;
	unsigned at, kept = 0;

	if (bytes > UINT64_MAX - pa)
		return;
	to = ALIGN_DOWN(pa + bytes, PAGE_BYTES);
	if (from < pa || from >= to)
		return;
	for (unsigned i = 0; i < out->ram_count; i++) {
		struct boot_range r = out->ram[i];

		if (r.pa < to && from < r.pa + r.bytes) {
			from = MIN(from, r.pa);
			to = MAX(to, r.pa + r.bytes);
		} else {
			out->ram[kept++] = r;
		}
	}
	out->ram_count = kept;
	if (kept == BOOT_RANGES_MAX)
		return;
	for (at = kept; at > 0 && out->ram[at - 1].pa > from; at--)
		out->ram[at] = out->ram[at - 1];
	out->ram[at] = (struct boot_range){ .pa = from, .bytes = to - from };
	out->ram_count++;
}

int boot_info_read(pa_t start_info, struct boot_info *out, const char **error)
{
	const void *at = mapped(start_info, sizeof(struct start_info));
	const uint8_t *map;
	struct start_info s;
	const char *cmdline;

	memset(out, 0, sizeof(*out));
	*error = "no PVH start info: boot this image by qemu -kernel or libvirt <kernel>";
	if (!at)
		return KERR_INVALID;
	memcpy(&s, at, sizeof(s)); /* nobody promises alignment */
	if (s.magic != START_MAGIC)
		return KERR_INVALID;
	*error = "PVH start info without a memory map: QEMU 9.2 or newer is needed";
	if (s.version < 1 || s.memmap_entries == 0 || s.memmap_entries > MEMMAP_ENTRIES_MAX)
		return KERR_INVALID;
	map = mapped(s.memmap_pa, s.memmap_entries * sizeof(struct memmap_entry));
	if (!map)
		return KERR_INVALID;
	for (unsigned i = 0; i < s.memmap_entries; i++) {
		struct memmap_entry e;

		memcpy(&e, map + i * sizeof(e), sizeof(e));
		if (e.type == MEMMAP_RAM)
			add_ram(out, e.pa, e.bytes);
	}
	out->rsdp_pa = s.rsdp_pa;
	out->kernel_end_pa = ALIGN_UP((uint64_t)(uintptr_t)kernel_end - MEM_KERNEL_VA, HUGE_BYTES);
	cmdline = mapped(s.cmdline_pa, 1);
	*error = "kernel command line longer than 4,095 bytes";
	if (cmdline) {
		size_t bytes = strnlen(cmdline, MIN(BOOT_CMDLINE_BYTES, BOOT_MAPPED - s.cmdline_pa));

		if (bytes == BOOT_CMDLINE_BYTES)
			return KERR_INVALID;
		memcpy(out->cmdline, cmdline, bytes);
	}
	*error = NULL;
	return 0;
}

const struct ix_image *boot_image(void)
{
	return &boot_image_note;
}

void boot_ap_prepare(pa_t root, uint8_t *low)
{
	boot_ap_root = root;
	memcpy(low + BOOT_AP_PAGE, boot_ap_code, (size_t)(boot_ap_code_end - boot_ap_code));
}
