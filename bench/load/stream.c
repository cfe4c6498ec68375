/* SPDX-License-Identifier: MIT */
/* The table, several times one after the other, so that no piece of a stream wraps. */
#include "bench/load/stream.h"

#include <pthread.h>
#include <string.h>

#define TABLE_BYTES 65521u
#define TABLE_COPIES 18u
#define TABLE_STEP 4099u /* between the first bytes of two connections */

static uint8_t table[TABLE_COPIES * TABLE_BYTES];
_Static_assert((TABLE_COPIES - 1) * TABLE_BYTES >= STREAM_PIECE, "a piece that begins in the first copy");
static pthread_once_t table_once = PTHREAD_ONCE_INIT;

static void fill_table(void)
{
	uint64_t x = 0x9e3779b97f4a7c15u;

	for (unsigned i = 0; i < TABLE_BYTES; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		table[i] = (uint8_t)(x >> 32);
	}
	for (unsigned i = 1; i < TABLE_COPIES; i++)
		memcpy(table + i * TABLE_BYTES, table, TABLE_BYTES);
}

const uint8_t *stream_at(unsigned number, uint64_t offset)
{
	pthread_once(&table_once, fill_table);
	return table + ((uint64_t)number * TABLE_STEP + offset % TABLE_BYTES) % TABLE_BYTES;
}

bool stream_is_right(unsigned number, uint64_t offset, const uint8_t *data, size_t bytes)
{
	while (bytes) {
		size_t piece = bytes < TABLE_BYTES ? bytes : TABLE_BYTES;

		if (memcmp(data, stream_at(number, offset), piece) != 0)
			return false;
		data += piece;
		offset += piece;
		bytes -= piece;
	}
	return true;
}
