/* SPDX-License-Identifier: MIT */
/*
 * policy_sim shapes SERVICE_NS SECONDS GROUPS: one guest of 8 cores through each shape of load, with each policy.
 * policy_sim fleet HOSTS: hosts of 50 guests, in each of the fleet's cases.
 * A line of JSON each, to standard output. bench/driver/policy.py starts it.
 */
#include "bench/policy/fleet.h"
#include "bench/policy/queue.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CORES 8u
#define PEAK 0.8       /* of what 8 cores can do: where a fixed allocation of 8 still keeps its bound in each second */
#define BOUND_US 500.0 /* of p99 [TOCS 2016] */
#define BOUND_OF_NS 10000.0 /* where a request takes so long; in proportion where it takes another time */
#define HOST_CORES 100u
#define GUESTS 50u

static void print_seconds(const struct queue_result *r, unsigned seconds)
{
	printf("\"seconds\": [");
	for (unsigned i = 0; i < seconds; i++)
		printf("%s[%.0f, %.3f, %.1f]", i > 0 ? ", " : "", r->second[i].load, r->second[i].cores,
		       r->second[i].p99_us);
	printf("]}\n");
}

static void run_shape(const struct queue_plan *p)
{
	static struct queue_result r;

	queue_run(p, &r);
	printf("{\"shape\": \"%s\", \"policy\": \"%s\", \"service_ns\": %.0f, \"bound_us\": %.1f, \"groups\": %u, "
	       "\"requests\": %llu, \"lost\": %llu, \"beyond\": %llu, \"seconds_beyond\": %u, \"core_seconds\": %.1f, "
	       "\"changes\": %u, "
	       "\"p50_us\": %.1f, \"p99_us\": %.1f, \"p999_us\": %.1f, \"max_us\": %.1f, ",
	       shape_name(p->shape), queue_policy_name(p->policy), p->service_ns, p->bound_us, p->groups,
	       (unsigned long long)r.requests, (unsigned long long)r.lost, (unsigned long long)r.beyond,
	       r.seconds_beyond, r.core_s, r.changes, r.p50_us, r.p99_us, r.p999_us, r.max_us);
	print_seconds(&r, p->seconds);
}

static int shapes(double service_ns, unsigned seconds, uint32_t groups)
{
	if (!(service_ns >= 100 && service_ns <= 1e7) || seconds < 10 || seconds > QUEUE_SECONDS_MAX ||
	    groups < CORES || groups > 128)
		return -1;
	for (unsigned shape = 0; shape < SHAPE_FLAT; shape++)
		for (unsigned policy = 0; policy < QUEUE_POLICY_NR; policy++) {
			struct queue_plan p = { .policy = (enum queue_policy)policy,
						.shape = (enum shape)shape,
						.seconds = seconds,
						.cores = CORES,
						.groups = groups,
						.service_ns = service_ns,
						.peak = PEAK,
						.bound_us = BOUND_US * service_ns / BOUND_OF_NS,
						.seed = 1 };

			run_shape(&p);
			fflush(stdout);
		}
	return 0;
}

static void run_fleet(const char *name, const struct fleet_plan *p)
{
	struct fleet_result r;
	double minutes, steady;

	fleet_run(p, &r);
	minutes = p->seconds / 60.0 * p->hosts * p->guests;
	steady = (p->seconds - FLEET_SETTLE_S) / 60.0 * p->hosts * p->guests;
	printf("{\"case\": \"%s\", \"hosts\": %u, \"guests\": %u, \"decisions_per_second\": %.0f, "
	       "\"changes_per_guest_minute\": %.4f, "
	       "\"reversals_per_guest_minute\": %.5f, \"reversals_of_worst_guest\": %llu, \"steps\": %llu, "
	       "\"steps_late\": %llu, "
	       "\"up_s_max\": %.2f, \"down_s_max\": %.2f, \"over_host\": %llu, \"below_floor\": %llu, "
	       "\"unfair_s_max\": %.1f, "
	       "\"uneven_s_max\": %.1f, \"cores_given\": %.3f, \"served\": %.4f}\n",
	       name, p->hosts, p->guests, (double)r.decisions / ((double)r.decision_ns / 1e9),
	       (double)r.changes / minutes, (double)r.reversals / steady, (unsigned long long)r.busiest_guest_reversals,
	       (unsigned long long)r.steps, (unsigned long long)r.steps_late, r.up_s_max, r.down_s_max,
	       (unsigned long long)r.over_ticks, (unsigned long long)r.floor_ticks, (double)r.unfair_ms_max / 1000,
	       (double)r.uneven_ms_max / 1000, (double)r.core_ms / 1000 / p->seconds / p->hosts / p->host_cores,
	       (double)r.served / (double)r.offered);
	fflush(stdout);
}

static int fleet(unsigned hosts)
{
	static const struct {
		const char *name;
		struct fleet_plan plan;
	} cases[] = {
		{ "noise", { .seconds = 100, .load = 0.5, .mix = FLEET_STEADY, .seed = 1 } },
		{ "noise, too little", { .seconds = 100, .load = 1.2, .mix = FLEET_STEADY, .seed = 2 } },
		{ "steps", { .seconds = 180, .load = 0.25, .mix = FLEET_STEPS, .seed = 3 } },
		{ "all shapes", { .seconds = 120, .load = 0.4, .mix = FLEET_MIXED, .seed = 4 } },
		{ "all shapes, too little", { .seconds = 120, .load = 1.2, .mix = FLEET_MIXED, .seed = 5 } },
	};

	if (hosts == 0 || hosts > 100000)
		return -1;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fleet_plan p = cases[i].plan;

		p.hosts = hosts;
		p.guests = GUESTS;
		p.host_cores = HOST_CORES;
		p.cores_max = CORES;
		run_fleet(cases[i].name, &p);
	}
	return 0;
}

int main(int argc, char **argv)
{
	int result = -1;

	if (argc == 5 && strcmp(argv[1], "shapes") == 0)
		result = shapes(strtod(argv[2], NULL), (unsigned)strtoul(argv[3], NULL, 10),
				(uint32_t)strtoul(argv[4], NULL, 10));
	else if (argc == 3 && strcmp(argv[1], "fleet") == 0)
		result = fleet((unsigned)strtoul(argv[2], NULL, 10));
	if (result != 0) {
		fputs("policy_sim shapes SERVICE_NS SECONDS GROUPS | policy_sim fleet HOSTS: 100 <= SERVICE_NS <= "
		      "10^7, 10 <= SECONDS <= 600, "
		      "8 <= GROUPS <= 128\n",
		      stderr);
		return 64;
	}
	return 0;
}
