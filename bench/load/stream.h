/* SPDX-License-Identifier: MIT */
/*
 * What connections carry: each walks through one table of pseudo-random bytes whose length is a prime, begun at another place: a
 * byte that is lost, doubled, swapped or from another connection shows at once, whatever the size of a message and wherever a read
 * ends, and checking is one memcmp. Any thread may call these.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STREAM_PIECE (1u << 20)

/** stream_at() - Return: STREAM_PIECE bytes of connection @number's stream, from @offset on. */
const uint8_t *stream_at(unsigned number, uint64_t offset);

/** stream_is_right() - Return: whether @bytes of @data are those from @offset on. */
bool stream_is_right(unsigned number, uint64_t offset, const uint8_t *data, size_t bytes);
