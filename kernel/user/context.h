/* SPDX-License-Identifier: MIT */
/*
 * A core's ring-3 context, shared by run.c and ring3.S: the offsets are struct trap_frame's. Private to
 * kernel/user.
 */
#pragma once

#define CTX_R15 0
#define CTX_R14 8
#define CTX_R13 16
#define CTX_R12 24
#define CTX_R10 40
#define CTX_RDI 64
#define CTX_RSI 72
#define CTX_RBP 80
#define CTX_RBX 88
#define CTX_RDX 96
#define CTX_RAX 112
#define CTX_RIP 136
#define CTX_RFLAGS 152
#define CTX_RSP 160
