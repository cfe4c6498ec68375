/* SPDX-License-Identifier: MIT */
/* ixd: begins, runs libvirt's event loop until somebody ends it, and leaves every guest as it is. */
#include "hostctl/base/paths.h"
#include "hostctl/base/say.h"
#include "hostctl/ixd/ixd.h"
#include <errno.h>
#include <fcntl.h>
#include <libvirt/libvirt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct ixd ixd = { .lock = PTHREAD_MUTEX_INITIALIZER };
static bool is_over;

#define FILES_MAX 16384u

static const char usage[] =
	"ixd: the control plane of IX guests on this host. ixctl talks to it; ixctl host setup starts it.\n"
	"\n"
	"  ixd              run in the foreground until SIGTERM; guests go on\n"
	"  ixd --version\n"
	"\n"
	"Socket " PATHS_SOCKET ", records " PATHS_GUESTS ", logs " PATHS_LOG ".\n";

int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ll + t.tv_nsec / 1000000;
}

int64_t wall_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return t.tv_sec * 1000ll + t.tv_nsec / 1000000;
}

/* One daemon a host: the lock on its pid file lives as long as we do. */
static int be_the_only_one(struct err *err)
{
	int fd = open(PATHS_IXD_PID, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);
	char pid[16];
	int bytes = snprintf(pid, sizeof(pid), "%d\n", (int)getpid());

	if (fd < 0)
		return err_set(err, STATUS_MACHINE, PATHS_IXD_PID ": %s", strerror(errno));
	if (flock(fd, LOCK_EX | LOCK_NB) != 0)
		return err_set(err, STATUS_USAGE, "ixd runs already (" PATHS_IXD_PID ")");
	if (ftruncate(fd, 0) != 0 || write(fd, pid, (size_t)bytes) != bytes)
		return err_set(err, STATUS_MACHINE, PATHS_IXD_PID ": %s", strerror(errno));
	return 0; /* stays open */
}

static int make_folders(struct err *err)
{
	static const struct {
		const char *path;
		mode_t mode;
	} folders[] = { { PATHS_RUN, 0755 }, { PATHS_STATE, 0711 }, { PATHS_GUESTS, 0711 }, { PATHS_LOG, 0711 } };

	for (unsigned i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
		if (mkdir(folders[i].path, folders[i].mode) != 0 && errno != EEXIST)
			return err_set(err, STATUS_MACHINE, "%s: %s", folders[i].path, strerror(errno));
	return 0;
}

static void on_signal(int watch, int fd, int events, void *arg)
{
	struct signalfd_siginfo info;

	(void)watch;
	(void)events;
	(void)arg;
	if (read(fd, &info, sizeof(info)) == sizeof(info))
		is_over = true;
}

/* Ends come as bytes, in every thread's stead. */
static int watch_signals(struct err *err)
{
	sigset_t ends;
	int fd;

	sigemptyset(&ends);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGINT);
	pthread_sigmask(SIG_BLOCK, &ends, NULL);
	signal(SIGPIPE, SIG_IGN);
	fd = signalfd(-1, &ends, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0 || virEventAddHandle(fd, VIR_EVENT_HANDLE_READABLE, on_signal, NULL, NULL) < 0)
		return err_set(err, STATUS_MACHINE, "signals: %s", strerror(errno));
	return 0;
}

/* What libvirt says of domains is only a hint to look soon; check.c looks every second anyway. */
static void on_domain(void *arg, const char *name, bool is_there)
{
	(void)arg;
	if (name == NULL)
		event_note(NULL, is_there ? "libvirt-back" : "libvirt-lost", NULL);
}

/* A page for each guest, and what requests bring along: more files than a program may open by default. */
static void raise_files(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) != 0 || l.rlim_cur >= FILES_MAX)
		return;
	l.rlim_cur = l.rlim_max < FILES_MAX ? l.rlim_max : FILES_MAX;
	setrlimit(RLIMIT_NOFILE, &l); /* what fails for lack of one is refused then */
}

static int begin(struct err *err)
{
	if (make_folders(err) != 0 || be_the_only_one(err) != 0 || host_load(&ixd.host, err) != 0)
		return -1;
	ixd.began_ms = wall_ms();
	raise_files();
	if (virEventRegisterDefaultImpl() != 0)
		return err_set(err, STATUS_MACHINE, "libvirt's event loop does not start");
	if (watch_signals(err) != 0)
		return -1;
	ixd.domains = domains_new(NULL, on_domain, NULL);
	say("%u guests on record", known_load());
	sample_start();
	check_start();
	pin_start();
	elastic_start();
	http_start();
	return socket_open(err);
}

int main(int argc, char **argv)
{
	struct err err = { 0 };

	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		puts("ixd " IXCTL_VERSION);
		return STATUS_OK;
	}
	if (argc != 1) {
		fputs(usage, argc == 2 && strcmp(argv[1], "--help") == 0 ? stdout : stderr);
		return argc == 2 && strcmp(argv[1], "--help") == 0 ? STATUS_OK : STATUS_USAGE;
	}
	umask(0022);
	if (begin(&err) != 0) {
		say("%s", err.text);
		return err.status;
	}
	while (!is_over)
		virEventRunDefaultImpl();
	say("ends; guests go on");
	unlink(PATHS_SOCKET);
	/* Threads are at work; none of them holds what would be lost. */
	_exit(STATUS_OK);
}
