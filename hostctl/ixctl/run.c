/* SPDX-License-Identifier: MIT */
/* ixctl run: from options to a struct machine, checked against what the image says it can do. */
#include "hostctl/base/words.h"
#include "hostctl/ixctl/ixctl.h"
#include "hostctl/machine/machine.h"
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define IMAGE_BYTES_MAX (1ull << 32)
#define WORDS_MAX 64

enum {
	OPT_CPUS = 256,
	OPT_MEMORY,
	OPT_NET,
	OPT_ACCEL,
	OPT_GDB,
	OPT_JSON,
	OPT_ADDRESS,
	OPT_GATEWAY,
	OPT_SET,
	OPT_QEMU_ARG,
	OPT_KERNEL
};

static const struct option options[] = {
	{ "publish", required_argument, NULL, 'p' },
	{ "cpus", required_argument, NULL, OPT_CPUS },
	{ "memory", required_argument, NULL, OPT_MEMORY },
	{ "net", required_argument, NULL, OPT_NET },
	{ "address", required_argument, NULL, OPT_ADDRESS },
	{ "gateway", required_argument, NULL, OPT_GATEWAY },
	{ "set", required_argument, NULL, OPT_SET },
	{ "accel", required_argument, NULL, OPT_ACCEL },
	{ "gdb", no_argument, NULL, OPT_GDB },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "qemu-arg", required_argument, NULL, OPT_QEMU_ARG },
	{ "kernel", required_argument, NULL, OPT_KERNEL },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

struct run_words {
	struct machine m;
	const char *target;
	char *overrides[WORDS_MAX];
	const char *qemu_args[WORDS_MAX];
	char *kernel, *app;
	bool has_address, wants_help;
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

static int take_number(const char *name, uint64_t min, uint64_t max, uint32_t *out, struct err *err)
{
	uint64_t value;

	if (!words_number(optarg, min, max, &value))
		return err_set(err, STATUS_USAGE, "%s: expected a number %llu..%llu, got %s", name,
			       (unsigned long long)min, (unsigned long long)max, optarg);
	*out = (uint32_t)value;
	return 0;
}

static int take_option(struct run_words *w, int option, struct err *err)
{
	struct machine *m = &w->m;

	switch (option) {
	case 'p':
		if (m->forward_count == MACHINE_FORWARDS_MAX)
			return err_set(err, STATUS_USAGE, "-p: at most %u are taken", MACHINE_FORWARDS_MAX);
		return machine_parse_forward(&m->forwards[m->forward_count++], optarg, err);
	case OPT_CPUS:
		return take_number("--cpus", 1, IX_CORES_MAX, &m->cpus, err);
	case OPT_MEMORY:
		return take_number("--memory", 64, 1048576, &m->memory_mib, err);
	case OPT_NET:
		return machine_parse_net(m, optarg, err);
	case OPT_ACCEL:
		return machine_parse_accel(m, optarg, err);
	case OPT_ADDRESS:
		return add_override(w, "net.address=", optarg, err);
	case OPT_GATEWAY:
		return add_override(w, "net.gateway=", optarg, err);
	case OPT_SET:
		return add_override(w, "", optarg, err);
	case OPT_GDB:
		m->is_gdb = true;
		return 0;
	case OPT_JSON:
		m->is_json = true;
		return 0;
	case OPT_QEMU_ARG:
		if (m->qemu_arg_count == WORDS_MAX)
			return err_set(err, STATUS_USAGE, "--qemu-arg: at most %u are taken", WORDS_MAX);
		w->qemu_args[m->qemu_arg_count++] = optarg;
		return 0;
	case OPT_KERNEL:
		free(w->kernel);
		w->kernel = strdup(optarg);
		return 0;
	default:
		w->wants_help = true;
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
	int option;

	argc = split(w, argc, argv);
	while ((option = option_next(argc, argv, ":p:h", options, err)) > 0)
		if (take_option(w, option, err) != 0)
			return -1;
	if (option < 0 || w->wants_help)
		return option;
	if (argc - optind != 1)
		return err_set(err, STATUS_USAGE,
			       "run: expected one image or folder, got %d (the application's arguments "
			       "stand after --)",
			       argc - optind);
	w->target = argv[optind];
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

static bool is_source(const char *path)
{
	size_t n = strlen(
		path); /* NOLINT(clang-analyzer-core.NonNullParamChecker): parse() without an error has set it */
	struct stat st;

	return (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) || (n > 5 && strcmp(path + n - 5, ".yaml") == 0);
}

static int open_image(struct run_words *w, struct err *err)
{
	char *apps = path_in_build("apps");
	struct image_source from = { .folder = w->target, .kernel = w->kernel, .apps = apps };
	struct blob bytes;
	int result = is_source(w->target) ? image_build(&from, &bytes, NULL, &w->app, err)
					  : blob_read(&bytes, w->target, IMAGE_BYTES_MAX, err);

	if (result == 0)
		result = image_load(&w->image, &bytes, w->target, err);
	free(apps);
	return result;
}

static int check_fit(struct run_words *w, struct err *err)
{
	struct ix_manifest *m = &w->manifest;
	struct image_budget budget;
	char words[200];

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
	image_budget(&budget, m, w->m.cpus, w->image->end_pa, w->image->app_bytes);
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
	image_free(w->image);
	free(w->kernel);
	free(w->app);
	free(w);
}

int verb_run(int argc, char **argv, struct err *err)
{
	struct run_words *w = calloc(1, sizeof(*w));
	int result;

	if (w == NULL)
		return err_set(err, STATUS_MACHINE, "out of memory");
	w->kernel = path_in_build("kernel.elf");
	result = parse(w, argc, argv, err);
	if (result == 0 && w->wants_help) {
		help_print("run");
	} else if (result == 0 && w->target != NULL && open_image(w, err) == 0 && check_fit(w, err) == 0) {
		w->m.image = w->image;
		w->m.app = w->app;
		w->m.kernel = w->kernel;
		w->m.overrides = (const char *const *)w->overrides;
		w->m.qemu_args = w->qemu_args;
		result = machine_run(&w->m, err);
	} else {
		result = -1;
	}
	fini(w);
	return result;
}
