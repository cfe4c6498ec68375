/* SPDX-License-Identifier: MIT */
/* ixctl host setup, status, teardown. */
#include "hostctl/base/words.h"
#include "hostctl/host/host.h"
#include "hostctl/ixctl/ask.h"
#include "hostctl/ixctl/ixctl.h"
#include "hostctl/ixctl/verb.h"
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Return: 0: go on, 1: help was printed, -1 with @err. */
static int parse(const struct verb *v, struct words *w, struct err *err)
{
	int result = verb_options(v, w, err);

	if (result == 0 && w->first != w->argc)
		return err_set(err, STATUS_USAGE, "%s: expected only options, got %s", v->name, w->argv[w->first]);
	return result;
}

/* ---- setup ---- */

static const struct verb_option setup_options[] = {
	{ "address", '\0', "A.B.C.D/LEN", WORD_OTHER,
	  "of this machine on the guests' net (default: as before, or 10.77.0.1/16)" },
	{ "accel", '\0', "auto|kvm|tcg", WORD_CHOICE,
	  "what guests run with (default auto: KVM if an image has really run with it)" },
	{ "cores", '\0', "N|auto", WORD_OTHER,
	  "that guests may run together (default: as before, or as many as there are CPUs for them)" },
	{ "no-install", '\0', NULL, WORD_OTHER, "refuse to install packages" },
	{ "network-only", '\0', NULL, WORD_OTHER, "only what a reboot takes away; ixd.service does this" },
	VERB_OPTIONS_END,
};

static int take_accel(struct host_wish *w, const char *text, struct err *err)
{
	static const char *const names[] = { "auto", "kvm", "tcg" };

	for (unsigned i = 0; i < 3; i++)
		if (strcmp(text, names[i]) == 0) {
			w->accel = (enum host_accel)i;
			return 0;
		}
	return err_set(err, STATUS_USAGE, "--accel: expected auto, kvm or tcg, got %s", text);
}

static int take_cores(struct host_wish *w, const char *text, struct err *err)
{
	static uint32_t cores;
	uint64_t n = 0;

	if (strcmp(text, "auto") != 0 && !words_number(text, 1, HOST_CORES_MAX, &n))
		return err_set(err, STATUS_USAGE, "--cores: expected auto or a number from 1 to %u, got %s",
			       HOST_CORES_MAX, text);
	cores = (uint32_t)n;
	w->cores = &cores;
	return 0;
}

static int take_setup(void *arg, const struct verb_option *option, char *value, struct err *err)
{
	struct host_wish *w = arg;

	switch (option - setup_options) {
	case 0:
		w->address = value;
		return 0;
	case 1:
		return take_accel(w, value, err);
	case 2:
		return take_cores(w, value, err);
	case 3:
		w->is_install = false;
		return 0;
	default:
		w->is_network_only = true;
		return 0;
	}
}

static int run_setup(int argc, char **argv, struct err *err)
{
	struct host_wish wish = { .is_install = true };
	struct words words = { argc, argv, take_setup, &wish, 0 };
	int result = parse(&verb_host_setup, &words, err);

	if (result != 0)
		return result > 0 ? STATUS_OK : -1;
	return host_setup(&wish, err);
}

const struct verb verb_host_setup = {
	.name = "host setup",
	.words = "",
	.summary = "make this machine a host of guests",
	.about = "Makes this machine a host, or mends what of one is missing: packages, Open vSwitch with DPDK, bridge "
		 "ix0 "
		 "and an address of this machine on it, libvirt, ixd. Run it as root, as often as you like; guests "
		 "that run "
		 "are not disturbed. With systemd it enables services; without (containers) it starts the daemons "
		 "itself.",
	.examples = "ixctl host setup\nixctl host setup --address 10.20.0.1/16 --accel tcg\n",
	.options = setup_options,
	.run = run_setup,
};

/* ---- status ---- */

static const struct verb_option status_options[] = { VERB_JSON, VERB_OPTIONS_END };

static void put_json(const struct host_check *checks, unsigned count, bool is_good, json_t *cores)
{
	json_t *list = json_array(), *o;
	char *text;

	for (unsigned i = 0; i < count; i++)
		json_array_append_new(list,
				      json_pack("{s:s, s:b, s:s, s:s}", "what", checks[i].what, "good",
						checks[i].is_good, "says", checks[i].says, "remedy", checks[i].remedy));
	o = json_pack("{s:b, s:o, s:O*}", "good", is_good, "checks", list, "cores", cores);
	text = json_dumps(o, JSON_COMPACT);
	puts(text != NULL ? text : "{}");
	free(text);
	json_decref(o);
}

