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

static void read_bytes(void *out, size_t bytes)
{
	uint8_t *to = out;

	while (bytes--)
		*to++ = cpu_in8(FWCFG_DATA);
}

int fwcfg_read(const char *name, void *out, size_t max)
{
	char signature[4];
	be32_t count;

	cpu_out16(FWCFG_SELECTOR, FWCFG_SIGNATURE);
	read_bytes(signature, sizeof(signature));
	if (memcmp(signature, "QEMU", 4) != 0)
		return KERR_NOT_FOUND;
	cpu_out16(FWCFG_SELECTOR, FWCFG_DIRECTORY);
	read_bytes(&count, sizeof(count));
	for (uint32_t i = 0; i < MIN(be32(count), FWCFG_FILES_MAX); i++) {
		struct fwcfg_file f;

		read_bytes(&f, sizeof(f));
		f.name[sizeof(f.name) - 1] = '\0';
		if (strcmp(f.name, name) == 0) {
			size_t bytes = MIN((size_t)be32(f.bytes), max);

			cpu_out16(FWCFG_SELECTOR, be16(f.select));
			read_bytes(out, bytes);
			return (int)bytes;
		}
	}
	return KERR_NOT_FOUND;
}
