/* SPDX-License-Identifier: MIT */
/*
 * Connections that compare every byte that comes back, and keep a number of requests under way (closed loop: all of them at once, a
 * few of them in turn, or each a new one for every request) or send them when they are due (open loop). Each thread has its own;
 * whatever goes wrong on a connection ends the program with a sentence and status 1.
 */
#pragma once
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include "bench/load/histogram.h"
#include "bench/load/open.h"

#define CLIENT_MESSAGE_MAX (1u << 20)
#define CLIENT_CONNECT_S 20u

struct client_config {
	struct sockaddr_in to;
	unsigned connections;   /* of this thread */
	unsigned first;         /* number of the first of them */
	unsigned opening;       /* most that wait for an answer to their SYN */
	unsigned depth;         /* requests under way on each that has any */
	uint32_t message_bytes; /* 1..CLIENT_MESSAGE_MAX */
	unsigned active;        /* connections with requests under way at a time, at most half of them; 0: all */
	bool is_churn;          /* one request a connection, closed by FIN from here, then a new one in its place */
	uint32_t first_source;  /* address of the first connection, host order; the next one has the next address ... */
	uint32_t sources;       /* ... and after so many the first again. 0: the host chooses */
};

/** clock_ns() - CLOCK_MONOTONIC. */
uint64_t clock_ns(void);

/** die() - prints "loadgen: " and the sentence, ends the program with status 1. */
_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** client_open() - connects all, config.opening at a time, one each CLIENT_CONNECT_S at least. @config stays. */
void client_open(const struct client_config *config);

/** client_idle() - nothing for @seconds; a connection on which something happens meanwhile ends the program. */
void client_idle(double seconds);

/**
 * client_once() - one request on every connection, config.active at a time; the only call after client_open(), client_idle()
 * @seconds: it must be done by then. @latency: gets each reply's time from its request's send
 *
 * Return: replies completed.
 */
uint64_t client_once(double seconds, struct histogram *latency);

/** client_start() - the first requests, before the first client_run(). */
void client_start(void);

/**
 * client_run() - keep the loop going until @requests more replies are complete or @seconds are over
 * @latency: gets each reply's time from its request's send, if not NULL; with is_churn from before connect() until after
 * the other side's FIN
 *
 * Return: replies (with is_churn: connections) completed.
 */
uint64_t client_run(uint64_t requests, double seconds, struct histogram *latency);

/** client_pace() - from now on requests go out as @o says, whose slots are the connections; instead of client_start(). */
void client_pace(struct open_loop *o);

/** client_run_paced() - keeps the open loop going until @until_ns of clock_ns(), or until all is sent and answered. */
void client_run_paced(uint64_t until_ns);

/** client_end_paced() - what is under way is given up, what waits stays unsent; ends the open loop. */
void client_end_paced(void);

/** client_close() - orderly if they are few; so many FINs at once that some are lost would keep the host busy for minutes. */
void client_close(void);
