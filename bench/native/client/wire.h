/* SPDX-License-Identifier: MIT */
/*
 * In: frames of a client. Out: frames of the one server at the other end. Two files fill it in: wire_dpdk.c (the host's
 * end of a vhost-user port) and wire_tap.c (a tap of Linux); a program is linked with one of them.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#define WIRE_BURST 64u
#define WIRE_FRAME_MAX 1514u

struct wire_frame {
	const uint8_t *at;
	uint32_t bytes;
};

/**
 * wire_open() - @argv: of the program; what is the wire's own comes first, up to "--"
 * @has_checksums: frames of wire_send() need no TCP sum, and received ones may lack it. Return: how many words it took.
 */
int wire_open(int argc, char **argv, bool has_checksums);

/** wire_receive() - up to @max (WIRE_BURST) frames, valid until the next call. */
unsigned wire_receive(struct wire_frame *out, unsigned max);

/** wire_room() - where the next frame is to be written, WIRE_FRAME_MAX bytes; wire_send() - it has @bytes, behind 14 + 20 its TCP header. */
uint8_t *wire_room(void);
void wire_send(uint32_t bytes);

/** wire_flush() - all frames leave, or the program ends because the other end takes none. */
void wire_flush(void);
