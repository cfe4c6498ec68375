/* SPDX-License-Identifier: MIT */
/*
 * A fault of ring 3, from the page of a guest that holds its memory still for us to a report and a core file on disk. Each is
 * taken in a thread of its own; a guest that faults all the time costs a report a second and a core every few.
 */
#include "hostctl/ixd/crash.h"
#include "hostctl/base/blob.h"
#include "hostctl/ixd/core_file.h"
#include "hostctl/ixd/command.h"
#include "hostctl/ixd/ixd.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define REPORT_EVERY_MS 500
#define CORE_EVERY_MS 5000
#define MORE_TIME_MS 300 /* ask a guest that holds on for a second again after so long */
#define STAMP_BYTES 64u
#define REPORT_BYTES_MAX (128u << 10) /* fits a message */

/* One crash that is being taken. */
struct taking {
	char name[33];
	char tail[24]; /* of its stamp: start and number */
	uint32_t hint; /* its number, before anything was checked */
	bool wants_core, has_core;
	struct guest *record;
	struct ix_page_crash crash;
	int64_t asked_ms;
	char core_words[300]; /* what became of the core */
};

static uint64_t ram_bytes(const struct taking *t)
{
	return (uint64_t)t->record->memory_mib << 20;
}

/* What the page says now; @why, if it is not believed. */
static enum page_trust look(const struct taking *t, struct ix_page_crash *out, char *why, size_t why_bytes)
{
	enum page_trust trust = PAGE_SILENT;
	struct known *k;

	pthread_mutex_lock(&ixd.lock);
	k = known_find(t->name);
	if (k != NULL && k->page != NULL)
		trust = page_crash(k->page, domain_memory_end(ram_bytes(t)), out);
	if (trust == PAGE_BAD)
		snprintf(why, why_bytes, "%s", page_why(k->page));
	pthread_mutex_unlock(&ixd.lock);
	return trust;
}

/* The guest lets go after a second, unless it is asked for another. */
static bool is_held_on(void *arg)
{
	static const uint64_t more[4] = { 1 };
	struct taking *t = arg;
	struct ix_page_answer answer;
	struct err ignored = { 0 };
	int result;

	if (now_ms() - t->asked_ms < MORE_TIME_MS)
		return true;
	result = command_guest(t->name, IX_PAGE_CRASH_SEEN, more, &answer, &ignored);
	err_fini(&ignored);
	t->asked_ms = now_ms();
	return result == 0;
}

/* Whether the guest still holds what it held when we began. */
static bool is_the_same(struct taking *t)
{
	struct ix_page_crash *now = malloc(sizeof(*now));
	char why[4];
	bool is;

	if (now == NULL)
		abort();
	is = look(t, now, why, sizeof(why)) == PAGE_GOOD && now->is_held == 1 && now->count == t->crash.count;
	free(now);
	return is;
}

static int find_ranges(const struct taking *t, struct core_source *s, struct err *err)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < t->crash.range_count; i++) {
		const struct ix_page_range *r = &t->crash.range[i];

		s->at[i] = domain_memory_at(ram_bytes(t), r->pa, r->bytes);
		sum += r->bytes;
		if (s->at[i] < 0 || sum > ram_bytes(t))
			return err_set(err, STATUS_DATA, "range %u is not in the guest's memory", i);
	}
	return 0;
}

static int write_core(struct taking *t, int fd, struct err *err)
{
	struct core_source *s = calloc(1, sizeof(*s));
	struct domain_info info;
	int result = -1;

	if (s == NULL)
		abort();
	s->name = t->record->image_name;
	s->crash = &t->crash;
	s->go_on = is_held_on;
	s->arg = t;
	s->memory = -1;
	if (find_ranges(t, s, err) == 0 && domain_info(ixd.domains, t->name, &info, err) == 0) {
		s->memory = domain_memory(info.pid, t->name, ram_bytes(t), err);
		if (s->memory >= 0)
			result = core_file_write(fd, s, err);
	}
	if (result == 0 && !is_the_same(t))
		result = err_set(err, STATUS_DATA, "the memory was loaded again before all of it was copied");
	if (s->memory >= 0)
		close(s->memory);
	free(s);
	return result;
}

