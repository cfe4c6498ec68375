/* SPDX-License-Identifier: MIT */
/*
 * Verbs `replace` and `rollback`: another image for a guest that serves. The record is the journal: saved with both images before
 * the old guest ends, and again when the new one is ready or will not be; images lie beside it by their generation. Whoever finds
 * it in between (resume.c) knows which of them runs and goes on from there.
 */
#include "hostctl/base/paths.h"
#include "hostctl/ixd/command.h"
#include "hostctl/ixd/ixd.h"
#include "hostctl/ixd/settle.h"
#include "hostctl/ixd/replace.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LOCK_S 5u
#define DRAIN_S 30
#define DRAIN_S_MAX 3600
#define STOP_S 10u
#define STEP_MS 5
#define QUIET_MS 20         /* a connection that moves from one core to another is neither's for a moment */
#define COOKIE_QUIET_MS 300 /* a handshake that was answered by a cookie is known to nobody: it shows by then */

static void nap(void)
{
	nanosleep(&(struct timespec){ 0, STEP_MS * 1000000l }, NULL);
}

/* ---- draining ---- */

/* What all cores together have said at @since_us of the guest's clock or later. False: it cannot be known, or not yet. */
static bool sum(const char *name, uint64_t since_us, int64_t *connections, uint64_t *cookies)
{
	bool is_known;
	struct known *k;

	*connections = 0;
	*cookies = 0;
	pthread_mutex_lock(&ixd.lock);
	k = known_find(name);
	if (k != NULL)
		sample_guest(k);
	is_known = k != NULL && k->has_guest && k->trust == PAGE_GOOD;
	for (unsigned i = 0; is_known && i < IX_PAGE_CORES_MAX; i++) {
		const struct ix_page_core *core = &k->cores[i];

		if (core->state != IX_PAGE_CORE_RUNS && core->state != IX_PAGE_CORE_LEAVING)
			continue;
		is_known = core->at_us > since_us;
		*connections += (int64_t)(core->value[IX_VALUE_CONNECTIONS] & INT32_MAX);
		*cookies += core->value[IX_VALUE_COOKIES_SENT];
	}
	pthread_mutex_unlock(&ixd.lock);
	return is_known;
}

int replace_drain_set(const char *name, bool is_on, uint64_t *since_us, struct err *err)
{
	const uint64_t arg[4] = { is_on };
	struct ix_page_answer answer;

	if (command_guest(name, IX_PAGE_DRAIN, arg, &answer, err) != 0)
		return -1;
	*since_us = answer.value[1];
	return 0;
}

/* Until nothing is open, or @seconds are over. Return: how many connections are left. */
static int64_t wait_for_none(const char *name, uint64_t since_us, uint64_t cookies_before, unsigned seconds)
{
	int64_t until = now_ms() + seconds * 1000ll, quiet_since = -1, open = 0;
	uint64_t cookies;

	for (; now_ms() < until; nap()) {
		if (!sum(name, since_us, &open, &cookies) || open != 0)
			quiet_since = -1;
		else if (quiet_since < 0)
			quiet_since = now_ms();
		else if (now_ms() - quiet_since >= (cookies != cookies_before ? COOKIE_QUIET_MS : QUIET_MS))
			return 0;
	}
	return open;
}

/* The guest takes no more connections; waits for those it has. A guest that cannot be talked to has none to lose. */
static int drain(struct request *r, const struct guest *g, unsigned seconds, struct err *err)
{
	uint64_t since_us, cookies;
	struct err why = { 0 };
	int64_t open;

	if (seconds == 0)
		return 0;
	sum(g->name, 0, &open, &cookies);
	if (replace_drain_set(g->name, true, &since_us, &why) != 0) {
		err_set(err, why.status, "%s; with --drain 0 it is replaced all the same", why.text);
		err_fini(&why);
		return -1;
	}
	request_say(r, "%s takes no new connections; waiting at most %u s for those that are open", g->name, seconds);
	open = wait_for_none(g->name, since_us, cookies, seconds);
	if (open > 0)
		request_say(r, "%lld connections are still open and end now", (long long)open);
	return 0;
}

/* ---- the record as a journal ---- */

