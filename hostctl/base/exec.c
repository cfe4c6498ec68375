/* SPDX-License-Identifier: MIT */
/* Other programs: a pipe for each of stdin, stdout and stderr, and one deadline for all of it. */
#include "hostctl/base/exec.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CHUNK_BYTES 65536u

/* Ours: what we write to its stdin and read from the two others. */
struct pipes {
	int in, out, error;
};

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ll + t.tv_nsec / 1000000;
}

/* environ with LC_ALL=C; the array is the caller's to free, its strings are not. */
static char **c_environment(void)
{
	static char lc_all[] = "LC_ALL=C";
	size_t count = 0, kept = 0;
	char **env;

	while (environ[count] != NULL)
		count++;
	env = calloc(count + 2, sizeof(*env));
	if (env == NULL)
		return NULL;
	for (size_t i = 0; i < count; i++)
		if (strncmp(environ[i], "LC_ALL=", 7) != 0 && strncmp(environ[i], "LANGUAGE=", 9) != 0)
			env[kept++] = environ[i];
	env[kept] = lc_all;
	return env;
}

static pid_t spawn(const struct exec *e, int in, int out, int error)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	char **env = c_environment();
	char *const *words;
	sigset_t none, defaults;
	pid_t pid = -1;
	int result;

	sigemptyset(&none);
	sigemptyset(&defaults);
	sigaddset(&defaults, SIGPIPE);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&actions, error, STDERR_FILENO);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &defaults);
	posix_spawnattr_setpgroup(&attributes, 0);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
	memcpy(&words, &e->argv, sizeof(words)); /* it takes them as its own and changes nothing */
	result = env == NULL ? ENOMEM : posix_spawnp(&pid, words[0], &actions, &attributes, words, env);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	free(env);
	errno = result;
	return result == 0 ? pid : -1;
}

static pid_t start(struct exec *e, struct pipes *ours)
{
	int in[2], out[2], error[2];
	pid_t pid = -1;
	int reason;

	if (pipe2(in, O_CLOEXEC) != 0)
		return -1;
	if (pipe2(out, O_CLOEXEC) != 0)
		goto no_out;
	if (pipe2(error, O_CLOEXEC) != 0)
		goto no_error;
	pid = spawn(e, in[0], out[1], error[1]);
	reason = errno;
	*ours = (struct pipes){ in[1], out[0], error[0] };
	close(in[0]);
	close(out[1]);
	close(error[1]);
	if (pid < 0) {
		close(in[1]);
		close(out[0]);
		close(error[0]);
	}
	errno = reason;
	return pid;
no_error:
	close(out[0]);
	close(out[1]);
no_out:
	close(in[0]);
	close(in[1]);
	return -1;
}

static void shut(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* What is there, into @to. Return: false at the end, or when it is too much. */
static bool take(int fd, struct blob *to)
{
	size_t at = blob_add(to, NULL, CHUNK_BYTES);
	ssize_t n = read(fd, to->data + at, CHUNK_BYTES);
	int reason = errno;

	to->bytes = at + (n > 0 ? (size_t)n : 0);
	if (n < 0)
		return reason == EINTR || reason == EAGAIN;
	return n > 0 && to->bytes + CHUNK_BYTES <= EXEC_OUTPUT_MAX;
}

/* write(), but a reader that has gone away is an error, not our end; whoever calls may not ignore SIGPIPE. */
static ssize_t write_quietly(int fd, const char *data, size_t bytes)
{
	const struct timespec now = { 0 };
	sigset_t pipe, before;
	ssize_t n;
	int reason;

	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &pipe, &before);
	n = write(fd, data, bytes);
	reason = errno;
	if (n < 0 && reason == EPIPE)
		sigtimedwait(&pipe, NULL, &now);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	errno = reason;
	return n;
}

/* Some of the input, which is there. Return: false when all is written or nobody reads. */
static bool give(int fd, const char **input)
{
	ssize_t n = write_quietly(
		fd, *input, strlen(*input)); /* NOLINT(clang-analyzer-core.NonNullParamChecker): not called without */

	if (n < 0)
		return errno == EINTR || errno == EAGAIN;
	*input += n;
	return **input != '\0';
}

