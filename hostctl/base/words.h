/* SPDX-License-Identifier: MIT */
/* Words that people type: numbers, addresses, and the known word that was probably meant. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** words_number() - decimal digits only, @min..@max. Return: false if @text is anything else. */
bool words_number(const char *text, uint64_t min, uint64_t max, uint64_t *out);

/** words_ipv4() - "a.b.c.d" into four bytes. Return: false if @text is anything else. */
bool words_ipv4(const char *text, uint8_t out[4]);

/** words_ipv4_host() - the same, but only of what can be a host's, or 0.0.0.0 for none. */
bool words_ipv4_host(const char *text, uint8_t out[4]);

/** words_ipv4_prefix() - "a.b.c.d/len", len 1..32, a usable host address. */
bool words_ipv4_prefix(const char *text, uint8_t out[4], uint32_t *prefix_bits);

/** words_ipv6() - as people write it, into sixteen bytes; a host's. Return: false if @text is anything else. */
bool words_ipv6(const char *text, uint8_t out[16]);

/** words_ipv6_prefix() - "ADDRESS/len", len 1..128. */
bool words_ipv6_prefix(const char *text, uint8_t out[16], uint32_t *prefix_bits);

/** words_is_same_net6() - as words_is_same_net(). */
bool words_is_same_net6(const uint8_t a[16], const uint8_t b[16], uint32_t prefix_bits);

/** words_is_same_net() - whether @a and @b share their first @prefix_bits bits. */
bool words_is_same_net(const uint8_t a[4], const uint8_t b[4], uint32_t prefix_bits);

/**
 * words_nearest() - which of @known somebody who typed @word probably meant
 * Return: an element of @known, or NULL if none is near.
 */
const char *words_nearest(const char *word, const char *const *known, size_t count);
