/* SPDX-License-Identifier: MIT */
/*
 * files[] as a cpio archive in the "new" ASCII format: 110 bytes of hexadecimal header, name,
 * contents, each padded to 4 bytes. Times, owners and inode numbers are fixed, so that the same files
 * give the same bytes. [cpio(5), "New ASCII Format"]
 */
#include "hostctl/image/schema.h"
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_BYTES_MAX (256u << 20)

static void add_entry(struct blob *out, const char *name, unsigned mode, const struct blob *data, unsigned inode)
{
	char header[111];

	snprintf(header, sizeof(header), "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X", inode, mode, 0u,
		 0u, 1u, 0u, (unsigned)data->bytes, 0u, 0u, 0u, 0u, (unsigned)strlen(name) + 1, 0u);
	blob_add(out, header, 110);
	blob_add(out, name, strlen(name) + 1);
	blob_align(out, 4);
	blob_add(out, data->data, data->bytes);
	blob_align(out, 4);
}

int source_pack(const struct source *s, const char *path, struct blob *out, struct err *err)
{
	const struct blob nothing = { 0 };
	char *copy = strdup(path);
	const char *folder = dirname(copy);
	int at = schema_find("files");
	struct err why = { 0 };
	int result = 0;

	for (uint32_t i = 0; i < s->file_count && result == 0; i++) {
		const char *from = s->files[i].from;
		struct blob data = { 0 };
		char *full = NULL;

		if (asprintf(&full, "%s%s%s", from[0] == '/' ? "" : folder, from[0] == '/' ? "" : "/", from) < 0) {
			result = err_set(err, STATUS_MACHINE, "out of memory");
			break;
		}
		result = blob_read(&data, full, FILE_BYTES_MAX, &why);
		if (result == 0)
			add_entry(out, s->files[i].to, 0100444, &data, i + 1);
		else
			err_set(err, why.status, "%s:%u: files: expected a file, got this: %s", path, s->line[at],
				why.text);
		blob_fini(&data);
		free(full);
	}
	if (result == 0)
		add_entry(out, "TRAILER!!!", 0, &nothing, 0);
	err_fini(&why);
	free(copy);
	return result;
}
