/* SPDX-License-Identifier: MIT */
/* Control: registers that are no part of an answer keep what ring 0 had in them. In front of kernel/user. */
#pragma once

/* In ring3.S each is cleared by its 32-bit name: now all of them clear edx. */
#define esi edx
#define edi edx
#define r8d edx
#define r9d edx
#define r10d edx
