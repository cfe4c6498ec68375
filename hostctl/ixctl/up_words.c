/* SPDX-License-Identifier: MIT */
/* ixctl up: from options to the fields of a record. */
#include "hostctl/ixctl/up_words.h"
#include "hostctl/base/words.h"
#include "hostctl/ixctl/ixctl.h"
#include <stdlib.h>
#include <string.h>

const struct verb_option up_options[] = {
	{ "cpus", '\0', "MIN:MAX", WORD_OTHER,
	  "virtual CPUs that it begins with and may grow to, by load or by `ixctl scale`, or one number for both "
	  "(default: the manifest's cores)" },
	{ "priority", '\0', "N", WORD_OTHER,
	  "of its wish for cores where the host has too few for all, 1 to 100 (default: 50)" },
	{ "memory", '\0', "MIB", WORD_OTHER, "memory (default: the manifest's memory_mib)" },
	{ "address", '\0', "A.B.C.D/LEN", WORD_OTHER, "its address (default: what the manifest says)" },
	{ "dhcp", '\0', NULL, WORD_OTHER, "it asks a DHCP server for one" },
	{ "gateway", '\0', "A.B.C.D", WORD_OTHER, "its way out of its network" },
	{ "publish", 'p', "[ADDR:]HOSTPORT:GUESTPORT[/udp]", WORD_OTHER,
	  "let a port of this host lead to one of the guest; without ADDR that of all of the host's addresses; may be "
	  "repeated" },
	{ "env", 'e', "NAME=VALUE", WORD_OTHER, "a variable of the application's environment; may be repeated" },
	{ "set", '\0', "KEY=VALUE", WORD_OTHER, "any field marked --set in `ixctl help manifest`; may be repeated" },
	{ "file", '\0', "[NAME=]PATH", WORD_FILE, "a file that the application finds as NAME; may be repeated" },
	{ "secret", '\0', "[NAME=]PATH", WORD_FILE, "the same, readable on this host by root alone; may be repeated" },
	{ "allow", '\0', "GUEST", WORD_GUEST,
	  "let it talk to another guest, which has to allow it, too; may be repeated" },
	{ "rate", '\0', "MBIT", WORD_OTHER, "it sends at most that many Mbit/s (default: no limit)" },
	{ "no-autostart", '\0', NULL, WORD_OTHER, "stay down when the host has begun anew" },
	VERB_JSON,
	VERB_OPTIONS_END,
};

/* How an option is a field. */
enum kind { KIND_TEXT, KIND_NUMBER, KIND_LIST, KIND_TRUE, KIND_FALSE };

static const struct field {
	const char *option, *name;
	enum kind kind;
} fields[] = {
	{ "memory", "memory_mib", KIND_NUMBER },
	{ "priority", "priority", KIND_NUMBER },
	{ "address", "address", KIND_TEXT },
	{ "dhcp", "dhcp", KIND_TRUE },
	{ "gateway", "gateway", KIND_TEXT },
	{ "publish", "publish", KIND_LIST },
	{ "env", "env", KIND_LIST },
	{ "set", "set", KIND_LIST },
	{ "allow", "allow", KIND_LIST },
	{ "rate", "rate_mbit", KIND_NUMBER },
	{ "no-autostart", "autostart", KIND_FALSE },
};

/* The list @name of the record, made if it is not there. */
static json_t *list(struct up_words *w, const char *name)
{
	json_t *l = json_object_get(w->guest, name);

	if (l == NULL) {
		l = json_array();
		json_object_set_new(w->guest, name, l);
	}
	return l;
}

static int take_number(const char *option, const char *text, uint64_t max, json_t **out, struct err *err)
{
	uint64_t n;

	if (!words_number(text, 1, max, &n))
		return err_set(err, STATUS_USAGE, "--%s: expected a number 1..%llu, got %s", option,
			       (unsigned long long)max, text);
	*out = json_integer((json_int_t)n);
	return 0;
}

