/* SPDX-License-Identifier: MIT */
/*
 * What one idle connection takes of this kernel's memory, from the very structures that it lies in: as a note of kernel.elf,
 * which ixctl shows of an image, and at start, to say whether as many as the manifest wants have room.
 */
#include "kernel/abi/image.h"
#include "kernel/mem/mem.h"
#include "kernel/net/demux.h"
#include "kernel/net/handle.h"
#include "kernel/net/net.h"

#define BYTES_MAX 600u
#define SHARE(bytes, among) (((bytes) + (among)-1) / (among)) /* of each, rounded up */
#define BUCKETS_LOAD (DEMUX_SEGMENT_BUCKETS * DEMUX_SPLIT_LOAD)

enum {
	STATE = PCB_BYTES + sizeof(struct conn),
/* Nested: the first class that is large enough. */
#define X(bytes) STATE <= (bytes) ? (bytes):
	CLASS = MEM_CLASSES(X) 0,
#undef X
	/* A chunk of 2 MiB is cut into whole magazines. */
	BLOCKS_A_CHUNK = HUGE_BYTES / (CLASS * MEM_MAGAZINE) * MEM_MAGAZINE,
	BLOCK = SHARE(HUGE_BYTES, BLOCKS_A_CHUNK),
	/* A bucket, and a pointer to each block of buckets, of which there is room for twice as many. */
	DEMUX = SHARE(sizeof(struct demux_bucket), DEMUX_SPLIT_LOAD) + SHARE(2 * sizeof(void *), BUCKETS_LOAD),
	TOTAL = BLOCK + HANDLE_SLOT_BYTES + DEMUX,
};
_Static_assert(CLASS, "a connection is one block");
_Static_assert(TOTAL <= BYTES_MAX, "an idle connection has outgrown what is promised for it");

/* As an ELF note [System V ABI 5]. */
static const struct {
	uint32_t name_bytes, descriptor_bytes, type;
	char name[4];
	struct ix_connection_bytes bytes;
} note __attribute__((section(".note.ix.connection"), used, aligned(4))) = {
	.name_bytes = sizeof("IX"),
	.descriptor_bytes = sizeof(struct ix_connection_bytes),
	.type = IX_CONNECTION_NOTE,
	.name = "IX",
	.bytes = { .control_block = BLOCK, .handle = HANDLE_SLOT_BYTES, .demultiplexer = DEMUX, .total = TOTAL },
};

size_t net_block_bytes(uint32_t connections)
{
	return (size_t)connections * (BLOCK + DEMUX);
}
