/* SPDX-License-Identifier: MIT */
/* IPv6 addresses as people write them. [RFC 4291 2.2, RFC 5952] */
#include "kernel/base/ip6.h"

#include "kernel/base/bytes.h"

#define GROUPS 8u

static unsigned group_at(const struct ip6 *a, unsigned i)
{
	uint32_t word = be32(a->words[i / 2]);

	return i & 1 ? word & 0xffff : word >> 16;
}

static char *put_hex(char *at, unsigned v)
{
	for (int shift = 12; shift >= 0; shift -= 4)
		if (v >> shift || !shift)
			*at++ = "0123456789abcdef"[v >> shift & 15];
	return at;
}

/* The longest run of two or more zero groups, the first of equals. Return: its length. */
static unsigned find_zeros(const struct ip6 *a, unsigned *start)
{
	unsigned best = 1;

	*start = GROUPS;
	for (unsigned i = 0; i < GROUPS; i++) {
		unsigned n = 0;

		while (i + n < GROUPS && !group_at(a, i + n))
			n++;
		if (n > best) {
			best = n;
			*start = i;
		}
	}
	return best;
}

void ip6_text(char out[IP6_TEXT_BYTES], const struct ip6 *a)
{
	unsigned start, zeros = find_zeros(a, &start);
	char *at = out;

	for (unsigned i = 0; i < GROUPS; i++) {
		if (i == start) {
			*at++ = ':';
			*at++ = ':';
			i += zeros - 1;
			continue;
		}
		if (i && at[-1] != ':')
			*at++ = ':';
		at = put_hex(at, group_at(a, i));
	}
	*at = 0;
}

static int digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One to four digits; @text is moved behind them. */
static bool read_group(const char **text, unsigned *out)
{
	unsigned digits = 0;

	for (*out = 0; digits < 4 && digit_of(**text) >= 0; digits++)
		*out = *out << 4 | (unsigned)digit_of(*(*text)++);
	return digits && digit_of(**text) < 0;
}

bool ip6_parse(const char *text, struct ip6 *out, const char **end)
{
	uint16_t groups[GROUPS] = { 0 };
	unsigned count = 0, gap = GROUPS + 1; /* groups before "::" */

	if (text[0] == ':' && text[1] == ':') {
		gap = 0;
		text += 2;
	}
	while (*text && *text != '/') {
		unsigned v;

		if (count == GROUPS || !read_group(&text, &v))
			return false;
		groups[count++] = be16(v);
		if (!*text || *text == '/')
			break;
		if (*text++ != ':')
			return false;
		if (*text == ':' && gap > GROUPS) {
			gap = count;
			text++;
		} else if (!*text || *text == '/') {
			return false; /* a colon at the end */
		}
	}
	if (gap > GROUPS ? count != GROUPS : count == GROUPS)
		return false;
	if (gap <= GROUPS) {
		memmove(groups + GROUPS - (count - gap), groups + gap, (count - gap) * sizeof(groups[0]));
		memset(groups + gap, 0, (GROUPS - count) * sizeof(groups[0]));
	}
	memcpy(out, groups, sizeof(*out));
	*end = text;
	return true;
}
