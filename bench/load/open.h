/* SPDX-License-Identifier: MIT */
/*
 * The open loop: requests are due by a schedule and go out on the slot (a connection, a socket) that has been free for longest.
 * While none is free they wait their turn in order of time, and their waiting counts: latency is from the moment when a request
 * was due. So a server that stands still delays all that were due meanwhile, as it would delay users, instead of only those under
 * way (no coordinated omission). No clock, no socket: time is the caller's.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "bench/load/histogram.h"
#include "bench/load/schedule.h"

#define OPEN_LATE_NS 1000000u

struct open_counts {
	uint64_t due;        /* requests due in the window */
	uint64_t answered;   /* of them, by the end */
	uint64_t in_time;    /* of them, before the window closed */
	uint64_t late;       /* of them, that went out OPEN_LATE_NS after they were due or later */
	uint64_t unanswered; /* of them, still under way at the end, or given up */
	uint64_t unsent;     /* of them, still waiting for their turn at the end */
};

struct open_loop {
	struct schedule schedule;
	uint64_t from_ns, until_ns; /* the window */
	uint64_t limit;             /* of requests due in it; the next one closes it */
	struct open_counts counts;
	struct histogram *latency;
	unsigned slots, depth;
	unsigned *free_ring; /* slots with room, the longest free first */
	unsigned free_first, free_count;
	unsigned *under_way; /* of each slot, at most depth */
	unsigned all_under_way;
};

/**
 * open_begin() - all @slots are free
 * @s: begun, the requests to send; @depth: requests under way on a slot, 1..
 *
 * Nothing is measured before open_window(). Return: false without memory.
 */
bool open_begin(struct open_loop *o, const struct schedule *s, unsigned slots, unsigned depth);

/**
 * open_window() - the first @limit requests due from @from_ns and before @until_ns are measured into @latency; none are due later
 * @from_ns: not before the time of the last open_next()
 */
void open_window(struct open_loop *o, uint64_t from_ns, uint64_t until_ns, uint64_t limit, struct histogram *latency);

/** open_next() - Return: whether a request can go out by @now_ns: on *@slot, due at *@due_ns. It counts as sent. */
bool open_next(struct open_loop *o, uint64_t now_ns, unsigned *slot, uint64_t *due_ns);

/** open_wake() - Return: when a request can go out or the window closes; UINT64_MAX: not before a reply comes. */
uint64_t open_wake(const struct open_loop *o, uint64_t now_ns);

/** open_reply() - @slot's request that was due at @due_ns is answered. */
void open_reply(struct open_loop *o, unsigned slot, uint64_t due_ns, uint64_t now_ns);

/** open_give_up() - the same of one that will not be answered, or not before the end; its latency so far is counted. */
void open_give_up(struct open_loop *o, unsigned slot, uint64_t due_ns, uint64_t now_ns);

/** open_is_over() - Return: whether by @now_ns all that was due is sent and nothing is under way. */
bool open_is_over(const struct open_loop *o, uint64_t now_ns);

/** open_end() - what still waits for its turn counts with its latency so far; frees. Give up what is under way first. */
void open_end(struct open_loop *o, uint64_t now_ns);

/** open_add() - adds the counts of another loop. */
void open_add(struct open_counts *sum, const struct open_counts *c);

/** open_print() - the counts of a window of @seconds, as members of a JSON object, each with a comma after it, to standard output. */
void open_print(const struct open_counts *c, double seconds);
