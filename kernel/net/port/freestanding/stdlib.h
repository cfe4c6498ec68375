/* SPDX-License-Identifier: MIT */
/* <stdlib.h> for lwIP in ring 0: the one function that netif_find() names. */
#pragma once

static inline int atoi(const char *text)
{
	int value = 0;

	for (; *text >= '0' && *text <= '9' && value < 100000; text++)
		value = value * 10 + (*text - '0');
	return value;
}
