/* SPDX-License-Identifier: MIT */
/*
 * One run: QEMU is started with the guest stopped, says its version over QMP, the guest is let go,
 * its console is passed on, and in the end how QEMU ended becomes our exit status. No path leaves a
 * process behind. Where KVM turns out not to be able to run the guest, although /dev/kvm answered (it may be
 * one that emulates ring 0 instruction by instruction and does not know them all), TCG does, unless
 * the user has asked for KVM.
 */
#include "hostctl/base/say.h"
#include "hostctl/machine/report.h"
#include "hostctl/machine/qmp.h"
#include "hostctl/machine/verdict.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define READ_BYTES 65536u
#define STOP_MS 2000 /* from asking QEMU to end to ending it */
#define RUN_AGAIN (-2)

struct run {
	struct machine *m;
	struct command command;
	struct report report;
	struct qmp qmp;
	struct verdict_facts facts;
	pid_t pid;
	int out, error, signals;
	bool is_started; /* the guest was let go */
	bool is_ended;   /* facts.wait_status is valid */
	bool is_dump;    /* what QEMU says from here on is a dump of registers */
	char *bytes;     /* READ_BYTES */
	char said[512];  /* QEMU's stderr, the line so far */
	size_t said_bytes;
	struct err *err;
};

static void ask_to_end(struct run *r)
{
	r->facts.stops++;
	if (r->facts.stops == 1 && r->is_started && !r->qmp.is_closed)
		qmp_send(&r->qmp, "quit");
	else
		kill(r->pid, SIGKILL);
}

static void take_signals(struct run *r)
{
	struct signalfd_siginfo s;

	while (read(r->signals, &s, sizeof(s)) == (ssize_t)sizeof(s)) {
		if (s.ssi_signo != SIGCHLD)
			ask_to_end(r);
		else if (waitpid(r->pid, &r->facts.wait_status, WNOHANG) == r->pid)
			r->is_ended = true;
	}
}

/* QEMU has said its version: either it goes on, or it is too old for our options to mean anything. */
static void let_go(struct run *r)
{
	if (r->is_started || !r->qmp.is_greeted)
		return;
	r->is_started = true;
	if (!qemu_is_good_version(r->qmp.version)) {
		kill(r->pid, SIGKILL);
		return;
	}
	qmp_send(&r->qmp, "qmp_capabilities");
	if (!r->m->is_gdb)
		qmp_send(&r->qmp, "cont");
	report_start(&r->report, r->m, &r->command, r->qmp.version, r->pid);
}

/* QEMU's own lines, without the name that it puts before them. */
static void take_said(struct run *r, const char *data, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++) {
		const char *text = r->said;
		const char *colon;

		if (data[i] != '\n' && r->said_bytes < sizeof(r->said) - 1) {
			r->said[r->said_bytes++] = data[i];
			continue;
		}
		r->said[r->said_bytes] = '\0';
		r->said_bytes = 0;
		colon = strstr(text, ": ");
		if (strncmp(text, "qemu", 4) == 0 && colon != NULL)
			text = colon + 2;
		if (*text == '\0' || r->facts.stops != 0 || r->is_dump)
			continue;
		r->is_dump = strncmp(text, "KVM internal error", 18) == 0; /* registers follow */
		say("QEMU: %s", text);
		if (strncmp(text, "warning", 7) != 0 && strncmp(text, "info", 4) != 0)
			snprintf(r->facts.complaint, sizeof(r->facts.complaint), "%s", text);
	}
}

/* Return: false at the end of that stream. */
static bool take_stream(struct run *r, int *fd, void (*take)(struct run *, const char *, size_t))
{
	ssize_t n = read(*fd, r->bytes, READ_BYTES);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return true;
	if (n > 0) {
		take(r, r->bytes, (size_t)n);
		return true;
	}
	close(*fd);
	*fd = -1;
	return false;
}

static void take_console(struct run *r, const char *data, size_t bytes)
{
	bool was_broken = r->report.is_broken;

	report_console(&r->report, data, bytes);
	if (r->report.is_broken && !was_broken)
		ask_to_end(r);
}

static void serve(struct run *r)
{
	while (!r->is_ended) {
		struct pollfd p[] = {
			{ .fd = r->signals, .events = POLLIN },
			{ .fd = r->out, .events = POLLIN },
			{ .fd = r->error, .events = POLLIN },
			{ .fd = r->qmp.is_closed ? -1 : r->qmp.fd, .events = POLLIN },
		};
		int n = poll(p, 4, r->facts.stops != 0 ? STOP_MS : -1);

		if (n == 0)
			kill(r->pid, SIGKILL);
		if (n <= 0)
			continue;
		if (p[3].revents != 0) {
			qmp_read(&r->qmp);
			let_go(r);
			if (r->qmp.is_stuck)
				kill(r->pid, SIGKILL);
		}
		if (p[1].revents != 0)
			take_stream(r, &r->out, take_console);
		if (p[2].revents != 0)
			take_stream(r, &r->error, take_said);
		if (p[0].revents != 0)
			take_signals(r);
	}
}