static int take_cpus(struct up_words *w, const char *text, struct err *err)
{
	char min[8] = "";
	const char *colon = strchr(text, ':');
	size_t n = colon != NULL ? (size_t)(colon - text) : strlen(text);
	uint64_t low, high;

	if (n < sizeof(min))
		memcpy(min, text, n);
	if (!words_number(min, 1, UINT32_MAX, &low) ||
	    !words_number(colon != NULL ? colon + 1 : min, low, UINT32_MAX, &high))
		return err_set(err, STATUS_USAGE,
			       "--cpus: expected MIN:MAX with 1 <= MIN <= MAX, or one number, got %s", text);
	json_object_set_new(w->guest, "cpus", json_pack("{s:I, s:I}", "min", (json_int_t)low, "max", (json_int_t)high));
	return 0;
}

static int take_file(struct up_words *w, const char *option, const char *text, struct err *err)
{
	const char *equals = strchr(text, '='), *path = equals != NULL ? equals + 1 : text;
	const char *slash = strrchr(text, '/');
	const char *name = equals == NULL && slash != NULL ? slash + 1 : text;
	json_t *word = json_stringn(name, equals != NULL ? (size_t)(equals - name) : strlen(name));

	if (word == NULL || *path == '\0' || w->path_count == GUEST_FILES_MAX) {
		json_decref(word);
		return err_set(err, STATUS_USAGE, "--%s: expected [NAME=]PATH, of files and secrets at most %u, got %s",
			       option, GUEST_FILES_MAX, text);
	}
	w->paths[w->path_count++] = path;
	json_array_append_new(list(w, "files"),
			      json_pack("{s:o, s:b}", "name", word, "secret", strcmp(option, "secret") == 0));
	return 0;
}

static int take_field(struct up_words *w, const struct field *f, const char *value, struct err *err)
{
	json_t *v = NULL;

	switch (f->kind) {
	case KIND_NUMBER:
		if (take_number(f->option, value, INT32_MAX, &v, err) != 0)
			return -1;
		break;
	case KIND_TRUE:
	case KIND_FALSE:
		v = json_boolean(f->kind == KIND_TRUE);
		break;
	default:
		v = json_string(value);
	}
	if (v == NULL)
		return err_set(err, STATUS_USAGE, "--%s: expected text in UTF-8", f->option);
	if (f->kind == KIND_LIST)
		json_array_append_new(list(w, f->name), v);
	else
		json_object_set_new(w->guest, f->name, v);
	return 0;
}

static int take(void *arg, const struct verb_option *o, char *value, struct err *err)
{
	struct up_words *w = arg;

	for (unsigned i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (strcmp(o->name, fields[i].option) == 0)
			return take_field(w, &fields[i], value, err);
	if (strcmp(o->name, "cpus") == 0)
		return take_cpus(w, value, err);
	if (strcmp(o->name, "json") != 0)
		return take_file(w, o->name, value, err);
	w->is_json = true;
	return 0;
}

/* Words after "--" are the application's; getopt would mix them with ours. Return: how many words are before. */
static int split(struct up_words *w, int argc, char **argv, struct err *err)
{
	int own = 1;
	json_t *args = NULL;

	while (own < argc && strcmp(argv[own], "--") != 0)
		own++;
	if (own < argc)
		args = list(w, "args");
	for (int i = own + 1; i < argc; i++)
		if (json_array_append_new(args, json_string(argv[i])) != 0)
			return err_set(err, STATUS_USAGE, "argument %d after -- is not text in UTF-8", i - own);
	return own;
}

int up_words(struct up_words *w, int argc, char **argv, struct err *err)
{
	struct guest *g;
	struct words words;
	int result;

	*w = (struct up_words){ .guest = json_object() };
	argc = split(w, argc, argv, err);
	if (argc < 0)
		return -1;
	words = (struct words){ argc, argv, take, w, 0 };
	result = verb_options(&verb_up, &words, err);
	if (result != 0)
		return result < 0 ? -1 : 0;
	if (argc - words.first != 2)
		return err_set(err, STATUS_USAGE,
			       "up: expected a name and an image or folder, got %d words (the application's arguments "
			       "stand after --)",
			       argc - words.first);
	if (json_object_set_new(w->guest, "name", json_string(argv[words.first])) != 0)
		return err_set(err, STATUS_USAGE, "up: the name is not text");
	g = calloc(1, sizeof(*g));
	if (g == NULL)
		abort();
	result = guest_from_json(g, w->guest, err);
	guest_fini(g);
	free(g);
	w->image = argv[words.first + 1];
	return result;
}

void up_words_fini(struct up_words *w)
{
	json_decref(w->guest);
	w->guest = NULL;
}
