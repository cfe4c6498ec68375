/* SPDX-License-Identifier: MIT */
/*
 * ixctl console: this terminal and the guest's first serial port, until Ctrl-]. What the guest writes is read at once, even when
 * this terminal takes nothing, so that a guest never waits for somebody who looks at it.
 */
#include "hostctl/base/clean.h"
#include "hostctl/ixctl/ask.h"
#include "hostctl/ixctl/ixctl.h"
#include "hostctl/ixctl/verb.h"
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#define LEAVE 0x1d /* Ctrl-] */
#define CHUNK_BYTES 4096

static struct termios before;

static void restore(void)
{
	tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
}

static int make_raw(struct err *err)
{
	struct termios raw;

	if (tcgetattr(STDIN_FILENO, &before) != 0)
		return err_set(err, STATUS_USAGE, "console: stdin is no terminal; `ixctl logs -f` needs none");
	raw = before;
	cfmakeraw(&raw);
	raw.c_oflag |= OPOST; /* the guest's lines end as they like */
	if (tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) != 0)
		return err_set(err, STATUS_MACHINE, "console: %s", strerror(errno));
	atexit(restore);
	return 0;
}

/* What the guest says; what finds no place on the terminal is lost, not kept waiting. Return: false at the guest's end. */
static bool pass_out(int pty)
{
	struct pollfd out = { .fd = STDOUT_FILENO, .events = POLLOUT };
	char chunk[CHUNK_BYTES / 8];
	ssize_t n = read(pty, chunk, sizeof(chunk));

	if (n <= 0)
		return n < 0 && (errno == EAGAIN || errno == EINTR);
	clean_text(chunk, (size_t)n);
	if (poll(&out, 1, 0) == 1 && (out.revents & POLLOUT) != 0)
		return write(STDOUT_FILENO, chunk, (size_t)n) > 0;
	return true;
}

/* What is typed. Return: false at Ctrl-] or its end. */
static bool pass_in(int pty)
{
	char chunk[CHUNK_BYTES / 8];
	ssize_t n = read(STDIN_FILENO, chunk, sizeof(chunk));
	const char *leave = n > 0 ? memchr(chunk, LEAVE, (size_t)n) : NULL;
	size_t bytes = leave != NULL ? (size_t)(leave - chunk) : n > 0 ? (size_t)n : 0;

	if (bytes > 0 && write(pty, chunk, bytes) < 0 && errno != EAGAIN)
		return false; /* full: nobody reads there, and what is typed is lost */
	return n > 0 && leave == NULL;
}

static void pass(const char *name, int pty)
{
	struct pollfd fds[2] = { { .fd = STDIN_FILENO, .events = POLLIN }, { .fd = pty, .events = POLLIN } };
	bool is_open = true, is_there = true;

	fprintf(stderr, "console of %s; Ctrl-] leaves it\r\n", name);
	while (is_open && is_there) {
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			break;
		if (fds[0].revents != 0)
			is_open = pass_in(pty);
		if (fds[1].revents != 0)
			is_there = pass_out(pty);
	}
	fprintf(stderr, "\r\n%s\r\n", is_there ? "left" : "the guest has ended");
}

static int run(int argc, char **argv, struct err *err)
{
	struct words words = { argc, argv, NULL, NULL, 0 };
	struct client c = { 0 };
	const char *name;
	int result = verb_options(&verb_console, &words, err);

	if (result != 0)
		return result > 0 ? STATUS_OK : -1;
	name = ask_one_name("console", words.first, argc, argv, err);
	if (name == NULL)
		return -1;
	c.request = ask_request("console", name);
	result = client_ask(&c, err);
	if (result == 0 && c.fd < 0)
		result = err_set(err, STATUS_MACHINE, "console: ixd passed no descriptor");
	if (result == 0 && make_raw(err) == 0)
		pass(name, c.fd);
	else
		result = -1;
	if (c.fd >= 0)
		close(c.fd);
	json_decref(c.result);
	return result;
}

const struct verb verb_console = {
	.name = "console",
	.words = "NAME",
	.summary = "a guest's console on this terminal",
	.about = "Connects this terminal to the first serial port of guest NAME until Ctrl-]. What the guest wrote "
		 "before, "
		 "`ixctl logs` has; control characters of the guest are shown as `?`. IX itself reads nothing there.",
	.examples = "ixctl console web\n",
	.word = { WORD_GUEST },
	.run = run,
};
