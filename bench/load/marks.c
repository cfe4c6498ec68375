/* SPDX-License-Identifier: MIT */
/* How a window is marked at the counting plugin's socket: one line of words there, one line of JSON back. */
#include "bench/load/marks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "bench/load/client.h"

int marks_open(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof(a.sun_path))
		die("%s: the path is too long for a socket", path);
	strcpy(a.sun_path, path);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&a, sizeof(a)))
		die("%s: %s", path, strerror(errno));
	return fd;
}

/* Sends a line, returns the answer's line without its end. To be freed. */
static char *marks_ask(int fd, const char *line)
{
	size_t room = 65536, len = 0;
	char *answer = malloc(room);

	if (!answer || write(fd, line, strlen(line)) != (ssize_t)strlen(line))
		die("counting plugin: %s", strerror(errno));
	for (;;) {
		ssize_t n = read(fd, answer + len, room - len - 1);

		if (n <= 0)
			die("counting plugin: no answer");
		len += (size_t)n;
		if (answer[len - 1] == '\n')
			break;
		if (room - len < 4096) {
			room *= 2;
			answer = realloc(answer, room);
			if (!answer)
				die("out of memory");
		}
	}
	answer[len - 1] = 0;
	return answer;
}

static double cpu_seconds(void)
{
	struct rusage r;

	getrusage(RUSAGE_SELF, &r);
	return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) +
	       (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

void window_begin(struct window *w, int marks)
{
	*w = (struct window){ .marks = marks };
	if (marks >= 0)
		free(marks_ask(marks, "begin\n"));
	w->from_cpu_s = cpu_seconds();
	w->from_ns = clock_ns();
}

void window_end(struct window *w)
{
	w->seconds = (double)(clock_ns() - w->from_ns) / 1e9;
	if (w->marks >= 0)
		w->counted = marks_ask(w->marks, "end\n");
	w->cpu_s = cpu_seconds() - w->from_cpu_s;
}
