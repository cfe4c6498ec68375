/* SPDX-License-Identifier: MIT */
/*
 * The daemons: how each is started, found and ended. Where systemd runs it does that; elsewhere each daemon puts itself into
 * the background and leaves its pid in a file, which is believed only while a process of that name has it.
 */
#include "hostctl/base/paths.h"
#include "hostctl/base/say.h"
#include "hostctl/host/part.h"
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define OVS_RUN "/run/openvswitch"
#define OVS_REMOTE "--remote=punix:/run/openvswitch/db.sock"
#define STOP_S 10u
#define START_S 30u

static const struct {
	const char *name, *unit, *pid_file, *process, *socket;
} services[SERVICE_NR] = {
	[SERVICE_DATABASE] = { "Open vSwitch's database", "ovsdb-server.service", OVS_RUN "/ovsdb-server.pid",
			       "ovsdb-server", OVS_RUN "/db.sock" },
	[SERVICE_SWITCH] = { "Open vSwitch", "ovs-vswitchd.service", OVS_RUN "/ovs-vswitchd.pid", "ovs-vswitchd",
			     NULL },
	[SERVICE_LIBVIRT] = { "libvirt", "libvirtd.service", "/run/libvirtd.pid", "libvirtd",
			      "/run/libvirt/libvirt-sock" },
	[SERVICE_IXD] = { "ixd", "ixd.service", PATHS_IXD_PID, "ixd", PATHS_SOCKET },
};

const char *service_name(enum service s)
{
	return services[s].name;
}

const char *service_remedy(enum service s)
{
	static const char *const by_systemd[SERVICE_NR] = { "systemctl start ovsdb-server",
							    "systemctl start ovs-vswitchd", "systemctl start libvirtd",
							    "systemctl start ixd" };

	return step_is_systemd() ? by_systemd[s] : "ixctl host setup";
}

/* The first line of a file, without its end; "" if there is none. */
static void first_line(const char *path, char *out, size_t bytes)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, out, bytes - 1) : 0;

	if (fd >= 0)
		close(fd);
	out[n > 0 ? n : 0] = '\0';
	out[strcspn(out, "\n")] = '\0';
}

static pid_t pid_by_systemd(enum service s)
{
	struct err ignored = { 0 };
	char *text = NULL;
	pid_t pid = 0;

	if (STEP_ASK(&text, &ignored, "systemctl", "show", "--property=MainPID", "--value", services[s].unit) == 0)
		pid = (pid_t)strtol(text, NULL, 10);
	free(text);
	err_fini(&ignored);
	return pid > 0 ? pid : 0;
}

pid_t service_pid(enum service s)
{
	char text[64], path[64];
	long pid;

	if (step_is_systemd() && s >= SERVICE_LIBVIRT)
		return pid_by_systemd(s);
	first_line(services[s].pid_file, text, sizeof(text));
	pid = strtol(text, NULL, 10);
	if (pid <= 0 || pid > INT32_MAX)
		return 0;
	/* One that was killed keeps its name until its parent has looked, but no program. */
	snprintf(path, sizeof(path), "/proc/%ld/exe", pid);
	if (readlink(path, text, sizeof(text)) < 0)
		return 0;
	snprintf(path, sizeof(path), "/proc/%ld/comm", pid);
	first_line(path, text, sizeof(text));
	return strncmp(text, services[s].process, strlen(services[s].process)) == 0 ? (pid_t)pid : 0;
}

/* Somebody accepts on its socket. */
static bool answers(void *arg)
{
	const char *path = arg;
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	bool is_there;
	int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	is_there = s >= 0 && connect(s, (struct sockaddr *)&a, sizeof(a)) == 0;
	if (!is_there && errno == EPROTOTYPE) /* SOCK_SEQPACKET: its file is there, and so is its owner */
		is_there = service_pid(SERVICE_IXD) != 0;
	if (s >= 0)
		close(s);
	return is_there;
}

