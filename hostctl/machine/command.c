/* SPDX-License-Identifier: MIT */
/*
 * The QEMU command line: a q35 machine with nothing on it but a serial console, a network card and
 * the ways to end. The guest begins stopped; run.c lets it go when QEMU has said which version it is.
 * The image and the seed are files without names, so there is nothing to clean up after a crash.
 */
#include "hostctl/base/say.h"
#include "hostctl/machine/argv.h"
#include "kernel/abi/boot_info.h"
#include "kernel/abi/exit.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#define SEED_BYTES 32

void machine_cmdline_word(struct blob *line, const char *word)
{
	bool is_plain = *word != '\0' && strpbrk(word, " \t\r\n\"") == NULL;

	if (line->bytes != 0)
		blob_add(line, " ", 1);
	if (is_plain) {
		blob_add(line, word, strlen(word));
		return;
	}
	blob_add(line, "\"", 1);
	for (; *word != '\0'; word++) {
		if (*word == '"' || *word == '\\')
			blob_add(line, "\\", 1);
		blob_add(line, word, 1);
	}
	blob_add(line, "\"", 1);
}

/* User networking has its fixed net, unless the image wants to hear that from DHCP. */
static void add_user_net(struct blob *line, const struct machine *m)
{
	static const uint8_t none[4];

	if (memcmp(m->image->m.address, none, 4) == 0)
		return;
	machine_cmdline_word(line, "net.address=10.0.2.15/24");
	machine_cmdline_word(line, "net.gateway=10.0.2.2");
	machine_cmdline_word(line, "net.dns=10.0.2.3");
}

static int add_cmdline(struct command *c, const struct machine *m, struct err *err)
{
	struct blob line = { 0 };
	int result = 0;

	if (m->net == MACHINE_NET_USER)
		add_user_net(&line, m);
	/* Polling cores that share a host core only take time from each other. */
	if (m->image->m.poll_us == UINT32_MAX && m->cpus > (unsigned)sysconf(_SC_NPROCESSORS_ONLN))
		machine_cmdline_word(&line, "poll_us=0");
	for (unsigned i = 0; i < m->override_count; i++)
		machine_cmdline_word(&line, m->overrides[i]);
	if (m->has_args)
		machine_cmdline_word(&line, "--");
	for (unsigned i = 0; i < m->arg_count; i++)
		machine_cmdline_word(&line, m->args[i]);
	if (line.bytes >= BOOT_CMDLINE_BYTES)
		result = err_set(err, STATUS_USAGE,
				 "the arguments and --set words are %zu bytes together, at most %u fit", line.bytes,
				 BOOT_CMDLINE_BYTES - 1);
	else if (line.bytes != 0)
		argv_add(&c->argv, "-append", "%.*s", (int)line.bytes, (const char *)line.data);
	blob_fini(&line);
	return result;
}

static int add_seed(struct command *c, struct err *err)
{
	struct blob seed = { 0 };
	int fd = -1;

	blob_add(&seed, NULL, SEED_BYTES);
	if (getrandom(seed.data, SEED_BYTES, 0) != SEED_BYTES)
		err_set(err, STATUS_MACHINE, "no random numbers: %s", strerror(errno));
	else
		fd = blob_memfd(&seed, "ix-seed", err);
	explicit_bzero(seed.data, SEED_BYTES);
	blob_fini(&seed);
	if (fd < 0)
		return -1;
	argv_add(&c->argv, "-fw_cfg", "name=opt/ix/seed,file=/proc/self/fd/%d", argv_add_fd(&c->argv, fd));
	return 0;
}

static int add_qmp(struct command *c, struct err *err)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
		return err_set(err, STATUS_MACHINE, "no control socket: %s", strerror(errno));
	c->qmp = pair[0];
	argv_add(&c->argv, "-chardev", "socket,id=qmp,fd=%d", argv_add_fd(&c->argv, pair[1]));
	argv_add(&c->argv, "-mon", "chardev=qmp,mode=control");
	return 0;
}

