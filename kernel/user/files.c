/* SPDX-License-Identifier: MIT */
/* The files of ring 3 (kernel/abi/files.h), from the image's archive and from the host's fw_cfg into memory of their own. */
#include "kernel/abi/files.h"
#include "kernel/base/bytes.h"
#include "kernel/base/err.h"
#include "kernel/base/log.h"
#include "kernel/cpu/start.h"
#include "kernel/mem/map.h"
#include "kernel/mem/mem.h"
#include "kernel/user/user.h"

#define HEAD_BYTES 110u /* of an entry [cpio(5), "New ASCII Format"] */
#define FILE_SIZE_AT 54u
#define NAME_SIZE_AT 94u
#define HOST_FILES_MAX 1024u

/* One file before it is anywhere. */
struct source {
	char path[IX_FILE_PATH_BYTES];
	uint64_t bytes;
	const uint8_t *data;      /* in the image; NULL: of the host ... */
	struct fwcfg_entry entry; /* ... here */
	bool is_secret;
};

/* Where a walk through all files is. */
struct walk {
	uint32_t host; /* entry of fw_cfg that comes next */
	const uint8_t *archive;
	size_t at, bytes;
	const char *error;
};

/* Eight hexadecimal digits; UINT64_MAX: they are not. */
static uint64_t hex(const uint8_t *text)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < 8; i++) {
		uint8_t c = text[i];

		if (c >= '0' && c <= '9')
			value = value << 4 | (c - '0');
		else if (c >= 'A' && c <= 'F')
			value = value << 4 | (c - 'A' + 10u);
		else
			return UINT64_MAX;
	}
	return value;
}

static bool set_path(struct source *s, const char *folder, const char *name)
{
	size_t n = strlen(folder), m = strlen(name);

	if (m == 0 || n + m >= sizeof(s->path))
		return false;
	memcpy(s->path, folder, n);
	memcpy(s->path + n, name, m + 1);
	return true;
}

static bool next_of_image(struct walk *w, struct source *s)
{
	const uint8_t *head = w->archive + w->at;
	size_t left = w->bytes - w->at, name_bytes, data_at;

	w->error = "the archive of the image is damaged";
	if (left < HEAD_BYTES || memcmp(head, "070701", 6) != 0)
		return false;
	s->bytes = hex(head + FILE_SIZE_AT);
	name_bytes = hex(head + NAME_SIZE_AT);
	if (name_bytes == 0 || name_bytes > left - HEAD_BYTES || head[HEAD_BYTES + name_bytes - 1] != 0)
		return false;
	data_at = ALIGN_UP(HEAD_BYTES + name_bytes, 4);
	if (data_at > left || s->bytes > left - data_at)
		return false;
	if (strcmp((const char *)head + HEAD_BYTES, "TRAILER!!!") == 0) {
		w->error = NULL;
		return false;
	}
	s->data = head + data_at;
	s->is_secret = false;
	w->at += MIN(ALIGN_UP(data_at + s->bytes, 4), left);
	w->error = "a path of the image is too long";
	if (!set_path(s, "/", (const char *)head + HEAD_BYTES))
		return false;
	w->error = NULL;
	return true;
}

static bool next_of_host(struct walk *w, struct source *s)
{
	static const char file[] = "opt/ix/file/", secret[] = "opt/ix/secret/";

	s->data = NULL;
	while (w->host < HOST_FILES_MAX && fwcfg_entry(w->host, &s->entry)) {
		const char *name = s->entry.name;

		w->host++;
		s->bytes = s->entry.bytes;
		s->is_secret = strncmp(name, secret, sizeof(secret) - 1) == 0;
		if (s->is_secret ? set_path(s, "/secrets/", name + sizeof(secret) - 1)
				 : strncmp(name, file, sizeof(file) - 1) == 0 &&
					   set_path(s, "/files/", name + sizeof(file) - 1))
			return true;
	}
	w->host = HOST_FILES_MAX;
	return false;
}

static bool next(struct walk *w, struct source *s)
{
	return (w->host < HOST_FILES_MAX && next_of_host(w, s)) || (w->archive && next_of_image(w, s));
}

/* How much room they take; paths and table first. */
struct measure {
	uint64_t head_bytes, total;
	uint32_t count;
};

/* NULL, or what is wrong. @s: scratch. */
static const char *measure(struct walk w, struct measure *m, struct source *s)
{
	uint64_t pages = 0;

	m->head_bytes = 0;
	for (m->count = 0; next(&w, s); m->count++) {
		m->head_bytes += sizeof(struct ix_file) + strlen(s->path) + 1;
		pages += ALIGN_UP(s->bytes, PAGE_BYTES);
	}
	m->head_bytes = ALIGN_UP(m->head_bytes, PAGE_BYTES);
	m->total = m->head_bytes + pages;
	return w.error ? w.error : m->count > IX_FILES_MAX ? "there are too many" : NULL;
}

/* False: the host's directory is not any more what it was when it was measured. */
static bool lay_out(struct walk w, const struct measure *m, uint8_t *to, struct source *s)
{
	struct ix_file *file = (struct ix_file *)to;
	uint64_t path = m->count * sizeof(*file), at = m->head_bytes;
	uint32_t left = m->count;

	for (; next(&w, s); file++, left--) {
		if (!left || strlen(s->path) + 1 > m->head_bytes - path ||
		    ALIGN_UP(s->bytes, PAGE_BYTES) > m->total - at)
			return false;
		*file = (struct ix_file){
			.at = at, .bytes = s->bytes, .path = (uint32_t)path, .is_secret = s->is_secret
		};
		memcpy(to + path, s->path, strlen(s->path) + 1);
		path += strlen(s->path) + 1;
		if (s->data)
			memcpy(to + at, s->data, s->bytes);
		else
			fwcfg_load(&s->entry, to + at);
		at += ALIGN_UP(s->bytes, PAGE_BYTES);
	}
	return !left;
}

int user_files_init(const void *archive, size_t bytes)
{
	struct walk w = { .archive = archive, .bytes = bytes };
	struct measure m;
	struct source s;
	const char *error = measure(w, &m, &s);
	uint8_t *to;
	int err;

	if (error) {
		log_line("files: %s (at most %u, paths of %u bytes)", error, IX_FILES_MAX, IX_FILE_PATH_BYTES - 1);
		return KERR_INVALID;
	}
	if (!m.count)
		return 0;
	to = mem_boot_alloc(m.total, PAGE_BYTES);
	err = to ? map_range(IX_FILES_VA, mem_pa(to), m.total, MAP_USER) : KERR_NO_MEMORY;
	if (err) {
		log_line("no memory for %u files: they want %lu MiB in one piece, %lu MiB are left; raise memory_mib",
			 m.count, (m.total >> 20) + 1, mem_boot_free_bytes() >> 20);
		return err;
	}
	if (!lay_out(w, &m, to, &s)) {
		log_line("files: what the host gives changed while it was read");
		return KERR_INVALID;
	}
	user_partition.files = to;
	user_partition.files_bytes = m.total;
	((struct ix_info *)map_info_page())->files = m.count;
	return 0;
}
