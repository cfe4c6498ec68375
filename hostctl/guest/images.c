/* SPDX-License-Identifier: MIT */
/* Images of a guest, by generation: the record says which of them is meant, so that its renaming changes all at once. */
#include "hostctl/base/paths.h"
#include "hostctl/guest/guest.h"
#include "hostctl/image/image.h"
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void guest_image_name(uint32_t generation, char out[GUEST_IMAGE_NAME_BYTES])
{
	snprintf(out, GUEST_IMAGE_NAME_BYTES, "image.%u.ix", generation);
}

char *guest_image_path(const char *name, uint32_t generation)
{
	char file[GUEST_IMAGE_NAME_BYTES];

	guest_image_name(generation, file);
	return paths_of_guest(PATHS_GUESTS, name, file);
}

static bool is_named(const struct guest *g, const char *file)
{
	const uint32_t kept[] = { g->generation, g->previous, g->older };
	char name[GUEST_IMAGE_NAME_BYTES];
	bool is = false;

	for (unsigned i = 0; i < 3; i++) {
		guest_image_name(kept[i], name);
		is |= kept[i] != 0 && strcmp(file, name) == 0;
	}
	return is;
}

int guest_remove_images(const struct guest *g, struct err *err)
{
	char *folder = paths_of_guest(PATHS_GUESTS, g->name, NULL);
	DIR *all = opendir(folder);
	struct dirent *d;

	if (all == NULL)
		err_set(err, STATUS_MACHINE, "%s: %s", folder, strerror(errno));
	while (all != NULL && (d = readdir(all)) != NULL)
		if (strncmp(d->d_name, "image.", 6) == 0 && !is_named(g, d->d_name) &&
		    unlinkat(dirfd(all), d->d_name, 0) != 0)
			err_set(err, STATUS_MACHINE, "%s/%s: %s", folder, d->d_name, strerror(errno));
	if (all != NULL)
		closedir(all);
	free(folder);
	return err->status == 0 ? 0 : -1;
}

uint64_t guest_files_room(const struct guest *g)
{
	uint64_t room = 0;

	for (unsigned i = 0; i < g->file_count; i++) {
		struct stat st;
		char *inside, *path;

		if (asprintf(&inside, "%s/%s", g->files[i].is_secret ? "secrets" : "files", g->files[i].name) < 0)
			abort();
		path = paths_of_guest(PATHS_GUESTS, g->name, inside);
		if (stat(path, &st) == 0 && st.st_size >= 0)
			room += image_file_room((uint64_t)st.st_size);
		free(path);
		free(inside);
	}
	return room;
}
