/* SPDX-License-Identifier: MIT */
/* Text to values, for command-line words. Each reader takes all of the text or says no. */
#pragma once
#include "kernel/base/types.h"

/** value_number() - decimal digits, at most UINT32_MAX. */
bool value_number(const char *text, uint32_t *out);

/** value_flag() - true, false, 1, 0, on, off, yes, no. */
bool value_flag(const char *text, bool *out);

/** value_ipv4() - a.b.c.d; with @prefix_bits not NULL a.b.c.d/len. */
bool value_ipv4(const char *text, be32_t *out, uint32_t *prefix_bits);

/** value_ip6() - as people write it [RFC 4291 2.2]; with @prefix_bits not NULL ADDRESS/len. */
bool value_ip6(const char *text, struct ip6 *out, uint32_t *prefix_bits);

/** value_is_host6() - whether @address can be one host's: not ::, ::1, multicast or an IPv4 address in disguise. */
bool value_is_host6(const struct ip6 *address);

/** value_is_host() - whether @address can be one host's: not 0.x, 127.x, multicast or above. */
bool value_is_host(be32_t address);
