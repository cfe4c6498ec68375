/* SPDX-License-Identifier: MIT */
/*
 * The status page, put into the program as it is, and its Content-Security-Policy: the sums of its one script and one style
 * are allowed [CSP3 8.3] and nothing else runs or is loaded; and no text can become markup (trusted types).
 */
#include "hostctl/ixd/http.h"
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

__asm__(".pushsection .rodata\n"
	".globl status_page, status_page_end\n"
	"status_page: .incbin \"" STATUS_PAGE_FILE "\"\n"
	"status_page_end: .byte 0\n"
	".popsection\n");

#define SUM_TEXT 48 /* of base64 */

/* The sum of what is between <@tag> and </@tag>. */
static void sum_of(const char *tag, char out[SUM_TEXT])
{
	uint8_t digest[SHA256_DIGEST_LENGTH];
	char mark[16];
	const char *from, *to;

	snprintf(mark, sizeof(mark), "<%s>", tag);
	from = strstr(status_page, mark);
	snprintf(mark, sizeof(mark), "</%s>", tag);
	to = from != NULL ? strstr(from, mark) : NULL;
	if (to == NULL)
		abort();
	from += strlen(tag) + 2;
	SHA256((const uint8_t *)from, (size_t)(to - from), digest);
	EVP_EncodeBlock((uint8_t *)out, digest, sizeof(digest));
}

const char *status_policy(void)
{
	static char policy[512];
	char script[SUM_TEXT], style[SUM_TEXT];

	if (*policy != '\0') /* the thread that serves is one */
		return policy;
	sum_of("script", script);
	sum_of("style", style);
	snprintf(
		policy, sizeof(policy),
		"default-src 'none'; script-src 'sha256-%s'; style-src 'sha256-%s'; connect-src 'self'; img-src data:; "
		"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; "
		"trusted-types 'none'",
		script, style);
	return policy;
}
