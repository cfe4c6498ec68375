/* SPDX-License-Identifier: MIT */
/* A function reaches up to the next symbol; what lies before the first one belongs to none. */
#include "bench/plugin/symbols.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct symbol {
	uint64_t va;
	char *name;
};

static struct symbol *table;
static unsigned count;

static int compare(const void *a, const void *b)
{
	const struct symbol *x = a, *y = b;

	return x->va < y->va ? -1 : x->va > y->va;
}

int symbols_load(const char *path)
{
	FILE *f = fopen(path, "r");
	static char line[512], name[400];
	char type;
	unsigned room = 0;
	uint64_t va;

	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%" SCNx64 " %c %399s", &va, &type, name) != 3 || !strchr("tTwW", type))
			continue;
		if (count == room) {
			room = room ? room * 2 : 1024;
			table = realloc(table, room * sizeof(*table));
			if (!table)
				abort();
		}
		table[count].va = va;
		table[count++].name = strdup(name);
	}
	fclose(f);
	if (count)
		qsort(table, count, sizeof(*table), compare);
	return (int)count;
}

unsigned symbols_find(uint64_t va)
{
	unsigned low = 0, high = count, middle;

	if (!count || va < table[0].va)
		return count;
	while (high - low > 1) {
		middle = (low + high) / 2;
		if (table[middle].va <= va)
			low = middle;
		else
			high = middle;
	}
	return low;
}

const char *symbols_name(unsigned index)
{
	return index < count ? table[index].name : "[other]";
}
