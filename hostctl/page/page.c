/* SPDX-License-Identifier: MIT */
/* The file itself: made, opened, read under its sequence counters; commands written and answers read. */
#include "hostctl/page/page.h"
#include "hostctl/base/paths.h"
#include "hostctl/page/state.h"
#include "kernel/abi/crc32c.h"
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define TRIES 8u /* of a copy that comes out torn; a guest that means it writes for microseconds */

static bool read_at(struct page *page, size_t at, void *out, size_t bytes)
{
	return pread(page->fd, out, bytes, (off_t)at) == (ssize_t)bytes;
}

static bool write_at(struct page *page, size_t at, const void *from, size_t bytes)
{
	return pwrite(page->fd, from, bytes, (off_t)at) == (ssize_t)bytes;
}

/* A copy of an area that begins with its sequence counter, whole or not at all. */
static enum page_trust copy(struct page *page, size_t at, void *out, size_t bytes)
{
	for (unsigned i = 0; i < TRIES; i++) {
		uint32_t before, after;

		if (!read_at(page, at, &before, sizeof(before)) || !read_at(page, at, out, bytes) ||
		    !read_at(page, at, &after, sizeof(after)))
			return page_bad(page, "the page is shorter than %u bytes", IX_PAGE_BYTES);
		if (before == 0)
			return PAGE_SILENT;
		if (before == after && before % 2 == 0)
			return PAGE_GOOD;
	}
	return PAGE_TORN;
}

/* Whether the guest has written anything since this start: it repeats the id of the page's head. */
static enum page_trust copy_guest(struct page *page, struct ix_page_guest *out)
{
	enum page_trust trust = copy(page, IX_PAGE_AT_GUEST, out, sizeof(*out));

	if (trust == PAGE_GOOD && memcmp(out->id, page->head.id, sizeof(out->id)) != 0)
		return PAGE_SILENT;
	return trust;
}

enum page_trust page_guest(struct page *page, struct ix_page_guest *out)
{
	enum page_trust trust = copy_guest(page, out);

	return trust == PAGE_GOOD ? check_guest(page, out) : trust;
}

enum page_trust page_core(struct page *page, unsigned core, struct ix_page_core *out)
{
	enum page_trust trust;

	if (core >= IX_PAGE_CORES_MAX)
		return page_bad(page, "there is no core %u", core);
	trust = copy(page, IX_PAGE_AT_CORES + (size_t)core * IX_PAGE_CORE_STRIDE, out, sizeof(*out));
	return trust == PAGE_GOOD ? check_core(page, core, out) : trust;
}

enum page_trust page_groups(struct page *page, struct ix_page_groups *out)
{
	enum page_trust trust = copy(page, IX_PAGE_AT_GROUPS, out, sizeof(*out));

	return trust == PAGE_GOOD ? check_groups(page, out) : trust;
}

enum page_trust page_resize(struct page *page, struct ix_page_resize *out)
{
	enum page_trust trust = copy(page, IX_PAGE_AT_RESIZE, out, sizeof(*out));

	return trust == PAGE_GOOD ? check_resize(page, out) : trust;
}

enum page_trust page_crash(struct page *page, uint64_t memory_bytes, struct ix_page_crash *out)
{
	enum page_trust trust = copy(page, IX_PAGE_AT_CRASH, out, sizeof(*out));

	return trust == PAGE_GOOD ? check_crash(page, memory_bytes, out) : trust;
}

uint32_t page_crash_count(struct page *page)
{
	uint32_t count;

	return read_at(page, IX_PAGE_AT_CRASH + offsetof(struct ix_page_crash, count), &count, sizeof(count)) ? count
													      : 0;
}

uint32_t page_command(struct page *page, enum ix_page_op op, const uint64_t arg[4])
{
	struct ix_page_command c = { .sequence = page->sequence + 1, .op = op };

	if (page->is_waiting)
		return 0;
	if (c.sequence == 0)
		c.sequence = 1; /* 0 means none */
	memcpy(c.arg, arg, sizeof(c.arg));
	c.crc = ix_crc32c(&c, offsetof(struct ix_page_command, crc));
	/* The sequence last: with it the command becomes valid. */
	if (!write_at(page, IX_PAGE_AT_COMMAND + sizeof(c.sequence), (uint8_t *)&c + sizeof(c.sequence),
		      sizeof(c) - sizeof(c.sequence)) ||
	    !write_at(page, IX_PAGE_AT_COMMAND, &c.sequence, sizeof(c.sequence)))
		return 0;
	page->sequence = c.sequence;
	page->is_waiting = true;
	return c.sequence;
}

