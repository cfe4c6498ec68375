/* SPDX-License-Identifier: MIT */
/*
 * A program as it stands in an image, into the reader of ring 0. What is accepted lies in the file and in the partition, its parts
 * in order and apart, nothing both writable and executable, and the entry is code that the file has.
 */
#include "kernel/user/elf.h"

#include "kernel/abi/entry.h"
#include "test/fuzz/fuzz.h"

static void check(const struct elf_program *p, size_t bytes)
{
	uint64_t end = 0, entry = p->entry - IX_PARTITION_VA;
	bool is_code = false;

	FUZZ_CHECK(p->segment_count <= ELF_SEGMENTS_MAX);
	for (uint32_t i = 0; i < p->segment_count; i++) {
		const struct elf_segment *s = &p->segments[i];

		FUZZ_CHECK(s->off >= end && s->bytes && s->off + s->bytes > s->off);
		FUZZ_CHECK(s->file_bytes <= s->bytes && s->file_off <= bytes && s->file_bytes <= bytes - s->file_off);
		FUZZ_CHECK(!(s->write && s->exec));
		end = s->off + s->bytes;
		is_code |= s->exec && entry - s->off < s->file_bytes;
	}
	FUZZ_CHECK(is_code && p->end_off >= end);
	FUZZ_CHECK(!p->phdr_va || p->phdr_va - IX_PARTITION_VA < p->end_off);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct elf_program p;
	const char *error;

	if (elf_parse(data, bytes, &p, &error))
		FUZZ_CHECK(error && error[0]);
	else
		check(&p, bytes);
	return 0;
}
