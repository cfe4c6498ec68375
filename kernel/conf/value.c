/* SPDX-License-Identifier: MIT */
/* How numbers, flags and addresses are written. */
#include "kernel/conf/value.h"

#include "kernel/base/bytes.h"
#include "kernel/base/ip6.h"

/* Digits up to @end; @text is moved behind them. */
static bool read_number(const char **text, uint32_t max, uint32_t *out)
{
	const char *start = *text;
	uint64_t v = 0;

	for (; **text >= '0' && **text <= '9'; (*text)++) {
		v = v * 10 + (uint64_t)(**text - '0');
		if (v > max)
			return false;
	}
	*out = (uint32_t)v;
	return *text != start;
}

bool value_number(const char *text, uint32_t *out)
{
	return read_number(&text, UINT32_MAX, out) && !*text;
}

bool value_flag(const char *text, bool *out)
{
	static const char *const names[][2] = { { "false", "true" }, { "0", "1" }, { "off", "on" }, { "no", "yes" } };

	for (unsigned i = 0; i < ARRAY_COUNT(names); i++)
		for (unsigned is_on = 0; is_on < 2; is_on++)
			if (!strcmp(text, names[i][is_on])) {
				*out = is_on;
				return true;
			}
	return false;
}

bool value_ipv4(const char *text, be32_t *out, uint32_t *prefix_bits)
{
	uint8_t bytes[4];

	for (unsigned i = 0; i < 4; i++) {
		uint32_t v;

		if ((i && *text++ != '.') || !read_number(&text, 255, &v))
			return false;
		bytes[i] = (uint8_t)v;
	}
	if (prefix_bits && (*text++ != '/' || !read_number(&text, 32, prefix_bits)))
		return false;
	if (*text)
		return false;
	memcpy(out, bytes, sizeof(bytes));
	return true;
}

bool value_is_host(be32_t address)
{
	uint32_t first = be32(address) >> 24;

	return first >= 1 && first <= 223 && first != 127;
}

bool value_ip6(const char *text, struct ip6 *out, uint32_t *prefix_bits)
{
	if (!ip6_parse(text, out, &text))
		return false;
	if (prefix_bits && (*text++ != '/' || !read_number(&text, 128, prefix_bits)))
		return false;
	return !*text;
}

bool value_is_host6(const struct ip6 *address)
{
	const be32_t *w = address->words;

	if ((w[0] & 0xff) == 0xff)
		return false;
	return w[0] | w[1] || (w[2] ? w[2] != be32(0xffff) : be32(w[3]) > 1);
}
