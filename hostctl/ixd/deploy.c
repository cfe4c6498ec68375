/* SPDX-License-Identifier: MIT */
/* From a record to a guest that answers, and back. Each step may be repeated; a failure takes back what was made. */
#include "hostctl/base/name.h"
#include "hostctl/base/paths.h"
#include "hostctl/ixd/ixd.h"
#include "hostctl/ixd/launch.h"
#include "hostctl/ixd/ready.h"
#include "hostctl/ixd/user.h"
#include "hostctl/machine/machine.h"
#include "kernel/abi/boot_info.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEED_BYTES 32
#define STOP_S 10u

/* What is made for one start. All pointers owned. */
struct made {
	struct domain_plan plan;
	struct blob cmdline;
	char *image, *net_socket, *bell_socket, *console, *seed;
	char *files[GUEST_FILES_MAX], *file_names[GUEST_FILES_MAX];
};

static void add_word(struct made *m, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void add_word(struct made *m, const char *fmt, ...)
{
	char *word;
	va_list args;
	int n;

	va_start(args, fmt);
	n = vasprintf(&word, fmt, args);
	va_end(args);
	if (n < 0)
		abort();
	machine_cmdline_word(&m->cmdline, word);
	free(word);
}

/* The kernel's command line: the same dotted keys as the manifest's. */
static int make_cmdline(struct made *m, const struct guest *g, struct err *err)
{
	static const uint8_t none[4];

	if (g->prefix != 0)
		add_word(m, "net.address=%u.%u.%u.%u/%u", g->address[0], g->address[1], g->address[2], g->address[3],
			 g->prefix);
	if (g->prefix6 != 0) {
		char text[INET6_ADDRSTRLEN];

		add_word(m, "net.address6=%s/%u", inet_ntop(AF_INET6, g->address6, text, sizeof(text)), g->prefix6);
	}
	if (memcmp(g->gateway, none, 4) != 0)
		add_word(m, "net.gateway=%u.%u.%u.%u", g->gateway[0], g->gateway[1], g->gateway[2], g->gateway[3]);
	if (g->is_dhcp)
		add_word(m, "net.dhcp=true");
	add_word(m, "cores.min=%u", g->cpus_min);
	add_word(m, "cores.max=%u", g->cpus_max);
	for (unsigned i = 0; i < g->env.count; i++)
		add_word(m, "env.%s", g->env.word[i]);
	for (unsigned i = 0; i < g->set.count; i++)
		add_word(m, "%s", g->set.word[i]);
	if (g->has_args)
		add_word(m, "--");
	for (unsigned i = 0; i < g->args.count; i++)
		add_word(m, "%s", g->args.word[i]);
	if (m->cmdline.bytes >= BOOT_CMDLINE_BYTES)
		return err_set(err, STATUS_USAGE, "env, set and arguments are %zu bytes together, at most %u fit",
			       m->cmdline.bytes, BOOT_CMDLINE_BYTES - 1);
	blob_add(&m->cmdline, "", 1);
	return 0;
}

/* 32 fresh bytes that the guest reads once [kernel/cpu/entropy.c]. */
static int make_seed(const char *path, const struct guest *g, struct err *err)
{
	uint8_t seed[SEED_BYTES];
	int fd, result = 0;

	unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0400);
	if (fd < 0 || fchown(fd, user_uid(g), user_gid(g)) != 0 || getrandom(seed, sizeof(seed), 0) != SEED_BYTES ||
	    write(fd, seed, SEED_BYTES) != SEED_BYTES)
		result = err_set(err, STATUS_MACHINE, "%s: %s", path, strerror(errno));
	explicit_bzero(seed, sizeof(seed));
	if (fd >= 0)
		close(fd);
	return result;
}

static void make_files(struct made *m, const struct guest *g)
{
	m->plan.files[0].name = "seed";
	m->plan.files[0].path = m->seed;
	m->plan.file_count = 1;
	for (unsigned i = 0; i < g->file_count; i++) {
		const char *kind = g->files[i].is_secret ? "secret" : "file";
		char *inside;

		if (asprintf(&m->file_names[i], "%s/%s", kind, g->files[i].name) < 0 ||
		    asprintf(&inside, "%ss/%s", kind, g->files[i].name) < 0)
			abort();
		m->files[i] = paths_of_guest(PATHS_GUESTS, g->name, inside);
		free(inside);
		m->plan.files[m->plan.file_count].name = m->file_names[i];
		m->plan.files[m->plan.file_count++].path = m->files[i];
	}
}

