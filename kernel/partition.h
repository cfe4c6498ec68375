/* SPDX-License-Identifier: MIT */
/*
 * The life of the partition across cores: running, ending, gone or begun again. Who calls: loop.c once a
 * turn. Start reading at partition.c.
 */
#pragma once
#include "kernel/base/types.h"

struct conf;

/** partition_init() - restart policy of @conf. */
void partition_init(const struct conf *conf);

/** partition_poll() - do this core's part if the partition ends; one read of an unchanging line otherwise. */
void partition_poll(void);

/** partition_come() - the calling core turns for the first time or again: what it missed is made up for. */
void partition_come(void);

/** partition_is_running() - whether this core may enter ring 3. */
bool partition_is_running(void);

/** partition_is_new() - true once after this core's ring-3 context has begun: it enters without events. */
bool partition_is_new(void);