/* The core, or why there is none. */
static void take_core(struct taking *t, const char *folder)
{
	struct err err = { 0 };
	char *path;
	int fd;

	if (asprintf(&path, "%s/" CRASH_CORE, folder) < 0)
		abort();
	if (!t->crash.is_held)
		err_set(&err, STATUS_DATA, "the guest did not wait");
	else if (!t->wants_core)
		err_set(&err, STATUS_DATA, "the one before is less than %d s old", CORE_EVERY_MS / 1000);
	fd = err.status == 0 ? open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600) : -1;
	if (fd < 0)
		err_set(&err, STATUS_MACHINE, "%s: %s", path, strerror(errno));
	else
		write_core(t, fd, &err);
	if (fd >= 0)
		close(fd);
	t->has_core = err.status == 0;
	if (!t->has_core)
		unlink(path);
	snprintf(t->core_words, sizeof(t->core_words), "%s%.250s", err.status != 0 ? "none: " : CRASH_CORE,
		 err.status != 0 ? err.text : ", open it with gdb and the application's ELF file");
	err_fini(&err);
	free(path);
}

/* What the guest wrote, without what could play tricks on a terminal. */
static void add_text(struct blob *out, const struct ix_page_crash *c)
{
	for (uint32_t i = 0; i < c->text_bytes; i++) {
		char byte = c->text[i];

		if (byte == '\r' || byte == '\0')
			continue;
		if (((unsigned char)byte < 0x20 && byte != '\n' && byte != '\t') || (unsigned char)byte >= 0x7f)
			byte = '?';
		blob_add(out, &byte, 1);
	}
}

static int write_report(const struct taking *t, const char *folder, const char *utc, struct err *err)
{
	const struct ix_page_crash *c = &t->crash;
	struct blob out = { 0 };
	char *path;
	int result;

	if (asprintf(&path, "%s/" CRASH_REPORT, folder) < 0)
		abort();
	blob_print(&out, "guest   %s\ntime    %s\nimage   %s %s, sha256 %s\n", t->name, utc, t->record->image_name,
		   t->record->image_version, t->record->image_sha256);
	blob_print(&out, "fault   number %u of this start, core %u, ", c->count, c->core);
	if (c->how == IX_EXIT_WATCHDOG)
		blob_print(&out, "too long in ring 3 (watchdog)\n");
	else
		blob_print(&out, "vector %u, error %#" PRIx64 ", address %#" PRIx64 "\n", c->vector, c->error,
			   c->address);
	blob_print(&out, "at      rip %#" PRIx64 ", rsp %#" PRIx64 "\n", (uint64_t)c->registers.rip,
		   (uint64_t)c->registers.rsp);
	blob_print(&out, "core    %s\n\n", t->core_words);
	add_text(&out, c);
	result = blob_write(&out, path, err);
	free(path);
	blob_fini(&out);
	return result;
}

/* The guest waits: say that it need not any more. */
static void let_go(struct taking *t)
{
	static const uint64_t none[4];
	struct ix_page_answer answer;
	struct err err = { 0 };

	if (t->crash.is_held && command_guest(t->name, IX_PAGE_CRASH_SEEN, none, &answer, &err) != 0)
		event_note(t->name, "crash-not-released", json_pack("{s:s}", "why", err.text));
	err_fini(&err);
}

static void keep(struct taking *t)
{
	char utc[32], stamp[STAMP_BYTES], rip[24];
	time_t seconds = (time_t)(wall_ms() / 1000);
	struct err err = { 0 };
	struct tm tm;
	char *folder = crash_store_begin(t->name, &err);

	gmtime_r(&seconds, &tm);
	strftime(utc, sizeof(utc), "%Y-%m-%dT%H:%M:%SZ", &tm);
	strftime(stamp, 20, "%Y%m%dT%H%M%SZ", &tm);
	snprintf(stamp + strlen(stamp), sizeof(stamp) - strlen(stamp), "%s", t->tail);
	snprintf(rip, sizeof(rip), "%#" PRIx64, (uint64_t)t->crash.registers.rip);
	if (folder != NULL)
		take_core(t, folder);
	let_go(t);
	if (folder != NULL && write_report(t, folder, utc, &err) == 0)
		crash_store_end(t->name, stamp, &err);
	event_note(t->name, "crash",
		   json_pack("{s:s, s:i, s:i, s:i, s:s, s:s}", "report", err.status == 0 ? stamp : err.text, "core",
			     (int)t->crash.core, "vector", (int)t->crash.vector, "watchdog",
			     t->crash.how == IX_EXIT_WATCHDOG, "rip", rip, "file", t->core_words));
	err_fini(&err);
	free(folder);
}

