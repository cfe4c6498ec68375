/* SPDX-License-Identifier: MIT */
/* A good compiled manifest to start from, and the way to load one that is exactly as long as its part. */
#pragma once
#include "kernel/conf/conf.h"

#define SAMPLE_TEXT_BYTES 128u

struct sample {
	struct ix_manifest m;
	char text[SAMPLE_TEXT_BYTES];
};

/** sample_make() - two args, two variables, two ports, a static address; every number inside its range. */
void sample_make(struct sample *s);

/** sample_load() - from a heap copy of @bytes bytes, so that a read behind it is seen. Copy freed by sample_done(). */
int sample_load(struct conf *out, const struct sample *s, size_t bytes, const char *cmdline, char error[160]);
void sample_done(void);