/* What QEMU wrote before it ended is still in the pipes. */
static void drain(struct run *r)
{
	while (r->error >= 0 && take_stream(r, &r->error, take_said))
		;
	if (r->said_bytes != 0)
		take_said(r, "\n", 1);
	while (r->out >= 0 && take_stream(r, &r->out, take_console))
		;
	while (!r->qmp.is_closed)
		qmp_read(&r->qmp);
}

/* Whether TCG may show what KVM could not: nobody has been told yet that the guest is there. */
static bool is_for_tcg(const struct run *r)
{
	return r->qmp.is_stuck && r->m->accel == MACHINE_ACCEL_AUTO && strcmp(r->command.accel, "kvm") == 0 &&
	       !r->report.is_ready && r->facts.stops == 0;
}

static int finish(struct run *r)
{
	struct verdict v;
	char *version = NULL;

	r->facts.is_running = r->qmp.is_running;
	r->facts.is_panicked = r->qmp.is_panicked;
	r->facts.is_stuck = r->qmp.is_stuck;
	r->facts.reason = r->qmp.reason;
	if (r->qmp.is_greeted)
		version = strdup(r->qmp.version);
	else if (r->facts.stops == 0)
		version = qemu_version(r->command.qemu);
	r->facts.version = version;
	r->facts.is_old = version != NULL && !qemu_is_good_version(version);
	r->facts.qemu = r->command.qemu;
	verdict(&v, &r->facts);
	report_exit(&r->report, v.status, v.how, v.is_error ? NULL : v.words);
	if (v.is_error)
		err_set(r->err, v.status, "%s", v.words);
	free(v.words);
	free(version);
	return v.is_error ? -1 : v.status;
}

static int listen_to_signals(struct run *r, sigset_t *before)
{
	sigset_t ours;

	sigemptyset(&ours);
	sigaddset(&ours, SIGINT);
	sigaddset(&ours, SIGTERM);
	sigaddset(&ours, SIGHUP);
	sigaddset(&ours, SIGCHLD);
	sigprocmask(SIG_BLOCK, &ours, before);
	signal(SIGPIPE, SIG_IGN);
	r->signals = signalfd(-1, &ours, SFD_CLOEXEC | SFD_NONBLOCK);
	return r->signals;
}

static int start(struct run *r, const char *note)
{
	if (command_make(&r->command, r->m, r->err) != 0)
		return -1;
	if (note != NULL)
		r->command.accel_note = note;
	r->pid = process_start(&r->command, &r->out, &r->error, r->err);
	if (r->pid < 0)
		return -1;
	/* The child has them now; its end of the control socket must not stay open here. */
	argv_fini(&r->command.argv);
	return 0;
}

/* @note: why it is not KVM, NULL: nothing new. Return: as machine_run(); RUN_AGAIN: under TCG, please. */
static int run_once(struct run *r, const char *note)
{
	int result = -1;

	if (start(r, note) != 0) {
		command_fini(&r->command);
		return -1;
	}
	if (qmp_init(&r->qmp, r->command.qmp)) {
		serve(r);
		drain(r);
		result = is_for_tcg(r) ? RUN_AGAIN : finish(r);
	} else {
		kill(r->pid, SIGKILL);
		waitpid(r->pid, NULL, 0);
		err_set(r->err, STATUS_MACHINE, "out of memory");
	}
	qmp_fini(&r->qmp);
	command_fini(&r->command);
	return result;
}

static void run_init(struct run *r, struct machine *m, char *bytes, int signals, struct err *err)
{
	memset(r, 0, sizeof(*r));
	r->m = m;
	r->bytes = bytes;
	r->signals = signals;
	r->err = err;
	r->out = r->error = -1;
	report_init(&r->report, m->is_json);
}

/* Return: as machine_run(). */
static int run(struct run *r, struct machine *m, struct err *err)
{
	char *bytes = r->bytes;
	int signals = r->signals, result;

	run_init(r, m, bytes, signals, err);
	result = run_once(r, NULL);
	if (result != RUN_AGAIN)
		return result;
	m->accel = MACHINE_ACCEL_TCG;
	run_init(r, m, bytes, signals, err);
	return run_once(r, "KVM cannot run this guest here (--accel tcg does not try)");
}

int machine_run(struct machine *m, struct err *err)
{
	struct run *r = calloc(1, sizeof(*r));
	sigset_t before;
	int result = -1;

	if (r == NULL || (r->bytes = malloc(READ_BYTES)) == NULL) {
		free(r);
		return err_set(err, STATUS_MACHINE, "out of memory");
	}
	if (listen_to_signals(r, &before) < 0)
		err_set(err, STATUS_MACHINE, "no signals: %s", strerror(errno));
	else
		result = run(r, m, err);
	if (r->signals >= 0)
		close(r->signals);
	sigprocmask(SIG_SETMASK, &before, NULL);
	free(r->bytes);
	free(r);
	return result;
}
