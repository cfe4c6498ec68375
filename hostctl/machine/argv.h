/* SPDX-License-Identifier: MIT */
/* QEMU's command line as it grows, with the descriptors it will inherit. */
#pragma once
#include "hostctl/machine/machine.h"
#include <sys/types.h>

#define ARGV_FDS_MAX 80

struct argv {
	char **words; /* NULL-terminated, owned */
	unsigned count, room;
	int fds[ARGV_FDS_MAX]; /* ours, close-on-exec here, passed on by process_start() */
	unsigned fd_count;
};

/** argv_add() - one option and its value (printf-style); @fmt NULL: none. */
void argv_add(struct argv *a, const char *option, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/** argv_add_fd() - take over @fd, to be inherited. Return: @fd. */
int argv_add_fd(struct argv *a, int fd);

/** argv_fini() - free the words and close the descriptors. */
void argv_fini(struct argv *a);

/* What QEMU will be started as. */
struct command {
	struct argv argv;
	char *qemu;             /* path */
	const char *accel;      /* "kvm" or "tcg" */
	const char *accel_note; /* why not the other, "" if that needs no word */
	unsigned queues;
	int qmp;          /* our end of its control socket */
	char *gdb_folder; /* holds the gdb socket, NULL without --gdb */
	char *gdb_socket;
	char *socket; /* that QEMU makes and we remove at the end, NULL if none */
};

/** command_make() - everything that can be checked before QEMU starts is checked here. */
int command_make(struct command *c, struct machine *m, struct err *err);
void command_fini(struct command *c);

/** qemu_find() - IXCTL_QEMU, or qemu-system-x86_64 on PATH. Return: path on the heap, NULL with @err. */
char *qemu_find(struct err *err);

/** qemu_has_qboot() - whether QEMU's data folders hold qboot.rom. */
bool qemu_has_qboot(const char *qemu);

/** qemu_version() - what `qemu --version` says, "10.0.2", on the heap; NULL if it says nothing. */
char *qemu_version(const char *qemu);

/** qemu_is_good_version() - "10.0.2" is at least MACHINE_QEMU_MIN. */
bool qemu_is_good_version(const char *version);

/** accel_choose() - fill in @c->accel for what @m asks and this host has. */
int accel_choose(struct command *c, const struct machine *m, struct err *err);

/** net_add() - the network device and what is behind it. */
int net_add(struct command *c, struct machine *m, struct err *err);

/** files_add() - the files of @m. */
int files_add(struct argv *a, const struct machine *m, struct err *err);

/** tap_open() - up to @want queues of tap @name. @fds gets them; Return: how many, or -1 with @err. */
int tap_open(const char *name, unsigned want, int *fds, struct err *err);

/** process_start() - fork and exec; @out, @error: read ends of its stdout and stderr. Its pid or -1. */
pid_t process_start(const struct command *c, int *out, int *error, struct err *err);