void page_abandon(struct page *page)
{
	page->is_waiting = false;
}

enum page_trust page_answer(struct page *page, uint32_t sequence, struct ix_page_answer *out)
{
	uint32_t before;

	if (!read_at(page, IX_PAGE_AT_ANSWER, &before, sizeof(before)) ||
	    !read_at(page, IX_PAGE_AT_ANSWER, out, sizeof(*out)))
		return page_bad(page, "the page is shorter than %u bytes", IX_PAGE_BYTES);
	if (before != sequence || out->sequence != sequence)
		return PAGE_SILENT;
	page->is_waiting = false;
	return PAGE_GOOD;
}

const char *page_why(const struct page *page)
{
	return page->why;
}

unsigned long page_bad_count(const struct page *page)
{
	return page->bad_count;
}

static struct page *page_new(int fd, struct err *err)
{
	struct page *page = calloc(1, sizeof(*page));

	if (page == NULL) {
		close(fd);
		err_set(err, STATUS_MACHINE, "out of memory");
		return NULL;
	}
	page->fd = fd;
	return page;
}

struct page *page_adopt(int fd, struct err *err)
{
	struct page *page = page_new(fd, err);
	struct ix_page_command last;
	struct stat st;

	if (page == NULL)
		return NULL;
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size != IX_PAGE_BYTES ||
	    !read_at(page, IX_PAGE_AT_HEAD, &page->head, sizeof(page->head)) ||
	    !read_at(page, IX_PAGE_AT_COMMAND, &last, sizeof(last)) || page->head.magic != IX_PAGE_MAGIC ||
	    page->head.version != IX_PAGE_VERSION || page->head.bytes != IX_PAGE_BYTES) {
		err_set(err, STATUS_DATA, "this is not a control page of version %u", IX_PAGE_VERSION);
		page_close(page);
		return NULL;
	}
	page->sequence = last.sequence; /* go on counting where the one before us was */
	return page;
}

struct page *page_fresh(int fd, struct err *err)
{
	struct ix_page_head head = { .magic = IX_PAGE_MAGIC, .version = IX_PAGE_VERSION, .bytes = IX_PAGE_BYTES };
	struct page *page = page_new(fd, err);

	if (page == NULL)
		return NULL;
	if (ftruncate(fd, 0) == 0 && ftruncate(fd, IX_PAGE_BYTES) == 0 &&
	    getrandom(head.id, sizeof(head.id), 0) == (ssize_t)sizeof(head.id) &&
	    write_at(page, IX_PAGE_AT_HEAD, &head, sizeof(head))) {
		page->head = head;
		return page;
	}
	err_set(err, STATUS_MACHINE, "the control page cannot be written: %s", strerror(errno));
	page_close(page);
	return NULL;
}

struct page *page_create(const char *name, unsigned uid, unsigned gid, struct err *err)
{
	char *path = paths_page(name);
	struct page *page = NULL;
	int fd;

	unlink(path);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0) {
		err_set(err, STATUS_MACHINE, "%s: %s", path, strerror(errno));
	} else if (fchown(fd, uid, gid) != 0) {
		err_set(err, STATUS_MACHINE, "%s cannot be given to user %u: %s", path, uid, strerror(errno));
		close(fd);
	} else {
		page = page_fresh(fd, err);
	}
	free(path);
	return page;
}

struct page *page_open(const char *name, struct err *err)
{
	char *path = paths_page(name);
	int fd = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	struct page *page = NULL;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) != 0) {
		err_set(err, STATUS_MACHINE, "%s: %s", path, strerror(errno));
		if (fd >= 0)
			close(fd);
	} else if (st.st_mode & (S_IWGRP | S_IWOTH)) {
		err_set(err, STATUS_DATA, "%s: others than its owner may write it", path);
		close(fd);
	} else {
		page = page_adopt(fd, err);
	}
	free(path);
	return page;
}

void page_close(struct page *page)
{
	if (page == NULL)
		return;
	close(page->fd);
	free(page);
}