/* Done with it: fault @number is not looked at again, 0: it is. */
static void finish(const struct taking *t, uint32_t number)
{
	struct known *k;

	pthread_mutex_lock(&ixd.lock);
	k = known_find(t->name);
	if (k != NULL) {
		k->is_crash_taken = false;
		if (number != 0) {
			k->crash_seen = number;
			k->crash_ms = now_ms();
		}
		if (t->has_core)
			k->core_ms = now_ms();
	}
	pthread_mutex_unlock(&ixd.lock);
}

/* Return: as finish() wants it. */
static uint32_t take_now(struct taking *t)
{
	char why[200] = "";
	enum page_trust trust = look(t, &t->crash, why, sizeof(why));

	if (trust == PAGE_BAD)
		event_note(t->name, "crash-not-believed", json_pack("{s:s}", "why", why));
	if (trust != PAGE_GOOD)
		return trust == PAGE_BAD ? t->hint : 0;
	snprintf(t->tail + strlen(t->tail), sizeof(t->tail) - strlen(t->tail), "-%u", t->crash.count);
	if (!crash_store_has(t->name, t->tail))
		keep(t);
	return t->crash.count;
}

static void *take(void *arg)
{
	struct taking *t = arg;
	struct err err = { 0 };

	t->record = calloc(1, sizeof(*t->record));
	if (t->record == NULL)
		abort();
	t->asked_ms = now_ms();
	finish(t, guest_load(t->record, t->name, &err) == 0 ? take_now(t) : 0);
	err_fini(&err);
	guest_fini(t->record);
	free(t->record);
	free(t);
	return NULL;
}

void crash_look(struct known *k)
{
	uint32_t count = page_crash_count(k->page);
	struct taking *t;
	pthread_t thread;

	if (count == k->crash_seen || count == 0 || k->is_crash_taken ||
	    (k->crash_ms != 0 && now_ms() - k->crash_ms < REPORT_EVERY_MS))
		return;
	t = calloc(1, sizeof(*t));
	if (t == NULL)
		abort();
	memcpy(t->name, k->name, sizeof(t->name));
	t->hint = count;
	snprintf(t->tail, sizeof(t->tail), "-%02x%02x%02x%02x", k->guest.id[0], k->guest.id[1], k->guest.id[2],
		 k->guest.id[3]);
	t->wants_core = k->core_ms == 0 || now_ms() - k->core_ms >= CORE_EVERY_MS;
	if (pthread_create(&thread, NULL, take, t) == 0) {
		pthread_detach(thread);
		k->is_crash_taken = true;
	} else {
		free(t);
	}
}

/* All of a report as text. */
static json_t *read_report(int fd)
{
	char *text = calloc(1, REPORT_BYTES_MAX + 1);
	json_t *out;
	ssize_t n;

	if (text == NULL)
		abort();
	n = read(fd, text, REPORT_BYTES_MAX);
	out = json_string(n > 0 ? text : "");
	free(text);
	return out;
}

int verb_crash(struct request *r, struct err *err)
{
	const char *name = request_name(r, err);
	char *stamp = name != NULL ? crash_store_newest(name) : NULL;
	int report = stamp != NULL ? crash_store_open(name, stamp, CRASH_REPORT) : -1;

	if (report >= 0) {
		r->fd = crash_store_open(name, stamp, CRASH_CORE);
		r->result = json_pack("{s:s, s:o, s:b}", "stamp", stamp, "report", read_report(report), "has_core",
				      r->fd >= 0);
		close(report);
	} else if (name != NULL && request_known(r, err) != NULL) {
		err_set(err, STATUS_USAGE, "%s has not crashed: no report is kept", name);
	}
	free(stamp);
	return err->status == 0 ? 0 : -1;
}
