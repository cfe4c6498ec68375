/* SPDX-License-Identifier: MIT */
/*
 * The compiled manifest and the kernel's command line: two bytes length of the command line, the command line, and the manifest
 * as a part of the image has it; bit 15 of the length: a good manifest instead.
 */
#include <stdlib.h>
#include "test/fuzz/fuzz.h"
#include "test/unit/conf/sample.h"

static struct conf conf;
static struct sample sample;

static void check(void)
{
	size_t count = 0;

	FUZZ_CHECK(conf.cores_min >= 1 && conf.cores_min <= conf.cores_max && conf.cores_max <= IX_CORES_MAX);
	FUZZ_CHECK(conf.batch >= 1 && conf.batch <= 64 && conf.port_count <= IX_PORTS_MAX);
	FUZZ_CHECK(conf.arg_count <= IX_ARGS_MAX && conf.env_count <= IX_ENV_MAX && conf.prefix_bits <= 32);
	FUZZ_CHECK(conf.rto_floor_ms >= 5 && conf.rto_floor_ms <= 1000 && conf.prefix6_bits <= 128);
	for (uint32_t i = 0; i < conf.arg_count; i++)
		count += strlen(conf.args[i]);
	for (uint32_t i = 0; i < conf.env_count; i++)
		FUZZ_CHECK(strchr(conf.env[i], '='));
	count += strlen(conf.name) + strlen(conf.version);
	FUZZ_CHECK(count < 1u << 20);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct feed f = { data, data + bytes };
	uint16_t length = feed_u16(&f);
	size_t line = MIN((size_t)(length & 0x7fff), feed_left(&f));
	char *cmdline = malloc(line + 1), error[160];
	void *part;
	size_t part_bytes;

	FUZZ_CHECK(cmdline);
	feed_take(&f, cmdline, line);
	cmdline[line] = 0;
	sample_make(&sample);
	part_bytes = length & 0x8000 ? sizeof(sample) : feed_left(&f);
	part = malloc(part_bytes ? part_bytes : 1);
	FUZZ_CHECK(part);
	if (length & 0x8000)
		memcpy(part, &sample, part_bytes);
	else
		feed_take(&f, part, part_bytes);
	memset(error, '#', sizeof(error));
	if (!conf_load(&conf, part, part_bytes, cmdline, error))
		check();
	else
		FUZZ_CHECK(memchr(error, 0, sizeof(error)));
	free(part);
	free(cmdline);
	return 0;
}