/* Where QEMU makes its sockets: its own, and nobody else's but root's. */
static int make_run_folder(const struct guest *g, struct err *err)
{
	char *folder = paths_of_guest(PATHS_RUN, g->name, NULL);
	int result = 0;

	if ((mkdir(folder, 0700) != 0 && errno != EEXIST) || chown(folder, user_uid(g), user_gid(g)) != 0)
		result = err_set(err, STATUS_MACHINE, "%s: %s", folder, strerror(errno));
	free(folder);
	return result;
}

static int make(struct made *m, const struct guest *g, struct err *err)
{
	int result = make_run_folder(g, err);

	m->image = guest_image_path(g->name, g->generation);
	m->net_socket = paths_of_guest(PATHS_RUN, g->name, "net.sock");
	m->bell_socket = paths_of_guest(PATHS_RUN, g->name, "bell.sock");
	m->seed = paths_of_guest(PATHS_RUN, g->name, "seed");
	if (asprintf(&m->console, PATHS_LOG "/%s.console", g->name) < 0)
		abort();
	m->plan = (struct domain_plan){
		.name = g->name,
		.image = m->image,
		.memory_mib = g->memory_mib,
		.page_kib = host_hugepages(g->memory_mib),
		.cpus_min = g->cpus_min,
		.cpus_max = g->cpus_max,
		.net_socket = m->net_socket,
		.bell_socket = m->bell_socket,
		.console_log = m->console,
		.queue_pairs = g->cpus_max,
		.is_kvm = ixd.host.is_kvm,
		.uid = user_is_own(g) ? user_uid(g) : 0,
		.gid = user_is_own(g) ? user_gid(g) : 0,
	};
	if (!user_is_own(g))
		event_note(g->name, "shared-user",
			   json_pack("{s:s}", "why", HOST_QEMU_FOLDER " is closed to others: run ixctl host setup"));
	name_mac(g->name, m->plan.mac);
	make_files(m, g);
	if (result != 0 || make_cmdline(m, g, err) != 0 || make_seed(m->seed, g, err) != 0)
		return -1;
	m->plan.cmdline = (const char *)m->cmdline.data;
	return 0;
}

static void unmake(struct made *m)
{
	for (unsigned i = 0; i < GUEST_FILES_MAX; i++) {
		free(m->files[i]);
		free(m->file_names[i]);
	}
	free(m->image);
	free(m->net_socket);
	free(m->bell_socket);
	free(m->console);
	free(m->seed);
	blob_fini(&m->cmdline);
}

static void plan_port(struct sw_port *port, const struct guest *g, const char *socket)
{
	*port = (struct sw_port){ .guest = g->name, .socket = socket, .rate_mbit = g->rate_mbit };
	name_mac(g->name, port->mac);
	memcpy(port->address, g->address, 4);
	memcpy(port->address6, g->address6, 16);
	port->is_dhcp = g->is_dhcp;
	for (unsigned i = 0; i < g->allow.count; i++)
		port->allow[port->allow_count++] = g->allow.word[i];
}

int deploy_port(const struct guest *g, struct err *err)
{
	char *socket = paths_of_guest(PATHS_RUN, g->name, "net.sock");
	struct sw_port port;
	int result;

	plan_port(&port, g, socket);
	result = sw_port_set(&port, err);
	free(socket);
	return result;
}

/* While a guest is @busy it is off because we want it so, not because it crashed. What it is afterwards libvirt says at once. */
static void set_busy(const char *name, bool busy)
{
	struct domain_info info = { .state = DOMAIN_ABSENT };
	struct err ignored = { 0 };
	bool has_info = !busy && domain_info(ixd.domains, name, &info, &ignored) == 0;
	struct known *k;

	pthread_mutex_lock(&ixd.lock);
	k = known_find(name);
	if (k != NULL)
		k->is_busy = busy;
	if (k != NULL && has_info) {
		k->domain = info;
		k->is_seen = true;
	}
	pthread_mutex_unlock(&ixd.lock);
	err_fini(&ignored);
}

