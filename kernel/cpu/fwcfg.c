/* SPDX-License-Identifier: MIT */
/* QEMU's fw_cfg by ports: a directory of named files [QEMU docs/specs/fw_cfg]. */
#include "kernel/base/bytes.h"
#include "kernel/base/err.h"
#include "kernel/cpu/cpu.h"
#include "kernel/cpu/start.h"

#define FWCFG_SELECTOR 0x510
#define FWCFG_DATA 0x511
#define FWCFG_SIGNATURE 0x0000
#define FWCFG_DIRECTORY 0x0019
#define FWCFG_FILES_MAX 1024u

struct fwcfg_file {
	be32_t bytes;
	be16_t select;
	uint16_t reserved;
	char name[56];
};
_Static_assert(sizeof(struct fwcfg_file) == 64, "fw_cfg.rst");

/* As one string instruction: a hypervisor then takes many bytes at a time. */
static void read_bytes(void *out, size_t bytes)
{
	__asm__ volatile("rep insb" : "+D"(out), "+c"(bytes) : "d"(FWCFG_DATA) : "memory");
}

static bool is_there(void)
{
	char signature[4] = "";

	cpu_out16(FWCFG_SELECTOR, FWCFG_SIGNATURE);
	read_bytes(signature, sizeof(signature));
	return memcmp(signature, "QEMU", 4) == 0;
}

bool fwcfg_entry(uint32_t index, struct fwcfg_entry *out)
{
	struct fwcfg_file f = { 0 };
	be32_t count = 0;

	if (!is_there())
		return false;
	cpu_out16(FWCFG_SELECTOR, FWCFG_DIRECTORY);
	read_bytes(&count, sizeof(count));
	if (index >= MIN(be32(count), FWCFG_FILES_MAX))
		return false;
	for (uint32_t i = 0; i <= index; i++)
		read_bytes(&f, sizeof(f));
	f.name[sizeof(f.name) - 1] = '\0';
	memcpy(out->name, f.name, sizeof(out->name));
	out->bytes = be32(f.bytes);
	out->select = be16(f.select);
	return true;
}

void fwcfg_load(const struct fwcfg_entry *entry, void *out)
{
	cpu_out16(FWCFG_SELECTOR, entry->select);
	read_bytes(out, entry->bytes);
}

int fwcfg_read(const char *name, void *out, size_t max)
{
	struct fwcfg_entry e;

	for (uint32_t i = 0; fwcfg_entry(i, &e); i++) {
		if (strcmp(e.name, name) == 0) {
			e.bytes = (uint32_t)MIN((size_t)e.bytes, max);
			fwcfg_load(&e, out);
			return (int)e.bytes;
		}
	}
	return KERR_NOT_FOUND;
}
