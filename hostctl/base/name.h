/* SPDX-License-Identifier: MIT */
/* What a guest may be called, and what is made of its name. */
#pragma once
#include "hostctl/base/err.h"
#include <stdint.h>

#define NAME_MAX_BYTES 32u

/**
 * name_check() - a to z, digits and '-', a letter first, no '-' last, at most NAME_MAX_BYTES
 * Such a name is safe as a folder, in XML, in a DNS label and in every command line. Return: 0, or -1 with @err.
 */
int name_check(const char *name, struct err *err);

/** name_port() - its port on the switch: "ix" and 10 hex digits of the name's sha256; fits an interface name. */
void name_port(const char *name, char out[13]);

/** name_mac() - its Ethernet address: 02:49:58 and 24 bits of the name's sha256 (locally administered). */
void name_mac(const char *name, uint8_t out[6]);

/** name_uuid() - its domain's UUID, from the name's sha256 [RFC 9562 5.8]: the same guest after each replacement. */
void name_uuid(const char *name, char out[37]);
