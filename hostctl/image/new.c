/* SPDX-License-Identifier: MIT */
/* A folder to start from: a manifest that says what can be said, most of it as comments. */
#include "hostctl/image/image.h"
#include "hostctl/image/schema.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void add(struct blob *out, const char *text)
{
	blob_add(out, text, strlen(text));
}

/* @folder may be anywhere, with any characters in its path but a line's end, which would end the comment. */
static void write_fields(struct blob *out, const char *folder, const char *name)
{
	char line[256];

	if (strpbrk(folder, "\r\n") == NULL)
		blob_print(out, "# Image manifest. Build: ixctl image build %s    Run: ixctl run %s -p 7007:7\n",
			   folder, folder);
	blob_print(out,
		   "name: %s\nversion: 0.1.0\napp: echo\nports: [7/tcp]\n\n"
		   "# Everything else has a default:\n",
		   name);
	for (unsigned i = 0; i < schema_count; i++) {
		const struct schema_key *key = &schema_keys[i];
		const char *dot = strchr(key->name, '.');
		const char *leaf = dot != NULL ? dot + 1 : key->name;

		if (key->is_required || strcmp(key->name, "version") == 0 || key->kind == SCHEMA_PORTS)
			continue;
		snprintf(line, sizeof(line), "# %s%s:%s%s", dot != NULL ? "  " : "", leaf,
			 key->fallback != NULL ? " " : "", key->fallback != NULL ? key->fallback : "");
		add(out, line);
		snprintf(line, sizeof(line), "%*s# %s\n", 32 - (int)(strlen(line) < 31 ? strlen(line) : 31), "",
			 key->doc);
		add(out, line);
	}
}

int image_new(const char *name, struct err *err)
{
	struct source *s = calloc(1, sizeof(*s));
	const char *last = strrchr(name, '/');
	struct blob out = { 0 };
	char *path = NULL;
	int result = -1;

	last = last != NULL ? last + 1 : name;
	if (s == NULL || asprintf(&path, "%s/image.yaml", name) < 0)
		err_set(err, STATUS_MACHINE, "out of memory");
	else if (!schema_set(s, schema_find("name"), last))
		err_set(err, STATUS_USAGE, "%s: expected a name of a-z, 0-9, '-', '_' and '.'", name);
	else if (mkdir(name, 0777) != 0)
		err_set(err, STATUS_USAGE, "cannot make the folder %s: %s", name, strerror(errno));
	else {
		write_fields(&out, name, last);
		result = blob_write(&out, path, err);
		if (result != 0)
			rmdir(name);
	}
	blob_fini(&out);
	source_free(s);
	free(path);
	return result;
}
