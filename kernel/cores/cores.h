/* SPDX-License-Identifier: MIT */
/*
 * In: vCPUs of the machine, how many cores the host wants to run. Out: cores that run a loop, with an even share of the flow groups each.
 * Everything is sized at the start for as many as there can ever be. Who calls: main.c. Start reading at cores.c.
 */
#pragma once
#include "kernel/base/percore.h"
#include "kernel/base/types.h"

struct acpi_info;
struct conf;

/**
 * cores_init() - boot core, before anything is sized by cpu_core_limit(): set windows aside for all cores that may come, start those
 * that are there. Each of them says cores_core_started() and waits until it is let go. Return: 0, or negative after a line that says why.
 */
int cores_init(const struct acpi_info *acpi, const struct conf *conf);
void cores_core_started(void);