/* A child of nobody's that says what it says into @log. */
static void become_daemon(const char *const *argv, const char *log)
{
	int null = open("/dev/null", O_RDWR), out = open(log, O_WRONLY | O_CREAT | O_APPEND, 0640);
	char *const *words;
	sigset_t none;

	memcpy(&words, &argv, sizeof(words));
	setsid();
	if (fork() != 0)
		_exit(0);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	dup2(null, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	dup2(out, STDERR_FILENO);
	if (chdir("/") == 0)
		execv(words[0], words);
	_exit(STATUS_MACHINE);
}

static int spawn(const char *const *argv, const char *log, struct err *err)
{
	pid_t child = fork();

	if (child == 0)
		become_daemon(argv, log);
	if (child < 0)
		return err_set(err, STATUS_MACHINE, "%s: %s", argv[0], strerror(errno));
	waitpid(child, NULL, 0);
	return 0;
}

/* ixd is beside ixctl. */
static int start_ixd(struct err *err)
{
	char *self = realpath("/proc/self/exe", NULL), *path = NULL;
	int result;

	if (self == NULL || asprintf(&path, "%s/ixd", dirname(self)) < 0)
		abort();
	result = access(path, X_OK) == 0 ? spawn((const char *const[]){ path, NULL }, PATHS_LOG "/ixd.log", err)
					 : err_set(err, STATUS_MACHINE, "%s: %s", path, strerror(errno));
	free(path);
	free(self);
	return result;
}

/* The DPDK build under the name that its tools look for. */
static int start_switch(struct err *err)
{
	static const char link[] = PATHS_RUN "/ovs-vswitchd";

	unlink(link);
	if (symlink(HOST_VSWITCHD, link) != 0)
		return err_set(err, STATUS_MACHINE, "%s: %s", link, strerror(errno));
	return STEP(err, link, "--pidfile", "--detach", "--log-file", "-vconsole:off");
}

static int start_alone(enum service s, struct err *err)
{
	switch (s) {
	case SERVICE_DATABASE:
		return STEP(err, "ovsdb-server", "/etc/openvswitch/conf.db", OVS_REMOTE, "--pidfile", "--detach",
			    "--log-file", "-vconsole:off");
	case SERVICE_SWITCH:
		return start_switch(err);
	case SERVICE_LIBVIRT:
		return STEP(err, "/usr/sbin/libvirtd", "-d", "--pid-file", "/run/libvirtd.pid");
	default:
		return start_ixd(err);
	}
}

int service_start(enum service s, struct err *err)
{
	char socket[64];

	if (service_pid(s) != 0)
		return 0;
	if ((step_is_systemd() ? STEP(err, "systemctl", "enable", "--now", services[s].unit) : start_alone(s, err)) !=
	    0)
		return -1;
	if (services[s].socket == NULL)
		return 1;
	snprintf(socket, sizeof(socket), "%s", services[s].socket);
	if (step_await(answers, socket, START_S))
		return 1;
	if (step_is_systemd())
		return err_set(err, STATUS_MACHINE, "%s does not answer on %s: look at journalctl -u %s",
			       services[s].name, socket, services[s].unit);
	return err_set(err, STATUS_MACHINE, "%s does not answer on %s: look at %s", services[s].name, socket,
		       s == SERVICE_IXD ? PATHS_LOG "/ixd.log" : "/var/log");
}

static bool is_gone(void *arg)
{
	return kill(*(const pid_t *)arg, 0) != 0;
}

int service_stop(enum service s, struct err *err)
{
	pid_t pid = service_pid(s);

	if (step_is_systemd())
		return pid == 0 ? 0 : STEP(err, "systemctl", "disable", "--now", services[s].unit);
	if (pid == 0)
		return 0;
	if (kill(pid, SIGTERM) == 0 && !step_await(is_gone, &pid, STOP_S))
		kill(pid, SIGKILL);
	if (!step_await(is_gone, &pid, STOP_S))
		return err_set(err, STATUS_MACHINE, "%s (pid %d) does not end", services[s].name, (int)pid);
	unlink(services[s].pid_file);
	return 0;
}
