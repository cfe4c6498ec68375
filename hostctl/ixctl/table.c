/* SPDX-License-Identifier: MIT */
/* Tables for people. */
#include "hostctl/ixctl/table.h"
#include "hostctl/base/clean.h"
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define DURATION_BYTES 24u
#define COUNT_BYTES 16u

void table_init(struct table *t, const char *const *heads, unsigned columns)
{
	*t = (struct table){ .heads = heads, .columns = columns };
}

void table_fini(struct table *t)
{
	for (size_t i = 0; i < t->count; i++)
		free(t->cells[i]);
	free(t->cells);
	t->cells = NULL;
	t->count = 0;
}

void table_cell(struct table *t, const char *fmt, ...)
{
	char **grown = reallocarray(t->cells, t->count + 1, sizeof(*grown));
	va_list args;
	int n = -1;

	if (grown != NULL) {
		t->cells = grown;
		va_start(args, fmt);
		n = vasprintf(&grown[t->count], fmt, args);
		va_end(args);
	}
	if (n < 0)
		abort();
	clean_text(grown[t->count], (size_t)n);
	t->count++;
}

/* Bytes are columns but for those that go on a UTF-8 character. */
static int width(const char *text)
{
	int n = 0;

	for (; *text != '\0'; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

static void put_row(const struct table *t, const char *const *cells, const int *widths, FILE *to)
{
	for (unsigned c = 0; c < t->columns; c++) {
		bool is_right = t->heads[c][0] == '>';
		const char *text = cells[c];
		int pad = widths[c] - width(text);

		if (is_right)
			fprintf(to, "%*s%s", pad, "", text);
		else
			fprintf(to, "%s%*s", text, c + 1 < t->columns ? pad : 0, "");
		fputs(c + 1 < t->columns ? "  " : "\n", to);
	}
}

void table_print(const struct table *t, FILE *to)
{
	const char *heads[TABLE_COLUMNS_MAX] = { "" };
	int widths[TABLE_COLUMNS_MAX] = { 0 };

	for (unsigned c = 0; c < t->columns; c++) {
		heads[c] = t->heads[c] + (t->heads[c][0] == '>');
		widths[c] = width(heads[c]);
		for (size_t i = c; i < t->count; i += t->columns)
			if (width(t->cells[i]) > widths[c])
				widths[c] = width(t->cells[i]);
	}
	if (heads[0][0] != '\0')
		put_row(t, heads, widths, to);
	for (size_t i = 0; i + t->columns <= t->count; i += t->columns)
		put_row(t, (const char *const *)t->cells + i, widths, to);
}

char *text_duration(char *out, int64_t seconds)
{
	static const struct {
		uint32_t seconds;
		char letter;
	} unit[] = { { 86400, 'd' }, { 3600, 'h' }, { 60, 'm' }, { 1, 's' } };
	uint32_t s = seconds < 0 ? 0 : seconds < UINT32_MAX ? (uint32_t)seconds : UINT32_MAX;

	for (unsigned i = 0; i < 3; i++) {
		if (s < unit[i].seconds)
			continue;
		snprintf(out, DURATION_BYTES, "%u%c%u%c", s / unit[i].seconds, unit[i].letter,
			 s % unit[i].seconds / unit[i + 1].seconds, unit[i + 1].letter);
		return out;
	}
	snprintf(out, DURATION_BYTES, "%us", s);
	return out;
}

char *text_count(char *out, double n)
{
	static const char letters[] = "kMGTP";
	int i = -1;

	for (; n >= 999.95 && i < 4; i++)
		n /= 1000;
	if (i < 0)
		snprintf(out, COUNT_BYTES, "%.0f", n);
	else
		snprintf(out, COUNT_BYTES, "%.1f%c", n, letters[i]);
	return out;
}
