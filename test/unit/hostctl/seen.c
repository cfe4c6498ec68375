/* SPDX-License-Identifier: MIT */
/* What of ixd the parts under test need: the table, clocks, and events and records that nobody keeps. */
#include "test/unit/hostctl/seen.h"
#include "hostctl/ixd/history.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct ixd ixd = { .lock = PTHREAD_MUTEX_INITIALIZER };
int64_t seen_now_ms = -1;

int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return seen_now_ms >= 0 ? seen_now_ms : t.tv_sec * 1000ll + t.tv_nsec / 1000000;
}

int64_t wall_ms(void)
{
	return (int64_t)time(NULL) * 1000;
}

void event_note(const char *guest, const char *event, json_t *detail)
{
	(void)guest;
	(void)event;
	json_decref(detail);
}

int guest_list(json_t **out, struct err *err)
{
	(void)err;
	*out = json_array();
	return 0;
}

int guest_load(struct guest *out, const char *name, struct err *err)
{
	memset(out, 0, sizeof(*out));
	return err_set(err, STATUS_DATA, "%s has no record", name);
}

void guest_fini(struct guest *g)
{
	(void)g;
}

static double wave(double second, double period, unsigned shift)
{
	return 0.5 + 0.5 * sin(second * 6.283 / period + shift * 1.3);
}

void seen_second(struct known *k, int64_t second)
{
	unsigned place = (unsigned)k->name[0] + (unsigned)strlen(k->name), running = 0;

	for (unsigned i = 0; i < k->guest.cores_max; i++) {
		struct ix_page_core *c = &k->cores[i];
		double load = 0.08 + 0.85 * wave((double)second, 240, place + i) * wave((double)second, 33, place);
		uint64_t *v = c->value;

		/* Cores come and go with the tide of ten minutes. */
		c->state = i == 0 || wave((double)second, 600, place) * k->guest.cores_max > i ? IX_PAGE_CORE_RUNS
											       : IX_PAGE_CORE_PARKED;
		running += c->state == IX_PAGE_CORE_RUNS;
		if (c->state != IX_PAGE_CORE_RUNS)
			load = 0;
		c->at_us += 1000000;
		v[IX_VALUE_TURNS] += 1000;
		v[IX_VALUE_BUSY_NS] += (uint64_t)(load * 1e9);
		v[IX_VALUE_FRAMES_IN] += (uint64_t)(load * 220000);
		v[IX_VALUE_SEGMENTS_IN] += (uint64_t)(load * 200000);
		v[IX_VALUE_UDP_IN] += (uint64_t)(load * 1000);
		v[IX_VALUE_DROPPED_UDP] += load > 0.8;
		v[IX_VALUE_CONNECTIONS] = (uint64_t)(load * 900);
		v[IX_VALUE_BATCH_SLOW] = (uint64_t)(256 + load * 4000);
		v[IX_VALUE_DELAY_SLOW] = (uint64_t)(1500 + load * load * 90000);
		v[IX_VALUE_IDLE_SLOW] = (uint64_t)((1 - load) * 1e6);
		v[IX_VALUE_MEMORY_USED] = 3 << 20;
	}
	k->guest.cores = running;
	k->guest.beat++;
	k->guest.up_us += 1000000;
	k->beat_ms = now_ms();
	k->port.rx_frames += 1000;
	k->port.tx_frames += 1100;
}

struct known *seen_guest(const char *name, unsigned cores)
{
	struct known *k = known_add(name);

	if (k == NULL)
		abort();
	k->is_wanted = k->has_guest = true;
	k->health = HEALTH_READY;
	k->domain = (struct domain_info){ .state = DOMAIN_RUNNING,
					  .cpus = cores,
					  .cpus_max = cores,
					  .memory_kib = 256 * 1024,
					  .cpu_time_ns = 1500000000,
					  .pid = 1 };
	snprintf(k->image, sizeof(k->image), "%.4s-server", name);
	snprintf(k->version, sizeof(k->version), "1.%u", cores);
	k->guest.cores_min = 1;
	k->guest.cores_max = cores;
	k->guest.connections_max = 100000;
	k->guest.groups = 128;
	k->guest.buffers_total = 4096;
	memcpy(k->guest.address, (uint8_t[]){ 10, 77, 0, (uint8_t)(ixd.guest_count + 1) }, 4);
	k->port = (struct sw_state){ .is_there = true, .is_linked = true, .number = (int32_t)ixd.guest_count + 1 };
	k->beat_ms = now_ms();
	return k;
}

void seen_past(struct known *k, unsigned seconds, int64_t second)
{
	for (int64_t s = second - (int64_t)seconds + 1; s <= second; s++) {
		if (k->has_guest)
			seen_second(k, s);
		history_take(k, s);
	}
}

void seen_end(void)
{
	while (ixd.guest_count > 0)
		known_remove(ixd.guests[0]->name);
}
