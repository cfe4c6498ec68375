/* SPDX-License-Identifier: MIT */
/* What cfg.c needs of access.c at start. */
#pragma once
#include "kernel/base/types.h"

/** access_init() - choose the way in (see pci_init()). Return: highest bus that can be reached. */
uint8_t access_init(pa_t ecam_pa, uint8_t last_bus);