/* What becomes of the record when @image is to be tried. */
static void begin_try(struct guest *g, const struct image *image, uint32_t generation)
{
	g->older = g->previous;
	g->previous = g->generation;
	g->generation = generation;
	g->is_trying = true;
	settle_image(g, image);
}

static uint32_t next_generation(const struct guest *g)
{
	uint32_t last = g->generation;

	last = g->previous > last ? g->previous : last;
	return last + 1;
}

/* The new one serves. */
int replace_done(struct guest *g, struct err *err)
{
	g->older = 0;
	g->is_trying = false;
	return guest_save(g, err) == 0 ? guest_remove_images(g, err) : -1;
}

/* Back to the image before; what that was is in the image. */
int replace_undo(struct guest *g, struct err *err)
{
	char *path = guest_image_path(g->name, g->previous);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct image *image = deploy_image(fd, err);
	int result = -1;

	if (image != NULL) {
		g->generation = g->previous;
		g->previous = g->older;
		g->older = 0;
		g->is_trying = false;
		settle_image(g, image);
		known_image(g);
		result = guest_save(g, err) == 0 ? guest_remove_images(g, err) : -1;
		image_free(image);
	}
	if (fd >= 0)
		close(fd);
	free(path);
	return result;
}

/* ---- the change itself; the record says is_trying ---- */

/* The new one did not become ready, as @why says. */
int replace_back(struct guest *g, struct request *r, const struct err *why, struct err *err)
{
	struct err again = { 0 };

	request_say(r, "the new image failed, going back to the one before");
	if (replace_undo(g, &again) == 0 && deploy_start(g, r, NULL, &again) == 0)
		err_set(err, STATUS_DATA, "%s; %s runs %s %s as before", why->text, g->name, g->image_name,
			g->image_version);
	else
		err_set(err, STATUS_MACHINE, "%s; and going back to %s failed, too: %s", why->text, g->image_name,
			again.text);
	event_note(g->name, "rolled-back",
		   json_pack("{s:s, s:s, s:b}", "why", why->text, "image", g->image_name, "runs", again.status == 0));
	err_fini(&again);
	return -1;
}

/* The old one ends, the new one begins. */
int replace_change(struct guest *g, struct request *r, struct replace_times *times, struct err *err)
{
	int64_t began = now_ms();
	struct err why = { 0 };
	int result;

	if (deploy_stop(g->name, STOP_S, err) != 0)
		return -1; /* it runs on, or nobody knows: replace_resume() finds out */
	times->end_ms = now_ms() - began;
	result = deploy_start(g, r, &times->deploy, &why);
	if (result != 0)
		result = replace_back(g, r, &why, err);
	else
		result = replace_done(g, err);
	err_fini(&why);
	return result;
}

/* Whether the image serves as this guest: nothing is changed before that is known. */
static int check(const struct guest *g, const struct image *image, struct err *err)
{
	struct guest *copy = malloc(sizeof(*copy));
	int result;

	if (copy == NULL)
		abort();
	*copy = *g; /* its words are the record's */
	result = settle_guest(copy, image, guest_files_room(copy), err);
	free(copy);
	return result;
}

/* One request. */
struct work {
	struct request *r;
	struct guest *g;
	const char *verb;
	unsigned drain_s;
	struct replace_times times;
};

/* Nobody answers for the guest from the drain's begin to the end of the boot: for the most part. */
static void note_done(struct work *w)
{
	const struct replace_times *t = &w->times;
	const struct guest *g = w->g;

	if (w->drain_s > 0)
		request_say(w->r, "drained in %lld ms", (long long)t->drain_ms);
	request_say(w->r, "the old one ended in %lld ms, the new one started in %lld ms and was ready %lld ms later",
		    (long long)t->end_ms, (long long)t->deploy.start_ms, (long long)t->deploy.boot_ms);
	event_note(g->name, w->verb,
		   json_pack("{s:s, s:s, s:s, s:i, s:I, s:I, s:I, s:I}", "image", g->image_name, "version",
			     g->image_version, "sha256", g->image_sha256, "generation", (int)g->generation, "drain_ms",
			     (json_int_t)t->drain_ms, "end_ms", (json_int_t)t->end_ms, "start_ms",
			     (json_int_t)t->deploy.start_ms, "boot_ms", (json_int_t)t->deploy.boot_ms));
	w->r->result = guest_to_json(g);
}

