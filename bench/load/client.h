/* SPDX-License-Identifier: MIT */
/*
 * Connections that each keep a number of requests under way (closed loop) and compare every byte that comes back. One
 * thread; whatever goes wrong on a connection ends the program with a sentence and status 1.
 */
#pragma once
#include <netinet/in.h>
#include <stdint.h>
#include "bench/load/histogram.h"

#define CLIENT_MESSAGE_MAX (1u << 20)
#define CLIENT_CONNECT_S 20u

struct client_config {
	struct sockaddr_in to;
	unsigned connections;
	unsigned depth;         /* requests under way on each */
	uint32_t message_bytes; /* 1..CLIENT_MESSAGE_MAX */
};

/** clock_ns() - CLOCK_MONOTONIC. */
uint64_t clock_ns(void);

/** die() - prints "loadgen: " and the sentence, ends the program with status 1. */
_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** client_open() - connects all, at most 64 at a time, each within CLIENT_CONNECT_S. @config stays. */
void client_open(const struct client_config *config);

/**
 * client_run() - keep the loop going until @requests more replies are complete or @seconds are over
 * @latency: gets each reply's time from its request's send, if not NULL
 *
 * Return: replies completed.
 */
uint64_t client_run(uint64_t requests, double seconds, struct histogram *latency);

/** client_close() - orderly. */
void client_close(void);
