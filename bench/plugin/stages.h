/* SPDX-License-Identifier: MIT */
/*
 * Which stage of the loop an instruction belongs to, by the markers that a vCPU passes. A turn that found nothing is known as such
 * only at its end: then all that it cost, whatever the stages on the way, is given to the last one.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#define STAGES 16u     /* numbers that a marker NOP can carry; as in kernel/cpu/cpu.h: */
#define STAGE_FIRST 1u /* begins a turn of the loop */
#define STAGE_BUSY 14u /* is none: says that this turn is not one that found nothing */
#define STAGE_NOTHING 15u

/* One a vCPU. */
struct stages {
	uint64_t sum[STAGES];  /* instructions up to the last marker */
	uint64_t turn[STAGES]; /* those of this turn among them */
	uint64_t now;          /* the stage that the vCPU is in */
	uint64_t begin;        /* its instructions when it entered that one */
	bool is_busy;
};

/**
 * stages_mark() - a vCPU passes marker @stage (below STAGES) after @instructions in all
 * Return: whether that says of a turn that it found nothing.
 */
bool stages_mark(struct stages *s, unsigned stage, uint64_t instructions);

/** stages_read() - instructions of @stage, of all that the vCPU executed, @instructions. */
uint64_t stages_read(const struct stages *s, unsigned stage, uint64_t instructions);
