/* SPDX-License-Identifier: MIT */
/* Address -> function, from a file of lines "ADDRESS TYPE NAME" as nm and /proc/kallsyms write them. */
#pragma once
#include <stdint.h>

/** symbols_load() - Return: number of functions, 0 if the file has none; -1 with errno if it cannot be read. */
int symbols_load(const char *path);

/** symbols_find() - Return: index of the function that @va lies in, or the number of functions: in none. */
unsigned symbols_find(uint64_t va);

/** symbols_name() - of an index that symbols_find() returned. */
const char *symbols_name(unsigned index);
