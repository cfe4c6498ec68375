/* SPDX-License-Identifier: MIT */
/* SHA-256 of one piece of memory, for the parts of an image. [FIPS 180-4] */
#pragma once
#include "kernel/base/types.h"

void sha256(const void *data, size_t bytes, uint8_t digest[32]);