/* A page of this start, which sample.c reads from now on. */
static int set_page(const struct guest *g, struct err *err)
{
	struct page *page = page_create(g->name, user_uid(g), user_gid(g), err);
	struct known *k;

	if (page == NULL)
		return -1;
	pthread_mutex_lock(&ixd.lock);
	k = known_add(g->name);
	if (k != NULL) {
		page_close(k->page);
		k->page = page;
		k->has_guest = false;
		k->trust = PAGE_SILENT;
		k->beat_ms = now_ms();
		k->crash_seen = 0;
		k->is_wanted = true;
		k->is_busy = true;
		memset(k->cores, 0, IX_PAGE_CORES_MAX * sizeof(*k->cores));
	}
	pthread_mutex_unlock(&ixd.lock);
	if (k != NULL)
		return 0;
	page_close(page);
	return err_set(err, STATUS_MACHINE, "ixd has %u guests; no more fit", IXD_GUESTS_MAX);
}

/* It runs: known at once, not when check.c asks next. */
static int start_domain(const struct guest *g, const struct made *m, struct err *err)
{
	struct sw_port port;
	struct known *k;

	plan_port(&port, g, m->net_socket);
	if (launch_begin(&m->plan, &port, err) != 0)
		return -1;
	pthread_mutex_lock(&ixd.lock);
	k = known_find(g->name);
	if (k != NULL) {
		k->domain.state = DOMAIN_RUNNING;
		k->is_seen = true;
	}
	pthread_mutex_unlock(&ixd.lock);
	return 0;
}

/* Hugepages that were free may be somebody else's by now. */
static int start_anyhow(const struct guest *g, struct made *m, struct request *r, struct err *err)
{
	if (start_domain(g, m, err) == 0)
		return 0;
	if (m->plan.page_kib == 0 || host_hugepages(g->memory_mib) != 0)
		return -1;
	request_say(r, "%s gets ordinary memory: its hugepages are gone", g->name);
	m->plan.page_kib = 0;
	err_fini(err);
	return start_domain(g, m, err);
}

/* The domain, until it serves. */
static int run(const struct guest *g, struct made *m, struct request *r, struct deploy_times *times, struct err *err)
{
	int64_t began = now_ms(), runs;

	if (start_anyhow(g, m, r, err) != 0)
		return -1;
	runs = now_ms();
	if (ready_wait(g, err) != 0)
		return -1;
	if (times != NULL)
		*times = (struct deploy_times){ .start_ms = runs - began, .boot_ms = now_ms() - runs };
	return 0;
}

int deploy_start(const struct guest *g, struct request *r, struct deploy_times *times, struct err *err)
{
	struct made *m = calloc(1, sizeof(*m));
	struct err ignored = { 0 };
	int result = -1;

	if (m == NULL)
		abort();
	set_busy(g->name, true);
	if (sw_is_up(err) == 0 && domains_connect(ixd.domains, err) == 0 && make(m, g, err) == 0) {
		if (set_page(g, err) == 0) {
			known_image(g);
			request_say(r, "starting %s", g->name);
			result = run(g, m, r, times, err);
		}
		if (result == 0)
			result = deploy_publish(err);
		if (result != 0)
			deploy_stop(g->name, 0, &ignored);
	}
	set_busy(g->name, false);
	err_fini(&ignored);
	unmake(m);
	free(m);
	return result;
}

/* What a start has left in memory. QEMU's user may have made other things in its folder; those are nobody's, and stay. */
static void remove_run_files(const char *name)
{
	static const char *const files[] = { "seed", "net.sock", "bell.sock", NULL };
	char *page = paths_page(name);

	unlink(page);
	free(page);
	for (unsigned i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		char *path = paths_of_guest(PATHS_RUN, name, files[i]);

		(void)(files[i] != NULL ? unlink(path) : rmdir(path));
		free(path);
	}
}

int deploy_stop(const char *name, unsigned timeout_s, struct err *err)
{
	struct known *k;
	int result;

	set_busy(name, true);
	result = launch_end(name, timeout_s, err);
	if (result != 0) {
		set_busy(name, false);
	} else {
		pthread_mutex_lock(&ixd.lock);
		k = known_find(name);
		if (k != NULL) {
			page_close(k->page);
			k->page = NULL;
			k->has_guest = false;
			memset(&k->domain, 0, sizeof(k->domain));
		}
		pthread_mutex_unlock(&ixd.lock);
		remove_run_files(name);
	}
	return result;
}

struct image *deploy_image(int fd, struct err *err)
{
	struct blob bytes = { 0 };
	struct image *image = NULL;
	char path[40];

	if (fd < 0) {
		err_set(err, STATUS_USAGE, "no image came with the request");
		return NULL;
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (blob_read(&bytes, path, IXD_IMAGE_BYTES_MAX, err) != 0)
		return NULL;
	return image_load(&image, &bytes, "the image", err) == 0 ? image : NULL;
}
