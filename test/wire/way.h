/* SPDX-License-Identifier: MIT */
/*
 * What befalls the frames of one direction of a bad wire: lost, repeated, overtaken, damaged, late, marked, by rules in percent. What
 * happens to the n-th frame is a function of seed, direction and n alone, so a run can be repeated; when it happens is the
 * caller's clock. No file, no socket: wire.c has those.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WAY_FRAME_MAX 65550u /* Ethernet header and the longest IP packet */

/* Probabilities in 2^-32: UINT32_MAX is always. */
struct way_rule {
	uint32_t loss, duplicate, reorder, corrupt;
	uint32_t mark; /* of what says that it can be marked */
	uint64_t delay_ns;
	uint64_t again_ns;    /* a repetition comes so long after the frame itself */
	uint64_t hold_ns;     /* a frame to be overtaken waits so long at most beyond its delay */
	uint64_t rate;        /* bits a second, 0: without end */
	uint32_t queue_limit; /* frames under way, 1..; what comes then is dropped */
};

struct way_counts {
	uint64_t frames, bytes; /* that came */
	uint64_t lost, duplicated, reordered, corrupted, marked;
	uint64_t overflowed; /* of frames and their repetitions: found the queue full */
	uint64_t delivered;
};

struct way_frame {
	uint64_t due_ns, order;
	uint32_t bytes;
	uint8_t data[];
};

struct way {
	struct way_rule rule;
	struct way_counts counts;
	uint64_t seed;
	uint64_t free_ns; /* when the transmitter has sent all it was given */
	uint64_t order;
	struct way_frame **heap; /* by due_ns, then order */
	uint32_t heap_count;
};

/** way_rule_parse() - `loss=1,delay=10,...` into @rule
 *
 * loss, duplicate, reorder, corrupt, mark in percent; delay, hold, again in ms; rate in Mbit/s; queue in frames. What is not named
 * is none, hold is 3 ms, queue 1000 frames. mark: of IP packets whose sender understands congestion marks, as a router that has a
 * queue does it [RFC 3168 5].
 *
 * Return: NULL, or the word that is wrong.
 */
const char *way_rule_parse(struct way_rule *rule, const char *text);

/** way_begin() - an empty direction; what befalls its frames depends on @seed. Return: false without memory. */
bool way_begin(struct way *w, const struct way_rule *rule, uint64_t seed);

/** way_end() - frees what is under way. */
void way_end(struct way *w);

/** way_put() - a frame of @bytes came at @now_ns; it is copied. Return: false without memory. */
bool way_put(struct way *w, const void *data, uint32_t bytes, uint64_t now_ns);

/** way_due() - when the next frame is to leave, UINT64_MAX: there is none. */
uint64_t way_due(const struct way *w);

/** way_take() - the next frame that is to leave by @now_ns, NULL if there is none. The caller frees it. */
struct way_frame *way_take(struct way *w, uint64_t now_ns);
