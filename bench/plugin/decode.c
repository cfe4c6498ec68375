/* SPDX-License-Identifier: MIT */
/*
 * The opcodes that matter to a hypervisor or to a comparison of two kernels, and the marker NOP. Opcode bytes as in
 * [SDM 2 appendix A]; an instruction that is none of these counts as an instruction and nothing more.
 */
#include "bench/plugin/decode.h"

#include <string.h>

#include "bench/plugin/stages.h"

#define MARKER 0x1D1E0000u /* nopl MARKER + stage(%rax,%rax,1): 0f 1f 84 00 imm32 */

struct prefixes {
	bool is_rep, is_locked, is_operand_16, is_wide;
};

static void count(struct insn *out, enum counter c)
{
	out->counters[out->counter_count++] = c;
}

static const uint8_t *skip_prefixes(const uint8_t *p, const uint8_t *end, struct prefixes *out)
{
	for (; p < end; p++) {
		switch (*p) {
		case 0xf2:
		case 0xf3:
			out->is_rep = true;
			continue;
		case 0xf0:
			out->is_locked = true;
			continue;
		case 0x66:
			out->is_operand_16 = true;
			continue;
		case 0x67:
		case 0x26:
		case 0x2e:
		case 0x36:
		case 0x3e:
		case 0x64:
		case 0x65:
			continue;
		}
		break;
	}
	if (p < end && (*p & 0xf0) == 0x40) { /* REX */
		out->is_wide = *p & 8;
		p++;
	}
	return p;
}

/* MOVS and STOS under a repeat prefix: QEMU executes them as one instruction, so their bytes are counted apart. */
static void decode_string(uint8_t op, const struct prefixes *x, struct insn *out)
{
	unsigned unit = 1;

	if (!x->is_rep)
		return;
	if (op & 1)
		unit = x->is_wide ? 8 : x->is_operand_16 ? 2 : 4;
	count(out, COUNTER_rep);
	out->stores_bytes = unit;
	if (op < 0xa8)
		out->loads_bytes = unit;
}

static void decode_0f_01(uint8_t modrm, struct insn *out)
{
	switch (modrm) {
	case 0xf8:
		count(out, COUNTER_swapgs);
		return;
	case 0xf9:
		count(out, COUNTER_rdtsc);
		return;
	case 0xc1:
	case 0xd9:
		count(out, COUNTER_vmcall);
		return;
	case 0xc8:
	case 0xc9:
		count(out, COUNTER_monitor);
		return;
	}
	if (modrm < 0xc0 && (modrm >> 3 & 7) == 7)
		count(out, COUNTER_invlpg);
}

static void decode_nop(const uint8_t *bytes, size_t len, struct insn *out)
{
	uint32_t imm;

	if (len != 8 || bytes[0] != 0x0f || bytes[2] != 0x84 || bytes[3] != 0x00)
		return;
	memcpy(&imm, bytes + 4, sizeof(imm));
	if ((imm & ~(STAGES - 1)) == MARKER)
		out->stage = (int)(imm & (STAGES - 1));
}

static void decode_0f(const uint8_t *p, const struct prefixes *x, struct insn *out)
{
	switch (p[1]) {
	case 0x01:
		decode_0f_01(p[2], out);
		break;
	case 0x05:
		count(out, COUNTER_syscall);
		break;
	case 0x09:
		count(out, COUNTER_wbinvd);
		break;
	case 0x22:
		if ((p[2] >> 3 & 7) == 3)
			count(out, COUNTER_cr3);
		break;
	case 0x30:
		count(out, COUNTER_wrmsr);
		out->is_wrmsr = true;
		break;
	case 0x31:
		count(out, COUNTER_rdtsc);
		break;
	case 0x32:
		count(out, COUNTER_rdmsr);
		break;
	case 0xa2:
		count(out, COUNTER_cpuid);
		break;
	case 0xae:
		if (p[2] >= 0xe8 && !x->is_rep)
			count(out, COUNTER_fence);
		break;
	}
}

void decode_insn(const uint8_t *bytes, size_t len, struct insn *out)
{
	struct prefixes x = { 0 };
	const uint8_t *p = skip_prefixes(bytes, bytes + len, &x);

	memset(out, 0, sizeof(*out));
	out->stage = -1;
	if (x.is_locked)
		count(out, COUNTER_lock);
	switch (*p) {
	case 0x0f:
		decode_0f(p, &x, out);
		if (p[1] == 0x1f)
			decode_nop(bytes, len, out);
		break;
	case 0x6c:
	case 0x6d:
	case 0xe4:
	case 0xe5:
	case 0xec:
	case 0xed:
		count(out, COUNTER_pio_in);
		break;
	case 0x6e:
	case 0x6f:
	case 0xe6:
	case 0xe7:
	case 0xee:
	case 0xef:
		count(out, COUNTER_pio_out);
		break;
	case 0x86:
	case 0x87:
		if (p[1] < 0xc0)
			count(out, COUNTER_xchg_memory);
		break;
	case 0x90:
		if (x.is_rep)
			count(out, COUNTER_pause);
		break;
	case 0xa4:
	case 0xa5:
	case 0xaa:
	case 0xab:
		decode_string(*p, &x, out);
		break;
	case 0xcf:
		count(out, COUNTER_iret);
		break;
	case 0xf4:
		count(out, COUNTER_hlt);
		break;
	}
}
