/* SPDX-License-Identifier: MIT */
/* ixctl up and down: the image and the files are opened here, with the caller's own rights, and passed to ixd. */
#include "hostctl/base/words.h"
#include "hostctl/ixctl/ask.h"
#include "hostctl/ixctl/ixctl.h"
#include "hostctl/ixctl/up_words.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TIMEOUT_S_MAX 3600

/* What goes with the request, the image first. */
struct files {
	int fds[GUEST_FILES_MAX + 1];
	unsigned count;
};

static int open_files(struct files *f, const struct up_words *w, json_t *request, struct err *err)
{
	json_t *indices = json_array();

	json_object_set_new(request, "files", indices);
	for (unsigned i = 0; i < w->path_count; i++) {
		struct stat st;
		int fd = open(w->paths[i], O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

		if (fd < 0)
			return err_set(err, STATUS_USAGE, "%s: %s", w->paths[i], strerror(errno));
		json_array_append_new(indices, json_integer(f->count));
		f->fds[f->count++] = fd;
		if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
			return err_set(err, STATUS_USAGE, "%s is not a regular file", w->paths[i]);
	}
	return 0;
}

static void close_files(struct files *f)
{
	while (f->count > 0)
		close(f->fds[--f->count]);
}

static void tell_up(const struct up_words *w, const json_t *guest)
{
	const json_t *cpus = json_object_get(guest, "cpus");
	const char *address = ask_text(guest, "address");

	if (w->is_json)
		ask_put(guest);
	else
		printf("%s is up: %s %s, %s, %lld to %lld cores, %lld MiB\n", ask_text(guest, "name"),
		       ask_text(json_object_get(guest, "image"), "name"),
		       ask_text(json_object_get(guest, "image"), "version"),
		       *address != '\0' ? address : "an address by DHCP", (long long)ask_number(cpus, "min"),
		       (long long)ask_number(cpus, "max"), (long long)ask_number(guest, "memory_mib"));
}

static int up(const struct up_words *w, struct err *err)
{
	struct files f = { .count = 0 };
	struct client c = { .request = ask_request("up", NULL), .on_say = w->is_json ? NULL : ask_say, .fds = f.fds };
	int image = target_open(w->image, err), result = -1;

	json_object_set(c.request, "guest", w->guest);
	if (image >= 0) {
		f.fds[f.count++] = image;
		result = open_files(&f, w, c.request, err);
	}
	if (result != 0) {
		json_decref(c.request);
	} else {
		c.fd_count = f.count;
		result = client_ask(&c, err);
	}
	if (result == 0)
		tell_up(w, c.result);
	json_decref(c.result);
	close_files(&f);
	return result;
}

static int run(int argc, char **argv, struct err *err)
{
	struct up_words *w = calloc(1, sizeof(*w));
	int result;

	if (w == NULL)
		abort();
	result = up_words(w, argc, argv, err);
	if (result == 0 && w->image != NULL)
		result = up(w, err);
	up_words_fini(w);
	free(w);
	return result;
}

/* ---- down ---- */

struct down_words {
	uint32_t timeout_s;
	bool has_timeout, is_json;
};

static const struct verb_option down_options[] = {
	{ "timeout", 't', "S", WORD_OTHER,
	  "how long the application has to finish, then the power goes off (default: 10)" },
	VERB_JSON,
	VERB_OPTIONS_END,
};

static int take_down(void *arg, const struct verb_option *o, char *value, struct err *err)
{
	struct down_words *w = arg;
	uint64_t n;

	if (strcmp(o->name, "json") == 0) {
		w->is_json = true;
		return 0;
	}
	if (!words_number(value, 0, TIMEOUT_S_MAX, &n))
		return err_set(err, STATUS_USAGE, "--timeout: expected a number 0..%d, got %s", TIMEOUT_S_MAX, value);
	w->timeout_s = (uint32_t)n;
	w->has_timeout = true;
	return 0;
}

static int verb_down_run(int argc, char **argv, struct err *err)
{
	struct down_words w = { 0 };
	struct client c = { .on_say = ask_say };
	const char *name;
	struct words words = { argc, argv, take_down, &w, 0 };
	int result = verb_options(&verb_down, &words, err);

	if (result != 0)
		return result < 0 ? -1 : 0;
	name = ask_one_name("down", words.first, argc, argv, err);
	if (name == NULL)
		return -1;
	c.request = ask_request("down", name);
	if (w.has_timeout)
		json_object_set_new(c.request, "timeout_s", json_integer(w.timeout_s));
	if (w.is_json)
		c.on_say = NULL;
	result = client_ask(&c, err);
	if (result == 0 && w.is_json)
		ask_put(c.result);
	else if (result == 0)
		printf("%s is gone\n", name);
	json_decref(c.result);
	return result;
}

const struct verb verb_down = {
	.name = "down",
	.words = "NAME",
	.summary = "end a guest and forget it",
	.about = "Tells the application of guest NAME to finish, waits until the guest has turned its power off, and "
		 "removes "
		 "it, its record, image and files. Its logs and events stay.",
	.examples = "ixctl down web\nixctl down web --timeout 60\n",
	.word = { WORD_GUEST },
	.options = down_options,
	.run = verb_down_run,
};

const struct verb verb_up = {
	.name = "up",
	.words = "NAME IMAGE|FOLDER [-- ARGUMENT...]",
	.summary = "make a guest that runs until `down`",
	.about = "Makes guest NAME of an image (a FOLDER is built first), on the switch of this host and under "
		 "libvirt, and "
		 "returns when it is ready. It goes on when ixctl, ixd, libvirtd or the switch end, and is up again "
		 "after the host was down. ARGUMENTs go to the application instead of the manifest's args.\n"
		 "\n"
		 "A guest that ends before it is ready, stands still for 5 s (15 s under emulation) or is not ready "
		 "after a "
		 "minute is given up, and nothing of it stays.",
	.examples = "ixctl up web images/echo --address 10.77.0.5/16 -p 7007:7\n"
		    "ixctl up web web.ix --cpus 1:4 --env LEVEL=2 --secret key=/etc/web.key -- --verbose\n",
	.word = { WORD_OTHER, WORD_FILE },
	.options = up_options,
	.run = run,
};
