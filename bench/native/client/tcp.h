/* SPDX-License-Identifier: MIT */
/*
 * In: frames of wire.h. Out: connections to one server that each keep one request under way and compare every byte of
 * its answer. No TCP in general: the wire loses nothing, so whatever is missing, out of place or wrong ends the program.
 * Who calls: main.c. Start reading at tcp_run().
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#define TCP_CONNECTIONS_MAX 32768u
#define TCP_MESSAGE_MAX 1400u /* one segment, with timestamps */

struct tcp_config {
	uint32_t client, server; /* addresses, host order */
	uint16_t port;
	uint32_t connections;
	uint32_t message_bytes;
	bool has_checksums; /* the wire's */
};

/** tcp_open() - find the server and connect all. tcp_start() - the first requests. tcp_close() - reset all. */
void tcp_open(const struct tcp_config *config);
void tcp_start(void);
void tcp_close(void);

/** tcp_run() - for @seconds. Return: answers that came whole and right. */
uint64_t tcp_run(double seconds);
