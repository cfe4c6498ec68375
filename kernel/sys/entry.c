/* SPDX-License-Identifier: MIT */
/*
 * The entries of ring 3 that are not the loop: each takes its registers, checks them, and answers in
 * rax. What a guest writes on the console can neither move the cursor nor colour the operator's screen.
 */
#include "kernel/abi/status.h"
#include "kernel/base/log.h"
#include "kernel/cpu/cpu.h"
#include "kernel/sys/batch.h"
#include "kernel/sys/do.h"
#include "kernel/sys/fetch.h"
#include "kernel/sys/sys.h"

#define CONSOLE_MAX 4096u
#define CONSOLE_PIECE 512u

/* Whether IX_WAKE named a core since it last looked. Set by any core, the rest is written by the one it belongs to. */
enum wake { WAKE_NONE, WAKE_SET, WAKE_REFUSED };
static struct {
	uint32_t state; /* enum wake, atomic */
} ALIGNED(64) wakes[CORES_MAX];

static int64_t entry_wake(uint64_t target)
{
	uint32_t was = WAKE_NONE;

	if (target >= user_partition.cores)
		return IX_BAD_CALL;
	if (!(cpu_running() >> target & 1))
		return IX_UNREACHABLE;
	/* An interrupt is on its way already if it was set; our own core looks when it runs the loop. */
	if (!__atomic_compare_exchange_n(&wakes[target].state, &was, WAKE_SET, false, __ATOMIC_SEQ_CST,
					 __ATOMIC_SEQ_CST))
		return was == WAKE_SET ? IX_OK : IX_UNREACHABLE;
	if (target != core_id())
		cpu_wake((uint32_t)target);
	return IX_OK;
}

/*
 * Control characters and C1 controls, bare or as U+0080..U+009F, become '?'; line feed, tab and other
 * UTF-8 pass. @last: the byte before, 0 at the start of a call.
 */
static char console_safe(uint8_t c, uint8_t last)
{
	if (c == '\n' || c == '\t' || (c >= 0x20 && c < 0x7f) || c >= 0xa0)
		return (char)c;
	if (c >= 0x80 && last >= 0x80 && last != 0xc2)
		return (char)c;
	return '?';
}

static int64_t entry_console(ix_uaddr_t va, uint64_t bytes)
{
	char piece[CONSOLE_PIECE];
	struct net_range text;
	uint8_t last = 0;
	unsigned n = 0;

	if (bytes == 0)
		return 0;
	if (!fetch_range(va, MIN(bytes, CONSOLE_MAX), &text))
		return IX_BAD_ADDRESS;
	for (uint32_t i = 0; i < text.bytes; i++) {
		uint8_t c = READ_ONCE(text.data[i]);

		piece[n++] = console_safe(c, last);
		last = c;
		if (n == CONSOLE_PIECE || i + 1 == text.bytes) {
			log_write(piece, n);
			n = 0;
		}
	}
	return text.bytes;
}

bool sys_entry(const struct user_call *call, uint64_t *result)
{
	int64_t answer = IX_BAD_CALL;

	switch (call->number) {
	case IX_RUN_IO:
		return false;
	case IX_CALL:
		answer = sys_batch();
		break;
	case IX_UPCALL:
		answer = IX_UNSUPPORTED;
		break;
	case IX_WAKE:
		answer = entry_wake(call->arg[0]);
		break;
	case IX_EXIT:
		user_exit(call->arg[0]);
		return false;
	case IX_START:
		/* The core is a 32-bit number from here on: what would be cut off is refused first. */
		if (call->arg[0] < CORES_MAX)
			answer = user_start((uint32_t)call->arg[0], call->arg[1], call->arg[2]);
		break;
	case IX_CONSOLE:
		answer = entry_console(call->arg[0], call->arg[1]);
		break;
	case IX_SET_FS:
		answer = user_set_fs(call->arg[0]);
		break;
	default:
		break;
	}
	*result = (uint64_t)answer;
	return true;
}

bool sys_wake_take(void)
{
	uint32_t *state = &wakes[core_id()].state;

	return unlikely(__atomic_load_n(state, __ATOMIC_RELAXED) == WAKE_SET) &&
	       __atomic_exchange_n(state, WAKE_NONE, __ATOMIC_SEQ_CST);
}

bool sys_wake_refuse(bool is_last)
{
	uint32_t was = WAKE_NONE;

	return __atomic_compare_exchange_n(&wakes[core_id()].state, &was, WAKE_REFUSED, false, __ATOMIC_SEQ_CST,
					   __ATOMIC_SEQ_CST) ||
	       (is_last && __atomic_exchange_n(&wakes[core_id()].state, WAKE_REFUSED, __ATOMIC_SEQ_CST));
}

void sys_wake_accept(void)
{
	uint32_t was = WAKE_REFUSED;

	(void)__atomic_compare_exchange_n(&wakes[core_id()].state, &was, WAKE_NONE, false, __ATOMIC_SEQ_CST,
					  __ATOMIC_SEQ_CST);
}

void sys_partition_end(void)
{
	do_timer_end();
	batch_clear();
	(void)sys_wake_take();
}
