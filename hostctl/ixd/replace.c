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
#define STEP_MS 20
#define QUIET_MS 300 /* a connection whose handshake was under way when the draining began shows by then */

static void nap(void)
{
	nanosleep(&(struct timespec){ 0, STEP_MS * 1000000l }, NULL);
}

/* ---- draining ---- */

/* How many connections are open on all cores; -1: it cannot be known now. */
static int64_t connections(const char *name)
{
	int64_t sum = -1;
	struct known *k;

	pthread_mutex_lock(&ixd.lock);
	k = known_find(name);
	if (k != NULL && k->has_guest && k->trust != PAGE_BAD) {
		sum = 0;
		for (unsigned i = 0; i < IX_PAGE_CORES_MAX; i++)
			if (k->cores[i].state != IX_PAGE_CORE_ABSENT)
				sum += (int64_t)(k->cores[i].value[IX_VALUE_CONNECTIONS] & INT32_MAX);
	}
	pthread_mutex_unlock(&ixd.lock);
	return sum;
}

int replace_drain_set(const char *name, bool is_on, struct err *err)
{
	const uint64_t arg[4] = { is_on };
	struct ix_page_answer answer;

	return command_guest(name, IX_PAGE_DRAIN, arg, &answer, err);
}

/* The guest takes no more connections; waits for those it has. A guest that cannot be talked to has none to lose. */
static int drain(struct request *r, const struct guest *g, unsigned seconds, struct err *err)
{
	int64_t until = now_ms() + seconds * 1000ll, quiet_since = now_ms(), open = 0;
	struct err why = { 0 };

	if (seconds == 0)
		return 0;
	if (replace_drain_set(g->name, true, &why) != 0) {
		err_set(err, why.status, "%s; with --drain 0 it is replaced all the same", why.text);
		err_fini(&why);
		return -1;
	}
	request_say(r, "%s takes no new connections; waiting at most %u s for those that are open", g->name, seconds);
	while (now_ms() < until && now_ms() - quiet_since < QUIET_MS) {
		open = connections(g->name);
		if (open != 0)
			quiet_since = now_ms();
		nap();
	}
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
	if (replace_undo(g, &again) == 0 && deploy_start(g, r, &again) == 0)
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
int replace_change(struct guest *g, struct request *r, struct err *err)
{
	struct err why = { 0 };
	int result;

	if (deploy_stop(g->name, STOP_S, err) != 0)
		return -1; /* it runs on, or nobody knows: replace_resume() finds out */
	result = deploy_start(g, r, &why);
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

/* With the lock of the guest. @fd: the new image. */
static int replace(struct request *r, struct guest *g, int fd, unsigned drain_s, struct err *err)
{
	struct image *image = deploy_image(fd, err);
	uint32_t generation = next_generation(g);
	struct err ignored = { 0 };
	char file[GUEST_IMAGE_NAME_BYTES];
	int result = -1;

	if (image == NULL)
		return -1;
	guest_image_name(generation, file);
	if (check(g, image, err) == 0 && lseek(fd, 0, SEEK_SET) == 0 &&
	    guest_put_file(g->name, file, fd, IXD_IMAGE_BYTES_MAX, err) == 0) {
		result = drain(r, g, drain_s, err);
		if (result == 0) {
			begin_try(g, image, generation);
			result = guest_save(g, err) == 0 ? replace_change(g, r, err) : -1;
		} else {
			replace_drain_set(g->name, false, &ignored);
			guest_remove_images(g, &ignored);
		}
	}
	err_fini(&ignored);
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

static void note_done(struct request *r, const char *event, const struct guest *g)
{
	event_note(g->name, event,
		   json_pack("{s:s, s:s, s:s, s:i}", "image", g->image_name, "version", g->image_version, "sha256",
			     g->image_sha256, "generation", (int)g->generation));
	r->result = guest_to_json(g);
}

int verb_replace(struct request *r, struct err *err)
{
	struct guest *g = calloc(1, sizeof(*g));
	int image = message_take_fd(&r->message, 0), lock = -1, result = -1;
	unsigned drain_s = 0;

	if (g == NULL)
		abort();
	if (drain_seconds(r, &drain_s, err) == 0 && (lock = take_guest(r, g, err)) >= 0)
		result = replace(r, g, image, drain_s, err);
	if (result == 0)
		note_done(r, "replace", g);
	if (image >= 0)
		close(image);
	if (lock >= 0)
		close(lock);
	guest_fini(g);
	free(g);
	return result;
}

int verb_rollback(struct request *r, struct err *err)
{
	struct guest *g = calloc(1, sizeof(*g));
	int image = -1, lock = -1, result = -1;
	unsigned drain_s = 0;
	char *path;

	if (g == NULL)
		abort();
	if (drain_seconds(r, &drain_s, err) == 0 && (lock = take_guest(r, g, err)) >= 0) {
		path = guest_image_path(g->name, g->previous);
		image = g->previous != 0 ? open(path, O_RDONLY | O_CLOEXEC) : -1;
		free(path);
		result = image >= 0 ? replace(r, g, image, drain_s, err)
				    : err_set(err, STATUS_USAGE, "%s has had no other image: nothing to go back to",
					      g->name);
	}
	if (result == 0)
		note_done(r, "rollback", g);
	if (image >= 0)
		close(image);
	if (lock >= 0)
		close(lock);
	guest_fini(g);
	free(g);
	return result;
}
