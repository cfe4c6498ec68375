/* SPDX-License-Identifier: MIT */
/*
 * Files that ring 3 may read: those of the image at their paths, what the host gives by fw_cfg (opt/ix/file/NAME,
 * opt/ix/secret/NAME) as /files/NAME and /secrets/NAME. Laid out once at start, read-only, the same on every core: a table of
 * ix_info.files entries at IX_FILES_VA, then paths, then contents, each of them from a page of its own and zero behind its end.
 * The first of two with one path counts; the host's come first.
 */
#pragma once
#include <stdint.h>

#define IX_FILES_MAX 512u
#define IX_FILE_PATH_BYTES 256u /* with its NUL */

struct ix_file {
	uint64_t at;    /* of its contents, from IX_FILES_VA */
	uint64_t bytes; /* of its contents */
	uint32_t path;  /* of its path, NUL-terminated, from IX_FILES_VA */
	uint32_t is_secret;
};
_Static_assert(sizeof(struct ix_file) == 24, "ABI");
