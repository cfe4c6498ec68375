/* SPDX-License-Identifier: MIT */
/* Text of strangers, made harmless. */
#include "hostctl/base/clean.h"
#include <stdbool.h>
#include <stdint.h>

void clean_text(char *text, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++) {
		unsigned char c = (unsigned char)text[i];
		bool is_space = c == '\n' || c == '\r' || c == '\t';

		if ((c < 0x20 && !is_space) || c == 0x7f) {
			text[i] = '?';
		} else if (c == 0xc2 && i + 1 < bytes && ((unsigned char)text[i + 1] & 0xe0) == 0x80) {
			text[i] = '?';
			text[i + 1] = '?';
		}
	}
}

/* Length of the character that begins here [RFC 3629 4], 0: none does. */
static size_t character(const unsigned char *s, size_t room)
{
	static const struct {
		uint8_t first, last, second_min, second_max, bytes;
	} kinds[] = {
		{ 0x01, 0x7f, 0, 0, 1 },       { 0xc2, 0xdf, 0x80, 0xbf, 2 }, { 0xe0, 0xe0, 0xa0, 0xbf, 3 },
		{ 0xe1, 0xec, 0x80, 0xbf, 3 }, { 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 },
		{ 0xf0, 0xf0, 0x90, 0xbf, 4 }, { 0xf1, 0xf3, 0x80, 0xbf, 4 }, { 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};

	for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
		size_t n = kinds[k].bytes;

		if (s[0] < kinds[k].first || s[0] > kinds[k].last)
			continue;
		if (n > room || (n > 1 && (s[1] < kinds[k].second_min || s[1] > kinds[k].second_max)))
			return 0;
		for (size_t i = 2; i < n; i++)
			if ((s[i] & 0xc0) != 0x80)
				return 0;
		return n;
	}
	return 0;
}

void clean_utf8(char *text, size_t bytes)
{
	for (size_t i = 0; i < bytes;) {
		size_t n = character((const unsigned char *)text + i, bytes - i);

		if (n == 0)
			text[i] = '?';
		i += n != 0 ? n : 1;
	}
}
