/* SPDX-License-Identifier: MIT */
/* Names of guests. What is made of a name is the same on each host and after each restart: nothing need be remembered. */
#include "hostctl/base/name.h"
#include "hostctl/base/paths.h"
#include <openssl/sha.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_letter(char c)
{
	return c >= 'a' && c <= 'z';
}

static bool is_word(char c)
{
	return is_letter(c) || (c >= '0' && c <= '9') || c == '-';
}

int name_check(const char *name, struct err *err)
{
	size_t bytes = strnlen(name, NAME_MAX_BYTES + 1);
	bool is_good = bytes >= 1 && bytes <= NAME_MAX_BYTES && is_letter(name[0]) && name[bytes - 1] != '-';

	for (size_t i = 0; is_good && i < bytes; i++)
		is_good = is_word(name[i]);
	if (is_good)
		return 0;
	return err_set(err, STATUS_USAGE,
		       "'%.40s' cannot be a guest's name: use a letter, then letters, digits and '-' in lower case, at "
		       "most %u",
		       name, NAME_MAX_BYTES);
}

static void digest(const char *name, uint8_t out[SHA256_DIGEST_LENGTH])
{
	SHA256((const uint8_t *)name, strlen(name), out);
}

void name_port(const char *name, char out[13])
{
	uint8_t d[SHA256_DIGEST_LENGTH];

	digest(name, d);
	snprintf(out, 13, "ix%02x%02x%02x%02x%02x", d[0], d[1], d[2], d[3], d[4]);
}

void name_mac(const char *name, uint8_t out[6])
{
	uint8_t d[SHA256_DIGEST_LENGTH];

	digest(name, d);
	out[0] = 0x02;
	out[1] = 0x49;
	out[2] = 0x58;
	memcpy(out + 3, d, 3);
}

void name_uuid(const char *name, char out[37])
{
	uint8_t d[SHA256_DIGEST_LENGTH];
	const uint8_t *u = d + 8;

	digest(name, d);
	d[8 + 6] = (uint8_t)(0x80 | (d[8 + 6] & 0x0f)); /* version 8: whatever its maker likes */
	d[8 + 8] = (uint8_t)(0x80 | (d[8 + 8] & 0x3f));
	snprintf(out, 37, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", u[0], u[1], u[2],
		 u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12], u[13], u[14], u[15]);
}

char *paths_of_guest(const char *folder, const char *name, const char *file)
{
	char *path;

	if (asprintf(&path, "%s/%s%s%s", folder, name, file != NULL ? "/" : "", file != NULL ? file : "") < 0)
		abort();
	return path;
}

char *paths_page(const char *name)
{
	char *path;

	if (asprintf(&path, "/dev/shm/ix-%s", name) < 0)
		abort();
	return path;
}
