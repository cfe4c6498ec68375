/* SPDX-License-Identifier: MIT */
/* ixctl run: from options to a struct machine, checked against what the image says it can do. */
#include "hostctl/base/words.h"
#include "hostctl/ixctl/ixctl.h"
#include "hostctl/ixctl/verb.h"
#include "hostctl/machine/machine.h"
#include <stdlib.h>
#include <string.h>

#define WORDS_MAX 64

enum {
	OPT_PUBLISH,
	OPT_CPUS,
	OPT_MEMORY,
	OPT_NET,
	OPT_ADDRESS,
	OPT_GATEWAY,
	OPT_SET,
	OPT_FILE,
	OPT_SECRET,
	OPT_ACCEL,
	OPT_GDB,
	OPT_JSON,
	OPT_QEMU_ARG,
	OPT_KERNEL
};

static const struct verb_option options[] = {
	[OPT_PUBLISH] = { "publish", 'p', "[ADDR:]HOSTPORT:GUESTPORT[/udp]", WORD_OTHER,
			  "let a port of this host (127.0.0.1 if ADDR is not said) lead to one of the guest; HOSTPORT "
			  "0 "
			  "takes a free one; may be repeated" },
	[OPT_CPUS] = { "cpus", '\0', "N", WORD_OTHER,
		       "virtual CPUs, within the manifest's cores (default: cores.min)" },
	[OPT_MEMORY] = { "memory", '\0', "MIB", WORD_OTHER,
			 "memory of the guest (default: the manifest's memory_mib)" },
	[OPT_NET] = { "net", '\0', "user|tap=IF|vhost-user=SOCKET", WORD_CHOICE,
		      "user: no set-up, not pingable, for trying things (default); tap=IF: a tap interface, for "
		      "measuring "
		      "and serving; vhost-user=SOCKET: a switch connects to SOCKET (OVS: type=dpdkvhostuserclient)" },
	[OPT_ADDRESS] = { "address", '\0', "A.B.C.D/LEN", WORD_OTHER,
			  "instead of what the manifest says (not with --net user)" },
	[OPT_GATEWAY] = { "gateway", '\0', "A.B.C.D", WORD_OTHER, "the same" },
	[OPT_SET] = { "set", '\0', "KEY=VALUE", WORD_OTHER,
		      "any field marked --set in `ixctl help manifest`; env.NAME=VALUE too; may be repeated" },
	[OPT_FILE] = { "file", '\0', "[NAME=]PATH", WORD_FILE,
		       "a file that the application finds as /files/NAME; may be repeated" },
	[OPT_SECRET] = { "secret", '\0', "[NAME=]PATH", WORD_FILE, "the same as /secrets/NAME" },
	[OPT_ACCEL] = { "accel", '\0', "auto|kvm|tcg", WORD_CHOICE, "(default auto: KVM where it works)" },
	[OPT_GDB] = { "gdb", '\0', NULL, WORD_OTHER, "wait for a debugger before the first instruction" },
	[OPT_JSON] = { "json", '\0', NULL, WORD_OTHER,
		       "one JSON object a line on stdout: start, console, ready, exit" },
	[OPT_QEMU_ARG] = { "qemu-arg", '\0', "WORD", WORD_OTHER,
			   "one more word for QEMU's command line; may be repeated" },
	[OPT_KERNEL] = { "kernel", '\0', "FILE", WORD_FILE, "kernel.elf for a FOLDER, and symbols for --gdb" },
	VERB_OPTIONS_END,
};

struct run_words {
	struct machine m;
	const char *target;
	char *overrides[WORDS_MAX];
	const char *qemu_args[WORDS_MAX];
	char *kernel, *app;
	bool has_address;
	struct image *image;
	struct ix_manifest manifest; /* the image's, with the overrides */
};

static int add_override(struct run_words *w, const char *key, const char *value, struct err *err)
{
	char *word = NULL;

	if (w->m.override_count == WORDS_MAX)
		return err_set(err, STATUS_USAGE, "--set: at most %u are taken", WORDS_MAX);
	if (asprintf(&word, "%s%s", key, value) < 0)
		return err_set(err, STATUS_MACHINE, "out of memory");
	w->overrides[w->m.override_count++] = word;
	w->has_address |= strncmp(word, "net.address=", 12) == 0 || strncmp(word, "net.gateway=", 12) == 0;
	return 0;
}

/* Of getopt's word. */
static int take_number(const char *name, uint64_t min, uint64_t max, uint32_t *out, struct err *err)
{
	uint64_t value;

	if (!words_number(optarg, min, max, &value))
		return err_set(err, STATUS_USAGE, "%s: expected a number %llu..%llu, got %s", name,
			       (unsigned long long)min, (unsigned long long)max, optarg);
	*out = (uint32_t)value;
	return 0;
}

static int take_option(void *arg, const struct verb_option *option, char *value, struct err *err)
{
	struct run_words *w = arg;
	struct machine *m = &w->m;

	switch (option - options) {
	case OPT_PUBLISH:
		if (m->forward_count == MACHINE_FORWARDS_MAX)
			return err_set(err, STATUS_USAGE, "-p: at most %u are taken", MACHINE_FORWARDS_MAX);
		return machine_parse_forward(&m->forwards[m->forward_count++], value, err);
	case OPT_CPUS:
		return take_number("--cpus", 1, IX_CORES_MAX, &m->cpus, err);
	case OPT_MEMORY:
		return take_number("--memory", 64, 1048576, &m->memory_mib, err);
	case OPT_NET:
		return machine_parse_net(m, value, err);
	case OPT_ACCEL:
		return machine_parse_accel(m, value, err);
	case OPT_ADDRESS:
		return add_override(w, "net.address=", value, err);
	case OPT_GATEWAY:
		return add_override(w, "net.gateway=", value, err);
	case OPT_SET:
		return add_override(w, "", value, err);
	case OPT_FILE:
	case OPT_SECRET:
		return machine_add_file(m, value, option - options == OPT_SECRET, err);
	case OPT_GDB:
		m->is_gdb = true;
		return 0;
	case OPT_JSON:
		m->is_json = true;
		return 0;
	case OPT_QEMU_ARG:
		if (m->qemu_arg_count == WORDS_MAX)
			return err_set(err, STATUS_USAGE, "--qemu-arg: at most %u are taken", WORDS_MAX);
		w->qemu_args[m->qemu_arg_count++] = value;
		return 0;
	case OPT_KERNEL:
		free(w->kernel);
		w->kernel = strdup(value);
		return 0;
	default:
		return 0;
	}
}

