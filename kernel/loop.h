/* SPDX-License-Identifier: MIT */
/* In: a core that is set up. Out: an elastic thread. Who calls: main.c. Start reading at loop.c. */
#pragma once
#include "kernel/base/types.h"

struct conf;

/** loop_init() - batch bound and polling time of @conf; once. */
void loop_init(const struct conf *conf);

/** loop_run() - run to completion, forever. */
NORETURN void loop_run(void);