/* The image of @generation lies beside the record. */
static int change(struct work *w, const struct image *image, uint32_t generation, struct err *err)
{
	struct err ignored = { 0 };
	int64_t began = now_ms();
	uint64_t when;

	if (drain(w->r, w->g, w->drain_s, err) != 0) {
		replace_drain_set(w->g->name, false, &when, &ignored);
		guest_remove_images(w->g, &ignored);
		err_fini(&ignored);
		return -1;
	}
	w->times.drain_ms = now_ms() - began;
	begin_try(w->g, image, generation);
	if (guest_save(w->g, err) != 0 || replace_change(w->g, w->r, &w->times, err) != 0)
		return -1;
	note_done(w);
	return 0;
}

/* With the lock of the guest. @fd: the new image. */
static int replace(struct work *w, int fd, struct err *err)
{
	struct image *image = deploy_image(fd, err);
	uint32_t generation = next_generation(w->g);
	char file[GUEST_IMAGE_NAME_BYTES];
	int result = -1;

	if (image == NULL)
		return -1;
	guest_image_name(generation, file);
	if (sw_is_up(err) == 0 && check(w->g, image, err) == 0 && lseek(fd, 0, SEEK_SET) == 0 &&
	    guest_put_file(w->g->name, file, fd, IXD_IMAGE_BYTES_MAX, err) == 0)
		result = change(w, image, generation, err);
	image_free(image);
	return result;
}

/* Its lock, its record, and that it runs; a descriptor to close or -1. */
static int take_guest(struct request *r, struct guest *g, struct err *err)
{
	const char *name = request_known(r, err);
	int lock = name != NULL ? guest_lock(name, LOCK_S, err) : -1;

	if (lock >= 0 && guest_load(g, name, err) == 0 && g->is_trying)
		replace_resume(g, err); /* one that failed half-way */
	if (lock >= 0 && err->status != 0) {
		close(lock);
		lock = -1;
	}
	return lock;
}

static int drain_seconds(const struct request *r, unsigned *out, struct err *err)
{
	const json_t *given = json_object_get(r->message.object, "drain_s");
	json_int_t seconds = given != NULL ? json_integer_value(given) : DRAIN_S;

	if ((given != NULL && !json_is_integer(given)) || seconds < 0 || seconds > DRAIN_S_MAX)
		return err_set(err, STATUS_USAGE, "drain: expected 0 to %d seconds", DRAIN_S_MAX);
	*out = (unsigned)seconds;
	return 0;
}

/* A descriptor of the image before, or -1. */
static int open_previous(const struct guest *g, struct err *err)
{
	char *path = guest_image_path(g->name, g->previous);
	int fd = g->previous != 0 ? open(path, O_RDONLY | O_CLOEXEC) : -1;

	if (fd < 0)
		err_set(err, STATUS_USAGE, "%s has had no other image: nothing to go back to", g->name);
	free(path);
	return fd;
}

/* @image: -1: the one before. Taken over. */
static int serve(struct request *r, const char *verb, int image, struct err *err)
{
	struct work w = { .r = r, .g = calloc(1, sizeof(struct guest)), .verb = verb };
	int lock = -1, result = -1;

	if (w.g == NULL)
		abort();
	if (drain_seconds(r, &w.drain_s, err) == 0 && (lock = take_guest(r, w.g, err)) >= 0) {
		image = image >= 0 ? image : open_previous(w.g, err);
		result = image >= 0 ? replace(&w, image, err) : -1;
	}
	if (image >= 0)
		close(image);
	if (lock >= 0)
		close(lock);
	guest_fini(w.g);
	free(w.g);
	return result;
}

int verb_replace(struct request *r, struct err *err)
{
	int image = message_take_fd(&r->message, 0);

	if (image < 0)
		return err_set(err, STATUS_USAGE, "no image came with the request");
	return serve(r, "replace", image, err);
}

int verb_rollback(struct request *r, struct err *err)
{
	return serve(r, "rollback", -1, err);
}
