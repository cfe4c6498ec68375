/* SPDX-License-Identifier: MIT */
/* ixctl scale: how many cores a guest has, by hand or by policy. */
#include "hostctl/base/words.h"
#include "hostctl/ixctl/ask.h"
#include "hostctl/ixctl/ixctl.h"
#include "hostctl/ixctl/verb.h"
#include <stdio.h>
#include <string.h>

#define CPUS_MAX 64

struct scale_words {
	uint64_t cpus; /* 0: not said */
	bool is_auto, is_json;
};

static const struct verb_option options[] = {
	{ "cpus", 'c', "N", WORD_OTHER, "so many cores, from now on by hand" },
	{ "auto", '\0', NULL, WORD_OTHER, "the policy decides again, by load" },
	VERB_JSON,
	VERB_OPTIONS_END,
};

static int take(void *arg, const struct verb_option *o, char *value, struct err *err)
{
	struct scale_words *w = arg;

	if (strcmp(o->name, "json") == 0)
		w->is_json = true;
	else if (strcmp(o->name, "auto") == 0)
		w->is_auto = true;
	else if (!words_number(value, 1, CPUS_MAX, &w->cpus))
		return err_set(err, STATUS_USAGE, "--cpus: expected a number 1..%d, got %s", CPUS_MAX, value);
	return 0;
}

/* "web runs 2 cores (1 before): plug 412.0 ms, start 0.9 ms, 64 groups and 31 connections moved" */
static void tell(const char *name, const json_t *result)
{
	const json_t *steps = json_object_get(result, "steps"), *moved = json_object_get(result, "moved");
	const char *between = ": ";

	printf("%s runs %lld core%s (%lld before)", name, (long long)ask_number(result, "to"),
	       ask_number(result, "to") == 1 ? "" : "s", (long long)ask_number(result, "from"));
	for (void *at = json_object_iter((json_t *)(uintptr_t)steps); at != NULL;
	     at = json_object_iter_next((json_t *)(uintptr_t)steps, at)) {
		const char *key = json_object_iter_key(at);
		int bytes = (int)strcspn(key, "_");

		printf("%s%.*s %.1f ms", between,
		       strcmp(key, "first_frame_ms") == 0 ? (int)strlen("first_frame") : bytes, key,
		       json_number_value(json_object_iter_value(at)));
		between = ", ";
	}
	if (ask_number(moved, "groups") > 0)
		printf("%s%lld groups and %lld connections moved", between, (long long)ask_number(moved, "groups"),
		       (long long)ask_number(moved, "connections"));
	puts("");
}

static int ask(const char *name, const struct scale_words *w, struct err *err)
{
	struct client c = { .request = ask_request("scale", name), .on_say = w->is_json ? NULL : ask_say };
	int result;

	if (w->is_auto)
		json_object_set_new(c.request, "auto", json_true());
	else
		json_object_set_new(c.request, "cpus", json_integer((json_int_t)w->cpus));
	result = client_ask(&c, err);
	if (result == 0 && w->is_json)
		ask_put(c.result);
	else if (result == 0 && w->is_auto)
		printf("the policy decides how many cores %s has\n", name);
	else if (result == 0)
		tell(name, c.result);
	json_decref(c.result);
	return result;
}

static int run(int argc, char **argv, struct err *err)
{
	struct scale_words w = { 0 };
	struct words words = { argc, argv, take, &w, 0 };
	int result = verb_options(&verb_scale, &words, err);
	const char *name;

	if (result != 0)
		return result > 0 ? STATUS_OK : -1;
	name = ask_one_name("scale", words.first, argc, argv, err);
	if (name == NULL)
		return -1;
	if (w.is_auto == (w.cpus != 0))
		return err_set(err, STATUS_USAGE, "scale: expected either --cpus N or --auto");
	return ask(name, &w, err);
}

const struct verb verb_scale = {
	.name = "scale",
	.words = "NAME",
	.summary = "how many cores a guest has, while it serves",
	.about = "Gives guest NAME N cores, within the MIN:MAX of `up --cpus`, and returns when it is so. More: parked "
		 "cores "
		 "come back, then vCPUs are plugged. Fewer: cores give their connections to the others and are parked, "
		 "then "
		 "their vCPUs are taken away. No connection notices. From then on the guest is scaled by hand, until "
		 "--auto.\n"
		 "\n"
		 "`virsh setvcpus NAME N --live` does the same. Without KVM, libvirt says after 5 s that it does not "
		 "know "
		 "what "
		 "became of a vCPU that it took away; it is gone all the same, and `ixctl scale` makes libvirt look "
		 "again. "
		 "Without KVM a machine can have 64 vCPUs in its life, those that are gone included: what would be "
		 "more is "
		 "refused.",
	.examples = "ixctl scale web --cpus 4\nixctl scale web --auto\nixctl events web\n",
	.word = { WORD_GUEST },
	.options = options,
	.run = run,
};
