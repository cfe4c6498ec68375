/* SPDX-License-Identifier: MIT */
/* One x86-64 instruction's bytes -> what is to be counted when it executes. No state, no QEMU. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>
#include "bench/plugin/counter.h"

#define INSN_BYTES_MAX 15u
#define INSN_COUNTERS_MAX 3u

struct insn {
	unsigned counter_count;
	enum counter counters[INSN_COUNTERS_MAX]; /* each goes up by one */
	unsigned loads_bytes;                     /* by each memory read of a repeated string instruction, else 0 */
	unsigned stores_bytes;                    /* by each memory write of one, else 0 */
	bool is_wrmsr;                            /* which register it is stands in ECX */
	int stage;                                /* marker NOP: 0..15; -1: none */
};

/** decode_insn() - @bytes: the instruction's @len bytes, followed by zeros up to INSN_BYTES_MAX + 1. */
void decode_insn(const uint8_t *bytes, size_t len, struct insn *out);
