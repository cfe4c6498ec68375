/* SPDX-License-Identifier: MIT */
/* The format language of log lines: one specification is read into struct spec, then written out. */
#include "kernel/base/fmt.h"

#include "kernel/base/bytes.h"

struct out {
	char *at;
	size_t room;  /* bytes of text that fit, without the NUL */
	size_t count; /* bytes of text so far, fitting or not */
};

struct spec {
	bool left, zero, has_precision;
	unsigned longs; /* 0: int, else 64 bits */
	size_t width;
	size_t precision;
	char kind;
};

#define WIDTH_MAX 1000u

static void put(struct out *o, char c)
{
	if (o->count < o->room)
		o->at[o->count] = c;
	o->count++;
}

static void put_padded(struct out *o, const struct spec *s, const char *text, size_t bytes)
{
	size_t pad = s->width > bytes ? s->width - bytes : 0;

	for (size_t i = 0; !s->left && i < pad; i++)
		put(o, ' ');
	for (size_t i = 0; i < bytes; i++)
		put(o, text[i]);
	for (size_t i = 0; s->left && i < pad; i++)
		put(o, ' ');
}

/* @prefix ("-", "0x" or "") stands before the padding zeros and after the padding spaces. */
static void put_number(struct out *o, struct spec *s, uint64_t v, unsigned base, const char *prefix)
{
	const char *digits = s->kind == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
	char text[24];
	size_t at = sizeof(text), used = strlen(prefix);

	do {
		text[--at] = digits[v % base];
		v /= base;
	} while (v);
	if (s->zero && !s->left) {
		size_t zeros = s->width > used + sizeof(text) - at ? s->width - used - (sizeof(text) - at) : 0;

		while (*prefix)
			put(o, *prefix++);
		while (zeros--)
			put(o, '0');
		s->width = 0;
	}
	used = strlen(prefix);
	at -= used;
	memcpy(text + at, prefix, used);
	put_padded(o, s, text + at, sizeof(text) - at);
}

static size_t read_count(const char **fmt, va_list *ap)
{
	size_t n = 0;

	if (**fmt == '*') {
		int given = va_arg(*ap, int);

		(*fmt)++;
		return given > 0 ? MIN((size_t)given, WIDTH_MAX) : 0;
	}
	for (; **fmt >= '0' && **fmt <= '9'; (*fmt)++)
		n = MIN(n * 10 + (size_t)(**fmt - '0'), WIDTH_MAX);
	return n;
}

static const char *read_spec(const char *fmt, struct spec *s, va_list *ap)
{
	*s = (struct spec){ 0 };
	for (; *fmt == '-' || *fmt == '0'; fmt++) {
		s->left |= *fmt == '-';
		s->zero |= *fmt == '0';
	}
	s->width = read_count(&fmt, ap);
	if (*fmt == '.') {
		fmt++;
		s->has_precision = true;
		s->precision = read_count(&fmt, ap);
	}
	for (; *fmt == 'l' || *fmt == 'z'; fmt++)
		s->longs++;
	s->kind = *fmt;
	return *fmt ? fmt + 1 : fmt;
}

static void put_spec(struct out *o, struct spec *s, va_list *ap)
{
	const char *text;
	uint64_t v;
	char c;

	switch (s->kind) {
	case 'd':
	case 'i':
		v = s->longs ? (uint64_t)va_arg(*ap, long long) : (uint64_t)(int64_t)va_arg(*ap, int);
		put_number(o, s, (int64_t)v < 0 ? 0 - v : v, 10, (int64_t)v < 0 ? "-" : "");
		break;
	case 'u':
	case 'x':
	case 'X':
		v = s->longs ? va_arg(*ap, unsigned long long) : va_arg(*ap, unsigned int);
		put_number(o, s, v, s->kind == 'u' ? 10 : 16, "");
		break;
	case 'p':
		put_number(o, s, (uintptr_t)va_arg(*ap, void *), 16, "0x");
		break;
	case 'c':
		c = (char)va_arg(*ap, int);
		put_padded(o, s, &c, 1);
		break;
	case 's':
		text = va_arg(*ap, const char *);
		if (!text)
			text = "(null)";
		put_padded(o, s, text, s->has_precision ? strnlen(text, s->precision) : strlen(text));
		break;
	case '%':
		put(o, '%');
		break;
	case 0:
		break;
	default: /* not ours: shown, not guessed */
		put(o, '%');
		put(o, s->kind);
	}
}

size_t fmt_va(char *out, size_t bytes, const char *fmt, va_list ap)
{
	struct out o = { .at = out, .room = bytes ? bytes - 1 : 0 };
	va_list args;

	va_copy(args, ap);
	while (*fmt) {
		struct spec s;

		if (*fmt != '%') {
			put(&o, *fmt++);
			continue;
		}
		fmt = read_spec(fmt + 1, &s, &args);
		put_spec(&o, &s, &args);
	}
	va_end(args);
	if (bytes)
		out[MIN(o.count, o.room)] = 0;
	return o.count;
}

size_t fmt_text(char *out, size_t bytes, const char *fmt, ...)
{
	size_t length;
	va_list ap;

	va_start(ap, fmt);
	length = fmt_va(out, bytes, fmt, ap);
	va_end(ap);
	return length;
}