/* Whose the host's cores are, of ixd; NULL where it does not answer: then that is among what is missing. */
static json_t *ask_cores(void)
{
	struct client c = { .request = ask_request("cores", NULL), .fd = -1 };
	struct err ignored = { 0 };
	json_t *result = client_ask(&c, &ignored) == 0 ? c.result : NULL;

	err_fini(&ignored);
	return result;
}

static void put_cores(const json_t *o)
{
	const json_t *guests = json_object_get(o, "guests"), *g;
	size_t i;

	printf("\n%d of %d cores are given; CPUs %s, the switch polls on %s, guests %s %s\n",
	       (int)ask_number(o, "given"), (int)ask_number(o, "cores"), ask_text(o, "cpus"),
	       *ask_text(o, "switch") != '\0' ? ask_text(o, "switch") : "none",
	       json_is_true(json_object_get(o, "shared")) ? "share" : "have", ask_text(o, "guests_cpus"));
	json_array_foreach(guests, i, g)
	{
		const char *cpus = ask_text(g, "cpus"), *held = ask_text(g, "held");

		printf("  %-20s %2d of %d to %d, %s, priority %d, %s%s%s%s\n", ask_text(g, "name"),
		       (int)ask_number(g, "cores"), (int)ask_number(g, "min"), (int)ask_number(g, "max"),
		       ask_text(g, "mode"), (int)ask_number(g, "priority"),
		       *cpus != '\0' ? "CPUs " : "no CPU of its own", cpus, *held != '\0' ? "; " : "", held);
	}
}

static void put_lines(const struct host_check *checks, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		printf("%-5s %-9s %s\n", checks[i].is_good ? "ok" : "MISS", checks[i].what, checks[i].says);
		if (!checks[i].is_good)
			printf("%16smend: %s\n", "", checks[i].remedy);
	}
}

static int run_status(int argc, char **argv, struct err *err)
{
	struct host_check *checks;
	bool is_json = false, is_good = true;
	struct words words = { argc, argv, verb_take_flag, &is_json, 0 };
	int result = parse(&verb_host_status, &words, err);
	unsigned count;
	json_t *cores;

	if (result != 0)
		return result > 0 ? STATUS_OK : -1;
	checks = calloc(HOST_CHECKS_MAX, sizeof(*checks));
	if (checks == NULL)
		abort();
	count = host_status(checks);
	for (unsigned i = 0; i < count; i++)
		is_good &= checks[i].is_good;
	cores = ask_cores();
	if (is_json)
		put_json(checks, count, is_good, cores);
	else
		put_lines(checks, count);
	if (!is_json && cores != NULL)
		put_cores(cores);
	json_decref(cores);
	free(checks);
	return is_good ? STATUS_OK : STATUS_MACHINE;
}

const struct verb verb_host_status = {
	.name = "host status",
	.words = "",
	.summary = "what of a host runs, what is missing, how to mend it",
	.about = "A line for each thing that a host needs; below what is missing the command that brings it back, "
		 "then whose the host's cores are. Changes nothing. Exit status 0 if all is there, else 103.",
	.examples = "ixctl host status\nixctl host status --json | jq -r '.checks[] | select(.good | not).remedy'\n",
	.options = status_options,
	.run = run_status,
};

/* ---- teardown ---- */

static const struct verb_option teardown_options[] = {
	{ "force", '\0', NULL, WORD_OTHER, "end guests that run" },
	{ "purge", '\0', NULL, WORD_OTHER, "forget the guests, too: records, images, secrets, logs" },
	VERB_OPTIONS_END,
};

struct teardown {
	bool is_force, is_purge;
};

static int take_teardown(void *arg, const struct verb_option *option, char *value, struct err *err)
{
	struct teardown *t = arg;

	(void)value;
	(void)err;
	t->is_force |= option == &teardown_options[0];
	t->is_purge |= option == &teardown_options[1];
	return 0;
}

static int run_teardown(int argc, char **argv, struct err *err)
{
	struct teardown wish = { 0 };
	struct words words = { argc, argv, take_teardown, &wish, 0 };
	int result = parse(&verb_host_teardown, &words, err);

	if (result != 0)
		return result > 0 ? STATUS_OK : -1;
	return host_teardown(wish.is_force, wish.is_purge, err);
}

const struct verb verb_host_teardown = {
	.name = "host teardown",
	.words = "",
	.summary = "undo host setup, leave nothing behind",
	.about = "Removes ixd, the bridge, the address, published ports and what setup wrote; packages stay. Refuses "
		 "while "
		 "guests run, unless --force. Records of guests stay, and the next setup starts those again, unless "
		 "--purge.",
	.examples = "ixctl host teardown\nixctl host teardown --force --purge\n",
	.options = teardown_options,
	.run = run_teardown,
};
