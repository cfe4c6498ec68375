/* SPDX-License-Identifier: MIT */
/* Where an application linked for the native port finds the way to the core: shared by entry.S, gate.S and ring3.c. */
#pragma once

/* A page of its own behind those of kernel/abi/entry.h; its first word is the address of native_gate. */
#define NATIVE_GATE_VA 0x00007ffe00040000
