/* SPDX-License-Identifier: MIT */
/*
 * A bucket of tokens a core and kind, filled up every second. Where an outsider could count what is left
 * and so learn of what others do, how much goes in is drawn anew each time [CVE-2016-5696].
 */
#include "kernel/net/rate.h"

#include "kernel/net/core.h"

static const struct {
	uint32_t per_s;
	bool is_drawn; /* per_s on average, from a half to one and a half times as much */
} rates[RATE_NR] = {
	[RATE_RESET] = { 1000, true },    [RATE_CHALLENGE] = { 1000, true }, [RATE_WALK] = { 65536, false },
	[RATE_COOKIE] = { 65536, false }, [RATE_ICMP] = { 1000, true },      [RATE_ICMP_SENT] = { 100, true },
};

static void fill(void)
{
	net_self.token_ms = net_self.now_ms;
	for (unsigned r = 0; r < RATE_NR; r++)
		net_self.tokens[r] = rates[r].is_drawn ? rates[r].per_s / 2 + port_rand() % rates[r].per_s
						       : rates[r].per_s;
}

bool rate_take(enum rate r)
{
	if (net_self.now_ms - net_self.token_ms >= 1000)
		fill();
	if (!net_self.tokens[r])
		return false;
	net_self.tokens[r]--;
	return true;
}
