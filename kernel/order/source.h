/* SPDX-License-Identifier: MIT */
/* Where orders come from; which file that is depends on the build. Private to kernel/order. */
#pragma once

/** order_source_start() - boot core, once. */
void order_source_start(void);
