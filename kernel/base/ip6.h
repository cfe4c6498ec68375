/* SPDX-License-Identifier: MIT */
/* IPv6 addresses as people write them. [RFC 4291 2.2, RFC 5952] */
#pragma once
#include "kernel/base/types.h"

#define IP6_TEXT_BYTES 40u

/** ip6_text() - into @out, shortened as RFC 5952 wants it, NUL-terminated. */
void ip6_text(char out[IP6_TEXT_BYTES], const struct ip6 *a);

/** ip6_parse() - all of @text up to its end or a '/', which @end is left at. Without the forms that end in a.b.c.d. */
bool ip6_parse(const char *text, struct ip6 *out, const char **end);
