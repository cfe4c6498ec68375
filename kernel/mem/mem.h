/* SPDX-License-Identifier: MIT */
/*
 * In: the memory map of the start info. Out: memory that is handed out once at start, size-classed
 * blocks for the running dataplane, page tables of each core. Who calls: everybody. Start reading at
 * frame.c (what memory there is), pt.c (who sees it), slab.c (blocks).
 */
#pragma once
#include "kernel/base/types.h"
#include "kernel/mem/layout.h"

struct boot_info;

/** mem_init() - take over all RAM of @boot and build the kernel's own page tables (W^X, direct map). */
void mem_init(const struct boot_info *boot);

/** mem_reserve() - [pa, pa + bytes) holds a part of the image: never to be handed out. Right after mem_init(). */
void mem_reserve(pa_t pa, uint64_t bytes);

/** mem_is_ram() - whether all of [pa, pa + bytes) is RAM of this guest. */
bool mem_is_ram(pa_t pa, uint64_t bytes);

/**
 * mem_boot_alloc() - permanent, zeroed memory, before the first packet only
 * @bytes: rounded up to 64; @align: power of two, at most 1 GiB
 * Return: direct-map address, physically contiguous; NULL if there is none (the caller says what to do).
 */
void *mem_boot_alloc(size_t bytes, size_t align);

/** mem_boot_alloc_raw() - the same, not zeroed: pages that nobody uses are never touched and cost the host nothing. */
void *mem_boot_alloc_raw(size_t bytes, size_t align);

/** mem_boot_free_bytes() - largest contiguous piece that mem_boot_alloc() could still give. */
size_t mem_boot_free_bytes(void);

/** mem_pa()/mem_va() - between direct-map addresses and physical ones. Not for window addresses. */
pa_t mem_pa(const void *va);
void *mem_va(pa_t pa);

/**
 * mem_slab_init() - set the memory that mem_alloc() carves blocks from
 * @bytes: multiple of 2 MiB. Return: 0 or KERR_NO_MEMORY.
 */
int mem_slab_init(size_t bytes);

/**
 * mem_alloc() - a block of at least @bytes (1..MEM_BLOCK_MAX), 32-aligned, 64-aligned up to 512 and where @bytes is a multiple of 64,
 * not zeroed, physically contiguous in the direct map, free for DMA
 * Core-local; a depot under a lock is visited at most once per MEM_MAGAZINE blocks of one class.
 * Return: NULL when the slab memory is exhausted; the caller counts and goes on.
 */
void *mem_alloc(size_t bytes);

/** mem_free() - give back a block of mem_alloc(), on any core. NULL is ignored. */
void mem_free(void *block);

/* Sizes of blocks, ascending. */
#define MEM_CLASSES(X) \
	X(64)          \
	X(128) X(192) X(256) X(320) X(384) X(448) X(512) X(544) X(576) X(640) X(768) X(1024) X(1536) X(2048) X(4096)

#define MEM_BLOCK_MAX 4096u
#define MEM_MAGAZINE 128u

/** mem_slab_used() - bytes carved so far, for reports. */
size_t mem_slab_used(void);