/* Words after "--" are the application's; getopt would mix them with ours. */
static int split(struct run_words *w, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--") != 0)
			continue;
		w->m.has_args = true;
		w->m.args = (const char *const *)argv + i + 1;
		w->m.arg_count = (unsigned)(argc - i - 1);
		return i;
	}
	return argc;
}

static int parse(struct run_words *w, int argc, char **argv, struct err *err)
{
	struct words words;
	int result;

	argc = split(w, argc, argv);
	words = (struct words){ argc, argv, take_option, w, 0 };
	result = verb_options(&verb_run, &words, err);
	if (result != 0)
		return result;
	if (argc - words.first != 1)
		return err_set(err, STATUS_USAGE,
			       "run: expected one image or folder, got %d (the application's arguments "
			       "stand after --)",
			       argc - words.first);
	w->target = argv[words.first];
	if (w->m.arg_count > IX_ARGS_MAX)
		return err_set(err, STATUS_USAGE, "run: at most %u arguments are taken after --", IX_ARGS_MAX);
	if (w->m.net != MACHINE_NET_USER && w->m.forward_count != 0)
		return err_set(err, STATUS_USAGE,
			       "-p works with --net user only; with %s connect to the guest's own address",
			       w->m.net == MACHINE_NET_TAP ? "a tap" : "vhost-user");
	if (w->m.net == MACHINE_NET_USER && w->has_address)
		return err_set(err, STATUS_USAGE,
			       "--net user gives the guest 10.0.2.15/24; for an address of your own use "
			       "--net tap=IF");
	return 0;
}

static int check_fit(struct run_words *w, struct err *err)
{
	struct ix_manifest *m = &w->manifest;
	struct image_size size = image_size(w->image, machine_files_room(&w->m));
	struct image_budget budget;
	char words[256];

	*m = w->image->m;
	for (unsigned i = 0; i < w->m.override_count; i++)
		if (image_override(m, w->overrides[i], err) != 0)
			return -1;
	if (w->m.cpus == 0)
		w->m.cpus = m->cores_min;
	if (w->m.cpus < m->cores_min || w->m.cpus > m->cores_max)
		return err_set(err, STATUS_USAGE,
			       "--cpus: %s takes %u..%u (its manifest's cores.min and cores.max), got %u",
			       w->image->name, m->cores_min, m->cores_max, w->m.cpus);
	if (w->m.memory_mib == 0)
		w->m.memory_mib = m->memory_mib;
	image_budget(&budget, m, w->m.cpus, &size);
	if (w->m.memory_mib >= budget.total_mib)
		return 0;
	image_budget_words(&budget, words, sizeof(words));
	return err_set(err, STATUS_USAGE, "--memory: %s needs at least %llu MiB on %u CPUs, got %u: %s", w->image->name,
		       (unsigned long long)budget.total_mib, w->m.cpus, w->m.memory_mib, words);
}

static void fini(struct run_words *w)
{
	for (unsigned i = 0; i < w->m.override_count; i++)
		free(w->overrides[i]);
	machine_close_files(&w->m);
	image_free(w->image);
	free(w->kernel);
	free(w->app);
	free(w);
}

static int run(int argc, char **argv, struct err *err)
{
	struct run_words *w = calloc(1, sizeof(*w));
	int result;

	if (w == NULL)
		return err_set(err, STATUS_MACHINE, "out of memory");
	w->kernel = path_in_build("kernel.elf");
	result = parse(w, argc, argv, err);
	if (result == 0 && target_load(&w->image, w->target, w->kernel, &w->app, err) == 0 && check_fit(w, err) == 0) {
		w->m.image = w->image;
		w->m.app = w->app;
		w->m.kernel = w->kernel;
		w->m.overrides = (const char *const *)w->overrides;
		w->m.qemu_args = w->qemu_args;
		result = machine_run(&w->m, err);
	} else {
		result = result > 0 ? STATUS_OK : -1;
	}
	fini(w);
	return result;
}

const struct verb verb_run = {
	.name = "run",
	.words = "IMAGE|FOLDER [-- ARGUMENT...]",
	.summary = "run an image here, in the foreground",
	.about = "Runs an image (a FOLDER is built first) in QEMU until it ends or Ctrl-C. The guest's console "
		 "is on "
		 "stdout; "
		 "the line that starts with `ready` says that the service answers. ARGUMENTs go to the application "
		 "instead "
		 "of the manifest's args. Its exit status: `ixctl help status`.",
	.examples = "ixctl run images/echo -p 7007:7 -p 7007:7/udp\n"
		    "ixctl run echo.ix --net tap=tap0 --address 10.9.0.2/24 --cpus 2\n"
		    "ixctl run echo.ix --set poll_us=0 --json -- --verbose\n",
	.word = { WORD_FILE },
	.options = options,
	.run = run,
};
