/* SPDX-License-Identifier: MIT */
/*
 * In: an image and what it is to run on. Out: a QEMU process that lives no longer than we do, its
 * console on stdout, and how it ended as an exit status. Who calls: hostctl/ixctl. Start reading at
 * run.c, then command.c.
 */
#pragma once
#include "hostctl/base/err.h"
#include "hostctl/image/image.h"

#define MACHINE_FORWARDS_MAX 32
#define MACHINE_QEMU_MIN "9.2"

enum machine_accel { MACHINE_ACCEL_AUTO = 0, MACHINE_ACCEL_KVM, MACHINE_ACCEL_TCG };

enum machine_net { MACHINE_NET_USER = 0, MACHINE_NET_TAP, MACHINE_NET_VHOST_USER };

/* -p: a port of this host that leads to one of the guest (user networking only). */
struct machine_forward {
	char host[16];      /* IPv4 address to listen on */
	uint16_t host_port; /* 0: a free one is chosen */
	uint16_t guest_port;
	bool is_udp;
};

#define MACHINE_FILES_MAX 12 /* QEMU has room for 32, and uses many itself [QEMU hw/nvram/fw_cfg.c] */

/* A file that the application finds as /files/NAME or /secrets/NAME. */
struct machine_file {
	char name[41];
	bool is_secret;
	int fd;
};

/* Everything that can be said about a run; all pointers are the caller's and must stay. */
struct machine {
	const struct image *image;
	const char *app;    /* path of the program with its symbols, NULL if not known */
	const char *kernel; /* path of kernel.elf, for gdb */
	uint32_t cpus, memory_mib;
	enum machine_accel accel;
	enum machine_net net;
	const char *net_name; /* tap interface or socket path */
	struct machine_forward forwards[MACHINE_FORWARDS_MAX];
	unsigned forward_count;
	const char *const *overrides; /* KEY=VALUE words */
	unsigned override_count;
	const char *const *args; /* the application's, instead of the image's */
	unsigned arg_count;
	bool has_args;                                /* args count even when there are none */
	struct machine_file files[MACHINE_FILES_MAX]; /* machine_add_file(); machine_close_files() in the end */
	unsigned file_count;
	const char *const *qemu_args; /* appended to QEMU's */
	unsigned qemu_arg_count;
	bool is_json;
	bool is_gdb; /* wait for a debugger before the first instruction */
};

/** machine_parse_forward() - "[ADDR:]HOSTPORT:GUESTPORT[/tcp|/udp]" */
int machine_parse_forward(struct machine_forward *out, const char *text, struct err *err);

/** machine_parse_net() - "user", "tap=IF", "vhost-user=SOCK" into @m->net and net_name. */
int machine_parse_net(struct machine *m, const char *text, struct err *err);

/** machine_parse_accel() - "auto", "kvm", "tcg" */
int machine_parse_accel(struct machine *m, const char *text, struct err *err);

/** machine_add_file() - "[NAME=]PATH", opened here. machine_close_files(): all of them. */
int machine_add_file(struct machine *m, const char *text, bool is_secret, struct err *err);
void machine_close_files(struct machine *m);
/** machine_files_room() - guest memory that they take. */
uint64_t machine_files_room(const struct machine *m);

/**
 * machine_run() - run until the guest ends or somebody wants to stop
 * @m: its forwards with port 0 are given their ports
 * Return: the guest's exit status (0..100 the application's, 101, 102, 104), STATUS_INTERRUPTED, or
 * -1 with @err (STATUS_USAGE or STATUS_MACHINE). In every case no process or file is left behind.
 */
int machine_run(struct machine *m, struct err *err);

/** machine_cmdline_word() - append a word to a kernel's command line, in double quotes if it would come apart otherwise. */
void machine_cmdline_word(struct blob *line, const char *word);
