/* SPDX-License-Identifier: MIT */
/* <string.h> for lwIP in ring 0: what kernel/base/bytes.c has. */
#pragma once
#include "kernel/base/bytes.h"
