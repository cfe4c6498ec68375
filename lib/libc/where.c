/* SPDX-License-Identifier: MIT */
/*
 * Where ring 0 put what ring 3 shares with it. Host tests replace this file.
 */
#include "lib/libc/libc.h"

const struct ix_info *libc_info(void)
{
	return (const struct ix_info *)IX_INFO_VA;
}

uint32_t libc_core(void)
{
	return ((const struct ix_core_info *)IX_CORE_VA)->core;
}

struct ix_call_array *libc_calls(void)
{
	return (struct ix_call_array *)IX_CALL_ARRAY_VA;
}

const struct ix_event_array *libc_events(void)
{
	return (const struct ix_event_array *)IX_EVENT_ARRAY_VA;
}
