/* SPDX-License-Identifier: MIT */
/*
 * Ports of the host that lead to guests: one nftables table, replaced whole [nft(8)]. The kernel keeps it, so that it needs
 * nobody of ours to live on. What the host itself connects to its own addresses goes through `output`; the answers find
 * their way back because the guest sees the host's address on the bridge as the sender.
 */
#include "hostctl/base/blob.h"
#include "hostctl/base/exec.h"
#include "hostctl/sw/sw.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NFT_TIMEOUT_S 10

static void add_rules(struct blob *out, const struct sw_published *guests, unsigned count)
{
	static const uint8_t any[4];

	for (unsigned i = 0; i < count; i++) {
		const uint8_t *g = guests[i].address;

		for (unsigned k = 0; k < guests[i].count; k++) {
			const struct sw_publish *p = &guests[i].publish[k];

			if (memcmp(p->host, any, 4) != 0)
				blob_print(out, "  ip daddr %u.%u.%u.%u", p->host[0], p->host[1], p->host[2],
					   p->host[3]);
			else
				blob_print(out, "  fib daddr type local");
			blob_print(out, " %s dport %u dnat to %u.%u.%u.%u:%u\n", p->is_udp ? "udp" : "tcp",
				   p->host_port, g[0], g[1], g[2], g[3], p->guest_port);
		}
	}
}

int sw_publish(const struct sw_published *guests, unsigned count, struct err *err)
{
	static const char *const argv[] = { "nft", "-f", "-", NULL };
	struct blob text = { 0 };
	struct exec e = { .argv = argv, .timeout_s = NFT_TIMEOUT_S };
	int result;

	blob_print(&text, "add table ip ix\ndelete table ip ix\ntable ip ix {\n");
	blob_print(&text, " chain prerouting {\n  type nat hook prerouting priority dstnat;\n");
	add_rules(&text, guests, count);
	blob_print(&text, " }\n chain output {\n  type nat hook output priority -100;\n");
	add_rules(&text, guests, count);
	blob_print(&text, " }\n chain postrouting {\n  type nat hook postrouting priority srcnat;\n");
	blob_print(&text, "  oifname \"" SW_HOST_LINK "\" ct status dnat masquerade\n }\n}\n");
	blob_add(&text, "", 1);
	e.input = (const char *)text.data;
	result = exec_run(&e, err);
	if (result == 0 && e.status != 0)
		result = err_set(err, STATUS_MACHINE, "nft does not take the published ports: %.200s",
				 (const char *)e.error.data);
	exec_fini(&e);
	blob_fini(&text);
	return result;
}
