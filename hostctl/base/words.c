/* SPDX-License-Identifier: MIT */
/*
 * Strict where a machine reads the word (no sign, no octal, no spaces), forgiving where a person is
 * to be helped: the nearest word is the one with the fewest edits, at most a third of its letters.
 */
#include "hostctl/base/words.h"
#include <arpa/inet.h>
#include <string.h>

#define WORD_MAX 63

bool words_number(const char *text, uint64_t min, uint64_t max, uint64_t *out)
{
	uint64_t value = 0;

	if (*text == '\0')
		return false;
	for (; *text != '\0'; text++) {
		unsigned digit = (unsigned char)*text - (unsigned)'0';

		if (digit > 9 || value > (UINT64_MAX - digit) / 10)
			return false;
		value = value * 10 + digit;
	}
	if (value < min || value > max)
		return false;
	*out = value;
	return true;
}

bool words_ipv4(const char *text, uint8_t out[4])
{
	struct in_addr addr;

	if (inet_pton(AF_INET, text, &addr) != 1)
		return false;
	memcpy(out, &addr, 4);
	return true;
}

/* Not "this network", not the loopback's, no group's. The kernel's value_is_host() says the same. */
static bool is_host(const uint8_t addr[4])
{
	return addr[0] != 0 && addr[0] != 127 && addr[0] < 224;
}

bool words_ipv4_host(const char *text, uint8_t out[4])
{
	static const uint8_t none[4];

	return words_ipv4(text, out) && (is_host(out) || memcmp(out, none, sizeof(none)) == 0);
}

bool words_ipv6(const char *text, uint8_t out[16])
{
	static const uint8_t low[15], mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (strchr(text, '.') != NULL || inet_pton(AF_INET6, text, out) != 1)
		return false;
	/* ::, ::1, groups and IPv4 addresses in disguise are no host's. */
	return out[0] != 0xff && memcmp(out, mapped, sizeof(mapped)) != 0 &&
	       (memcmp(out, low, sizeof(low)) != 0 || out[15] > 1);
}

bool words_ipv6_prefix(const char *text, uint8_t out[16], uint32_t *prefix_bits)
{
	const char *slash = strchr(text, '/');
	char addr[INET6_ADDRSTRLEN];
	uint64_t bits;

	if (slash == NULL || (size_t)(slash - text) >= sizeof(addr))
		return false;
	memcpy(addr, text, (size_t)(slash - text));
	addr[slash - text] = '\0';
	if (!words_ipv6(addr, out) || !words_number(slash + 1, 1, 128, &bits))
		return false;
	*prefix_bits = (uint32_t)bits;
	return true;
}

static uint32_t word_of(const uint8_t a[4])
{
	return (uint32_t)a[0] << 24 | (uint32_t)a[1] << 16 | (uint32_t)a[2] << 8 | a[3];
}

static uint32_t mask_of(uint32_t prefix_bits)
{
	return prefix_bits == 0 ? 0 : UINT32_MAX << (32 - prefix_bits);
}

bool words_ipv4_prefix(const char *text, uint8_t out[4], uint32_t *prefix_bits)
{
	const char *slash = strchr(text, '/');
	char addr[16];
	uint64_t bits;
	uint32_t host;

	if (slash == NULL || (size_t)(slash - text) >= sizeof(addr))
		return false;
	memcpy(addr, text, (size_t)(slash - text));
	addr[slash - text] = '\0';
	if (!words_ipv4(addr, out) || !words_number(slash + 1, 1, 32, &bits))
		return false;
	*prefix_bits = (uint32_t)bits;
	if (!is_host(out))
		return false;
	host = ~mask_of(*prefix_bits);
	/* The first and the last address of a net with room for more than two are no host's. */
	return bits >= 31 || ((word_of(out) & host) != 0 && (word_of(out) & host) != host);
}

bool words_is_same_net(const uint8_t a[4], const uint8_t b[4], uint32_t prefix_bits)
{
	return ((word_of(a) ^ word_of(b)) & mask_of(prefix_bits)) == 0;
}

bool words_is_same_net6(const uint8_t a[16], const uint8_t b[16], uint32_t prefix_bits)
{
	uint32_t bytes = prefix_bits / 8, rest = prefix_bits % 8;

	return memcmp(a, b, bytes) == 0 && (rest == 0 || ((a[bytes] ^ b[bytes]) >> (8 - rest)) == 0);
}

/* Levenshtein distance, one row at a time. */
static size_t distance(const char *a, const char *b)
{
	size_t row[WORD_MAX + 1];
	size_t length = strlen(b);

	for (size_t j = 0; j <= length; j++)
		row[j] = j;
	for (size_t i = 1; a[i - 1] != '\0'; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= length; j++) {
			size_t best = diagonal + (a[i - 1] != b[j - 1]);

			diagonal = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[length];
}

const char *words_nearest(const char *word, const char *const *known, size_t count)
{
	const char *best = NULL;
	size_t best_distance = strlen(word) / 3 + 2;

	if (strlen(word) > WORD_MAX)
		return NULL;
	for (size_t i = 0; i < count; i++) {
		size_t d;

		if (strlen(known[i]) > WORD_MAX)
			continue;
		d = distance(word, known[i]);
		if (d < best_distance && d < strlen(known[i])) {
			best = known[i];
			best_distance = d;
		}
	}
	return best;
}