/* Until both outputs are closed. Return: false when the time is over. */
static bool talk(struct exec *e, struct pipes *p, int64_t deadline)
{
	const char *input = e->input;

	if (input == NULL || *input == '\0')
		shut(&p->in);
	else
		fcntl(p->in, F_SETFL, O_NONBLOCK);
	while (p->out >= 0 || p->error >= 0) {
		struct pollfd polls[] = { { p->out, POLLIN, 0 }, { p->error, POLLIN, 0 }, { p->in, POLLOUT, 0 } };
		int64_t left = deadline - now_ms();

		if (left <= 0)
			return false;
		if (poll(polls, 3, (int)left) < 0 && errno != EINTR)
			return false;
		if (polls[0].revents != 0 && !take(p->out, &e->out))
			shut(&p->out);
		if (polls[1].revents != 0 && !take(p->error, &e->error))
			shut(&p->error);
		if (polls[2].revents != 0 && !give(p->in, &input))
			shut(&p->in);
	}
	return true;
}

/* Waits for the end of @pid. Return: false when the time is over. */
static bool wait_end(pid_t pid, int64_t deadline, int *status)
{
	int process = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd end = { process, POLLIN, 0 };
	int64_t left;

	do
		left = deadline - now_ms();
	while (left > 0 && poll(&end, 1, (int)left) < 0 && errno == EINTR);
	if (process >= 0)
		close(process);
	return waitpid(pid, status, WNOHANG) == pid;
}

int exec_run(struct exec *e, struct err *err)
{
	int64_t deadline = now_ms() + e->timeout_s * 1000ll;
	struct pipes ours;
	int status = 0;
	bool is_done;
	pid_t pid;

	memset(&e->out, 0, sizeof(e->out));
	memset(&e->error, 0, sizeof(e->error));
	pid = start(e, &ours);
	if (pid < 0)
		return err_set(err, STATUS_MACHINE, "cannot start %s: %s", e->argv[0], strerror(errno));
	is_done = talk(e, &ours, deadline) && wait_end(pid, deadline, &status);
	shut(&ours.in);
	shut(&ours.out);
	shut(&ours.error);
	if (!is_done) {
		kill(-pid, SIGKILL);
		waitpid(pid, &status, 0);
		exec_fini(e);
		return err_set(err, STATUS_MACHINE, "%s did not end within %d s", e->argv[0], e->timeout_s);
	}
	e->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	if (e->out.bytes + CHUNK_BYTES > EXEC_OUTPUT_MAX || e->error.bytes + CHUNK_BYTES > EXEC_OUTPUT_MAX) {
		exec_fini(e);
		return err_set(err, STATUS_MACHINE, "%s says more than %u MiB", e->argv[0], EXEC_OUTPUT_MAX >> 20);
	}
	blob_add(&e->out, "", 1);
	blob_add(&e->error, "", 1);
	e->out.bytes--;
	e->error.bytes--;
	return 0;
}

/* The last line of @text that says something, cut off in place. */
static const char *last_line(struct blob *text)
{
	char *s = (char *)text->data;
	char *from;

	while (text->bytes > 0 && strchr("\r\n \t", s[text->bytes - 1]) != NULL)
		s[--text->bytes] = '\0';
	from = strrchr(s, '\n');
	return from != NULL ? from + 1 : s;
}

int exec_ok(const char *const *argv, int timeout_s, char **out, struct err *err)
{
	struct exec e = { .argv = argv, .timeout_s = timeout_s };
	int result = 0;

	if (exec_run(&e, err) != 0)
		return -1;
	if (e.status != 0) {
		const char *why = last_line(&e.error);

		result = err_set(err, STATUS_MACHINE, "%s %s failed (%d)%s%s", argv[0], argv[1] != NULL ? argv[1] : "",
				 e.status, *why != '\0' ? ": " : "", why);
	} else if (out != NULL) {
		while (e.out.bytes > 0 && e.out.data[e.out.bytes - 1] == '\n')
			e.out.data[--e.out.bytes] = '\0';
		*out = (char *)e.out.data;
		e.out.data = NULL;
	}
	exec_fini(&e);
	return result;
}

void exec_fini(struct exec *e)
{
	blob_fini(&e->out);
	blob_fini(&e->error);
}

pid_t exec_begin(const char *const *argv, int in, int out, int error, struct err *err)
{
	struct exec e = { .argv = argv };
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	pid_t pid = null >= 0 ? spawn(&e, in >= 0 ? in : null, out >= 0 ? out : null, error >= 0 ? error : null) : -1;

	if (pid < 0)
		err_set(err, STATUS_MACHINE, "%s: %s", argv[0], strerror(errno));
	if (null >= 0)
		close(null);
	return pid;
}
