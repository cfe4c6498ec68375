/* SPDX-License-Identifier: MIT */
/*
 * Starting QEMU so that it cannot outlive us: the kernel kills it when we die, whatever we die of. It
 * is its own process group, so that Ctrl-C on the terminal reaches us and we decide how it ends.
 */
#include "hostctl/machine/argv.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static void become_qemu(const struct command *c, pid_t parent, int out, int error)
{
	int null = open("/dev/null", O_RDWR);
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent) /* it died before the line above */
		_exit(STATUS_MACHINE);
	dup2(null, 0);
	dup2(out, 1);
	dup2(error, 2);
	for (unsigned i = 0; i < c->argv.fd_count; i++)
		fcntl(c->argv.fds[i], F_SETFD, 0);
	execv(c->qemu, c->argv.words);
	fprintf(stderr, "%s: %s\n", c->qemu, strerror(errno));
	_exit(STATUS_MACHINE);
}

pid_t process_start(const struct command *c, int *out, int *error, struct err *err)
{
	pid_t parent = getpid();
	int out_pipe[2], error_pipe[2];
	pid_t pid;

	if (pipe2(out_pipe, O_CLOEXEC) != 0)
		return err_set(err, STATUS_MACHINE, "no pipe: %s", strerror(errno));
	if (pipe2(error_pipe, O_CLOEXEC) != 0) {
		close(out_pipe[0]);
		close(out_pipe[1]);
		return err_set(err, STATUS_MACHINE, "no pipe: %s", strerror(errno));
	}
	pid = fork();
	if (pid == 0)
		become_qemu(c, parent, out_pipe[1], error_pipe[1]);
	close(out_pipe[1]);
	close(error_pipe[1]);
	*out = out_pipe[0];
	*error = error_pipe[0];
	if (pid < 0) {
		close(*out);
		close(*error);
		return err_set(err, STATUS_MACHINE, "cannot start a process: %s", strerror(errno));
	}
	return pid;
}
