/* SPDX-License-Identifier: MIT */
/* The call array, for this folder. sys_batch() and sys_core_init() are in the door. */
#pragma once

/** batch_clear() - what ring 3 left in the calling core's array is not executed. */
void batch_clear(void);
