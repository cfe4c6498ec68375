/* SPDX-License-Identifier: MIT */
/*
 * Whether a guest that was started comes to serve. While something is new, a heartbeat on its page or a line on its console, it may take
 * its time, which it needs to be given an address; one that stands still is given up soon. Time in which its first vCPU wanted to run
 * and no CPU was free is none of its own [proc(5) schedstat], so a host that is busy gives up nobody sooner than an idle one.
 */
#include "hostctl/base/paths.h"
#include "hostctl/ixd/ixd.h"
#include "hostctl/ixd/ready.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define POLL_MS 20u
#define ASK_MS 1000 /* a guest that is ready sooner nobody asks QEMU about */
#define CONSOLE_TAIL 4096

/* What shows that a guest goes on. */
struct signs {
	bool has_beat;
	uint64_t beat;
	off_t console_bytes;
};

struct wait {
	char *console;
	struct signs seen;   /* last */
	int64_t began_ms;    /* of the wait */
	int64_t since_ms;    /* that they are as they are */
	int64_t held_ms;     /* of ready_held_ms() then */
	int32_t pid, thread; /* of its first vCPU; 0: not known */
	bool has_asked;
};

/* The console's last line that says something, on the heap; "" if none. */
static char *last_words(const char *path)
{
	char *text = calloc(1, CONSOLE_TAIL + 1), *from = text, *copy;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = 0;

	if (text == NULL)
		abort();
	if (fd >= 0) {
		off_t end = lseek(fd, 0, SEEK_END);

		n = pread(fd, text, CONSOLE_TAIL, end > CONSOLE_TAIL ? end - CONSOLE_TAIL : 0);
		close(fd);
	}
	while (n > 0 && strchr("\r\n ", text[n - 1]) != NULL)
		text[--n] = '\0';
	for (char *p = text; *p != '\0'; p++) {
		if (*p == '\n')
			from = p + 1;
		else if ((unsigned char)*p < 0x20)
			*p = ' '; /* a stranger's */
	}
	copy = strdup(from);
	free(text);
	return copy;
}

int64_t ready_held_ms(const char *schedstat)
{
	unsigned long long ran, waited;

	return sscanf(schedstat, "%llu %llu", &ran, &waited) == 2 ? (int64_t)(waited / 1000000) : 0;
}

/* 0 where the kernel does not count that: then all time is the guest's own. */
static int64_t held_ms(const struct wait *w)
{
	char path[64], text[80] = "";
	ssize_t n;
	int fd;

	if (w->thread == 0)
		return 0;
	snprintf(path, sizeof(path), "/proc/%d/task/%d/schedstat", w->pid, w->thread);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	return ready_held_ms(text);
}

static void begin_anew(struct wait *w, const struct signs *now)
{
	w->seen = *now;
	w->since_ms = now_ms();
	w->held_ms = held_ms(w);
}

static void ask_for_thread(const struct guest *g, struct wait *w, const struct domain_info *info)
{
	struct domain_vcpus *vcpus = malloc(sizeof(*vcpus));
	struct err ignored = { 0 };
	struct signs same = w->seen;

	if (vcpus == NULL)
		abort();
	w->has_asked = true;
	if (domain_vcpus(ixd.domains, g->name, vcpus, &ignored) == 0) {
		w->pid = info->pid;
		w->thread = vcpus->threads[0];
		begin_anew(w, &same);
	}
	free(vcpus);
	err_fini(&ignored);
}

/* 1 ready, 0 not yet, -1 it has ended. */
static int look(const struct guest *g, struct wait *w)
{
	enum ix_page_state state = IX_PAGE_BOOTING;
	struct domain_info info = { 0 };
	struct err err = { 0 };
	struct signs now = { 0 };
	struct stat st;
	struct known *k;
	int result;

	pthread_mutex_lock(&ixd.lock);
	k = known_find(g->name);
	if (k != NULL)
		sample_guest(k);
	if (k != NULL && k->has_guest) {
		state = k->guest.state;
		now.has_beat = true;
		now.beat = k->guest.beat;
	}
	pthread_mutex_unlock(&ixd.lock);
	if (state == IX_PAGE_READY)
		return 1;
	now.console_bytes = stat(w->console, &st) == 0 ? st.st_size : 0;
	if (now.has_beat != w->seen.has_beat || now.beat != w->seen.beat || now.console_bytes != w->seen.console_bytes)
		begin_anew(w, &now);
	result = domain_info(ixd.domains, g->name, &info, &err);
	err_fini(&err);
	if (result != 0)
		return 0;
	if (info.state != DOMAIN_RUNNING && info.state != DOMAIN_PAUSED)
		return -1;
	if (!w->has_asked && now_ms() - w->began_ms >= ASK_MS)
		ask_for_thread(g, w, &info);
	return 0;
}

/* Why it is given up now, NULL if it is not. */
static const char *is_hopeless(const struct wait *w)
{
	int64_t still_ms = now_ms() - w->since_ms, limit = ixd.host.is_kvm ? READY_STILL_KVM_S : READY_STILL_S;

	if (now_ms() - w->began_ms >= READY_S * 1000)
		return "is not ready after a minute";
	if (still_ms < limit * 1000 || still_ms - (held_ms(w) - w->held_ms) < limit * 1000)
		return NULL;
	return ixd.host.is_kvm ? "stood still for 5 s before it was ready" : "stood still for 15 s before it was ready";
}

int ready_wait(const struct guest *g, struct err *err)
{
	struct wait w = { .began_ms = now_ms(), .since_ms = now_ms() };
	const char *why = NULL;
	char *words;
	int state;

	if (asprintf(&w.console, PATHS_LOG "/%s.console", g->name) < 0)
		abort();
	while ((state = look(g, &w)) == 0 && (why = is_hopeless(&w)) == NULL)
		nanosleep(&(struct timespec){ 0, POLL_MS * 1000000l }, NULL);
	if (state <= 0) {
		words = last_words(w.console);
		err_set(err, STATUS_DATA, "%s %s; its console's last line: %.300s", g->name,
			state < 0 ? "ended before it was ready" : why, words);
		free(words);
	}
	free(w.console);
	return state > 0 ? 0 : -1;
}
