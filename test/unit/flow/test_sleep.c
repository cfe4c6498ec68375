/* SPDX-License-Identifier: MIT */
/*
 * Two threads as two cores under the thread sanitizer: one receives and hands over, the other sleeps
 * whenever it may. No race, no frame lost or twice, no sleep that nobody ends. The code under test is
 * compiled in here, because its core number must be each thread's own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>
#include "kernel/base/percore.h"

static __thread uint32_t thread_core;
#define core_id() thread_core

#include "kernel/flow/group.c"
#include "kernel/flow/hash.c"
#include "kernel/flow/send.c"
#include "kernel/flow/steer.c"

#define FRAMES 100000u

static struct buf frames[FRAMES];
static uint8_t data[256][64];
static sem_t interrupt[2];
static unsigned produced;
static uint8_t seen[FRAMES];
static unsigned consumed; /* by the sleeper */
static bool failed;
static struct nic_info info = { .queue_pairs = 1 };

/* ---- the machine ---- */

const struct nic_info *nic_info(void)
{
	return &info;
}

int nic_irq_core(uint16_t queue, uint32_t core)
{
	return queue != core;
}

int nic_steer(const struct nic_steering *steering)
{
	(void)steering;
	return 0;
}

unsigned nic_rx_waiting(uint16_t queue)
{
	(void)queue;
	return 0;
}

unsigned nic_rx_burst(uint16_t queue, struct buf **out, unsigned max)
{
	unsigned n = 0, want = (unsigned)random() % 4;

	(void)queue;
	for (; n < max && n < want && produced < FRAMES; n++)
		out[n] = &frames[produced++];
	return n;
}

bool nic_irq_arm(uint16_t queue)
{
	(void)queue;
	return true;
}

void nic_irq_disarm(uint16_t queue)
{
	(void)queue;
}

bool nic_tx(uint16_t queue, const struct nic_tx *tx)
{
	return queue == 0 && tx;
}

pa_t mem_pa(const void *va)
{
	return (uintptr_t)va;
}

bool nic_tx_short(uint16_t queue, void *token, uint8_t *frame, uint32_t bytes, uint16_t csum_offset)
{
	return queue == 0 && token && frame && bytes && csum_offset;
}

uint32_t nic_tx_room(uint16_t queue)
{
	(void)queue;
	return 0;
}

void nic_tx_flush(uint16_t queue)
{
	(void)queue;
}

unsigned nic_tx_reclaim(uint16_t queue, void **tokens, unsigned max)
{
	(void)tokens;
	return queue * max;
}

unsigned nic_tx_pending(uint16_t queue)
{
	return queue;
}

bool nic_tx_starved(uint16_t queue)
{
	return queue != 0;
}

void buf_free_frame(struct buf *first)
{
	__atomic_store_n(&seen[first->index], 2, __ATOMIC_RELAXED); /* dropped: the ring was full */
}

void cpu_random(void *out, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		((uint8_t *)out)[i] = (uint8_t)random();
}

uint64_t cpu_running(void)
{
	return 3;
}

void cpu_wake(uint32_t core)
{
	(void)sem_post(&interrupt[core]);
}

void log_line(const char *fmt, ...)
{
	(void)fmt;
}

void *mem_boot_alloc(size_t bytes, size_t align)
{
	void *p = aligned_alloc(align, ALIGN_UP(bytes, align));

	memset(p, 0, bytes);
	return p;
}

/* HLT: false if no interrupt came for so long that the wake-up must have been lost. */
static bool halt(void)
{
	struct timespec until;

	(void)clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 5;
	while (sem_timedwait(&interrupt[1], &until))
		if (errno != EINTR)
			return false;
	return true;
}

/* ---- the two cores ---- */

/* Some time, so that the two meet at every place of their dance. */
static void dawdle(void)
{
	for (volatile unsigned i = (unsigned)random() % 200; i > 0; i--)
		;
}

/* Each burst waits for the one before, so that a lost wake-up is not healed by the next. */
static void await_sleeper(void)
{
	while (__atomic_load_n(&consumed, __ATOMIC_ACQUIRE) != flow_core()->stats.handed_over &&
	       !__atomic_load_n(&failed, __ATOMIC_RELAXED))
		(void)sched_yield();
}

static void *receiver(void *unused)
{
	struct buf *out[64];

	thread_core = 0;
	while (produced < FRAMES) {
		unsigned n = flow_rx(out, 64);

		for (unsigned i = 0; i < n; i++)
			__atomic_store_n(&seen[out[i]->index], 1, __ATOMIC_RELAXED);
		flow_tx_flush();
		await_sleeper();
		dawdle();
	}
	return unused;
}

static void *sleeper(void *unused)
{
	struct buf *out[64];
	bool is_last = false;

	thread_core = 1;
	while (!is_last) {
		unsigned n = flow_rx(out, 64);

		for (unsigned i = 0; i < n; i++) {
			is_last = is_last || out[i]->index == FRAMES - 1;
			if (__atomic_exchange_n(&seen[out[i]->index], 1, __ATOMIC_RELAXED))
				__atomic_store_n(&failed, true, __ATOMIC_RELAXED); /* twice */
		}
		__atomic_fetch_add(&consumed, n, __ATOMIC_RELEASE);
		if (n)
			continue;
		dawdle();
		if (!flow_sleep_begin() && !halt()) {
			__atomic_store_n(&failed, true, __ATOMIC_RELAXED);
			return unused;
		}
		flow_sleep_end();
	}
	return unused;
}

static void prepare(void)
{
	srandom(17);
	for (unsigned i = 0; i < 256; i++) {
		data[i][12] = 8;
		data[i][14] = 0x45;
		data[i][23] = 6;
		data[i][26] = (uint8_t)i;
	}
	for (unsigned i = 0; i < FRAMES; i++)
		frames[i] = (struct buf){ .data = data[random() % 256], .index = i, .len = 60 };
	/* The last one is the sleeper's: it ends the test. */
	for (unsigned i = 0; i < 256; i++) {
		frames[FRAMES - 1].data = data[i];
		if (group_core_of(&frames[FRAMES - 1]) == 1)
			return;
	}
}

static void test_no_lost_wakeup(void **state)
{
	pthread_t threads[2];

	(void)state;
	assert_int_equal(sem_init(&interrupt[0], 0, 0) | sem_init(&interrupt[1], 0, 0), 0);
	assert_int_equal(flow_init(2), 0);
	prepare();
	assert_int_equal(pthread_create(&threads[0], NULL, receiver, NULL), 0);
	assert_int_equal(pthread_create(&threads[1], NULL, sleeper, NULL), 0);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_false(failed);
	for (unsigned i = 0; i < FRAMES; i++)
		assert_int_not_equal(seen[i], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_lost_wakeup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
