/* SPDX-License-Identifier: MIT */
/*
 * A bad wire between two taps, for a kernel without netem:
 *   badwire [-s SEED] [-o RULE] [-i RULE] [-b RULE] NEAR FAR
 * -o: what befalls frames from NEAR to FAR, -i: from FAR to NEAR, -b: both; rules as in way.h. Says `ready`, then carries frames
 * until its standard input ends (so it ends with who started it) or a SIGTERM comes, and prints what it did as one line of JSON.
 * The taps offer no offload: what is read here is cut to the MTU and summed, and what is damaged here is found by its sum.
 */
#define _GNU_SOURCE /* ppoll() */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "test/wire/way.h"

#define READS 64 /* frames of one tap, at most, before the other is looked at */

struct end {
	const char *name;
	int fd;
	struct way way;   /* of what is read here */
	uint64_t refused; /* by the tap that they were for */
};

static struct end ends[2];
static volatile sig_atomic_t is_over;

static _Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));
static _Noreturn void die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("badwire: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	exit(1);
}

static _Noreturn void usage(void)
{
	fputs("Usage: badwire [-s SEED] [-o RULE] [-i RULE] [-b RULE] NEAR FAR\n"
	      "RULE: loss|duplicate|reorder|corrupt|mark=PERCENT,delay|hold|again=MS,rate=MBIT,queue=FRAMES,...\n",
	      stderr);
	exit(64);
}

static void end_it(int signal_number)
{
	(void)signal_number;
	is_over = 1;
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int open_tap(const char *name)
{
	struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI };
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);

	if (strlen(name) >= IFNAMSIZ || !if_nametoindex(name))
		die("%s: there is no such tap", name);
	memcpy(request.ifr_name, name, strlen(name));
	if (fd < 0 || ioctl(fd, TUNSETIFF, &request) || ioctl(fd, TUNSETOFFLOAD, 0))
		die("%s: %s", name, strerror(errno));
	return fd;
}

static void parse_rule(const char *text, bool is_out, bool is_in, struct way_rule *rules)
{
	struct way_rule rule;
	const char *wrong = way_rule_parse(&rule, text);

	if (wrong) {
		fprintf(stderr, "wire: this is no rule: %s\n", wrong);
		usage();
	}
	if (is_out)
		rules[0] = rule;
	if (is_in)
		rules[1] = rule;
}

static void begin(int argc, char **argv)
{
	struct way_rule rules[2];
	unsigned long long seed = 1;
	int c;

	parse_rule("", true, true, rules);
	while ((c = getopt(argc, argv, "s:o:i:b:")) != -1) {
		char *rest = "";

		if (c == 's')
			seed = strtoull(optarg, &rest, 10);
		else if (c == 'o' || c == 'i' || c == 'b')
			parse_rule(optarg, c != 'i', c != 'o', rules);
		else
			usage();
		if (*rest)
			usage();
	}
	if (optind + 2 != argc)
		usage();
	for (int i = 0; i < 2; i++) {
		ends[i].name = argv[optind + i];
		ends[i].fd = open_tap(ends[i].name);
		/* The second direction's frames have a lot of their own. */
		if (!way_begin(&ends[i].way, &rules[i], seed + ((uint64_t)i << 63)))
			die("out of memory");
	}
}

static void read_frames(struct end *from)
{
	static uint8_t frame[WAY_FRAME_MAX];

	for (int i = 0; i < READS; i++) {
		ssize_t got = read(from->fd, frame, sizeof(frame));

		if (got < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (got <= 0)
			die("%s: %s", from->name, got ? strerror(errno) : "its end");
		if (!way_put(&from->way, frame, (uint32_t)got, now_ns()))
			die("out of memory");
	}
}

static void write_frames(struct end *from, struct end *to)
{
	struct way_frame *f;

	while ((f = way_take(&from->way, now_ns()))) {
		if (write(to->fd, f->data, f->bytes) != (ssize_t)f->bytes) {
			if (errno != EAGAIN && errno != ENOBUFS && errno != EIO)
				die("%s: %s", to->name, strerror(errno));
			from->refused++; /* it is full, or down */
		}
		free(f);
	}
}

/* Until a frame comes, one is due, or it is over. */
static void wait_for_frames(struct pollfd *files)
{
	uint64_t due = way_due(&ends[0].way), other = way_due(&ends[1].way), now = now_ns(), left;
	struct timespec t;

	due = due < other ? due : other;
	left = due > now ? due - now : 0;
	t.tv_sec = (time_t)(left / 1000000000u);
	t.tv_nsec = (long)(left % 1000000000u);
	if (ppoll(files, 3, due == UINT64_MAX ? NULL : &t, NULL) < 0 && errno != EINTR)
		die("poll: %s", strerror(errno));
}

static void carry(void)
{
	struct pollfd files[3] = { { .fd = ends[0].fd, .events = POLLIN },
				   { .fd = ends[1].fd, .events = POLLIN },
				   { .fd = STDIN_FILENO, .events = POLLIN } };
	char ignored[64];

	while (!is_over) {
		wait_for_frames(files);
		if (files[2].revents && read(STDIN_FILENO, ignored, sizeof(ignored)) <= 0)
			return;
		for (int i = 0; i < 2; i++) {
			if (files[i].revents)
				read_frames(&ends[i]);
			write_frames(&ends[i], &ends[1 - i]);
		}
	}
}

static void print(const char *name, const struct end *e, const char *after)
{
	const struct way_counts *c = &e->way.counts;
	const struct {
		const char *name;
		uint64_t value;
	} counts[] = { { "frames", c->frames },         { "bytes", c->bytes },           { "lost", c->lost },
		       { "duplicated", c->duplicated }, { "reordered", c->reordered },   { "corrupted", c->corrupted },
		       { "marked", c->marked },         { "overflowed", c->overflowed }, { "refused", e->refused },
		       { "delivered", c->delivered } };

	printf("\"%s\":{", name);
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		printf("%s\"%s\":%llu", i ? "," : "", counts[i].name, (unsigned long long)counts[i].value);
	printf("}%s", after);
}

int main(int argc, char **argv)
{
	struct sigaction on_end = { .sa_handler = end_it };

	begin(argc, argv);
	sigaction(SIGTERM, &on_end, NULL);
	sigaction(SIGINT, &on_end, NULL);
	puts("ready");
	fflush(stdout);
	carry();
	putchar('{');
	print("out", &ends[0], ",");
	print("in", &ends[1], "}\n");
	for (int i = 0; i < 2; i++)
		way_end(&ends[i].way);
	return 0;
}
