/* SPDX-License-Identifier: MIT */
/* Who gets memory when there is little. Private to kernel/net. */
#pragma once
#include "kernel/net/core.h"

/** pressure_refuses() - receive buffers are short: whether data for @c has to wait until there are more. */
bool pressure_refuses(const struct conn *c);

/** pressure_refuses_datagram() - the same for a socket where @queued wait to be read. */
bool pressure_refuses_datagram(uint32_t queued);

/** pressure_relieve() - end of a batch: if memory is all but gone, reset who has held it for no use, here and on other cores. */
void pressure_relieve(void);

/** pressure_wanted() - a block could not be had. */
void pressure_wanted(void);

/** pressure_sync() - another core may have asked all to relieve. */
void pressure_sync(void);