static int add_gdb(struct command *c, struct err *err)
{
	const char *base = getenv("XDG_RUNTIME_DIR");

	if (asprintf(&c->gdb_folder, "%s/ixctl.XXXXXX", base != NULL && *base == '/' ? base : "/tmp") < 0)
		c->gdb_folder = NULL;
	if (c->gdb_folder == NULL || mkdtemp(c->gdb_folder) == NULL) {
		free(c->gdb_folder);
		c->gdb_folder = NULL;
		return err_set(err, STATUS_MACHINE, "--gdb: no folder for its socket: %s", strerror(errno));
	}
	if (asprintf(&c->gdb_socket, "%s/gdb", c->gdb_folder) < 0) {
		c->gdb_socket = NULL;
		return err_set(err, STATUS_MACHINE, "out of memory");
	}
	argv_add(&c->argv, "-gdb", "unix:%s,server=on,wait=off", c->gdb_socket);
	return 0;
}

static void add_machine(struct command *c, const struct machine *m)
{
	struct argv *a = &c->argv;
	bool is_shared = m->net == MACHINE_NET_VHOST_USER;

	argv_add(a, c->qemu, NULL);
	argv_add(a, "-name", "guest=ix-%s", m->image->name);
	argv_add(a, "-machine", "q35,usb=off,sata=off,smbus=off,vmport=off,graphics=off,i8042=off%s",
		 is_shared ? ",memory-backend=mem" : "");
	if (is_shared)
		argv_add(a, "-object", "memory-backend-memfd,id=mem,size=%uM,share=on", m->memory_mib);
	argv_add(a, "-accel", "%s%s", c->accel, strcmp(c->accel, "tcg") == 0 ? ",thread=multi" : "");
	argv_add(a, "-cpu", "%s", strcmp(c->accel, "kvm") == 0 ? "host" : "max");
	argv_add(a, "-smp", "%u", m->cpus);
	argv_add(a, "-m", "%uM", m->memory_mib);
	argv_add(a, "-nodefaults", NULL);
	argv_add(a, "-no-user-config", NULL);
	argv_add(a, "-no-reboot", NULL);
	argv_add(a, "-S", NULL);
	argv_add(a, "-display", "none");
	if (qemu_has_qboot(c->qemu))
		argv_add(a, "-bios", "qboot.rom");
	argv_add(a, "-chardev", "stdio,id=console,signal=off");
	argv_add(a, "-serial", "chardev:console");
	argv_add(a, "-device", "isa-debug-exit,iobase=0x%x,iosize=4", IX_EXIT_PORT);
	argv_add(a, "-device", "pvpanic");
}

int command_make(struct command *c, struct machine *m, struct err *err)
{
	int image;

	memset(c, 0, sizeof(*c));
	c->qmp = -1;
	c->qemu = qemu_find(err);
	if (c->qemu == NULL || accel_choose(c, m, err) != 0)
		return -1;
	add_machine(c, m);
	image = blob_memfd(&m->image->file, "ix-image", err);
	if (image < 0)
		return -1;
	argv_add(&c->argv, "-kernel", "/proc/self/fd/%d", argv_add_fd(&c->argv, image));
	if (add_cmdline(c, m, err) != 0 || add_seed(c, err) != 0 || files_add(&c->argv, m, err) != 0 ||
	    add_qmp(c, err) != 0 || net_add(c, m, err) != 0 || (m->is_gdb && add_gdb(c, err) != 0))
		return -1;
	for (unsigned i = 0; i < m->qemu_arg_count; i++)
		argv_add(&c->argv, m->qemu_args[i], NULL);
	return 0;
}

void command_fini(struct command *c)
{
	argv_fini(&c->argv);
	if (c->qmp >= 0)
		close(c->qmp);
	if (c->gdb_socket != NULL)
		unlink(c->gdb_socket);
	if (c->gdb_folder != NULL)
		rmdir(c->gdb_folder);
	if (c->socket != NULL)
		unlink(c->socket);
	free(c->gdb_socket);
	free(c->gdb_folder);
	free(c->socket);
	free(c->qemu);
}
