/* SPDX-License-Identifier: MIT */
/* What `--help` and `ixctl help TOPIC` say. A page fits on a screen of 80 columns. */
#include "hostctl/image/image.h"
#include "hostctl/ixctl/ixctl.h"
#include <stdio.h>
#include <string.h>

static const char top[] =
	"ixctl builds, inspects and runs IX images: one file that is kernel, service and settings.\n"
	"\n"
	"  ixctl run IMAGE|FOLDER [-p HOSTPORT:GUESTPORT]   run it here, in the foreground\n"
	"  ixctl image build FOLDER [-o FILE.ix]            make NAME.ix from FOLDER/image.yaml\n"
	"  ixctl image inspect FILE.ix                      show what is in an image\n"
	"  ixctl image new NAME                             make a folder to start from\n"
	"  ixctl help run|image|manifest|status             more about each\n"
	"  ixctl --version\n"
	"\n"
	"Try it:  ixctl run images/echo -p 7007:7        and in another terminal:  nc 127.0.0.1 7007\n";

static const char run[] =
	"ixctl run IMAGE|FOLDER [OPTION]... [-- ARGUMENT...]\n"
	"Runs an image (a FOLDER is built first) in QEMU until it ends or Ctrl-C. The guest's console is\n"
	"on stdout; the line that starts with `ready` says that the service answers.\n"
	"\n"
	"  -p, --publish [ADDR:]HOSTPORT:GUESTPORT[/udp]\n"
	"                       let a port of this host (127.0.0.1 if ADDR is not said) lead to one of\n"
	"                       the guest; HOSTPORT 0 takes a free one; may be repeated\n"
	"      --cpus N         virtual CPUs, within the manifest's cores (default: cores.min)\n"
	"      --memory MIB     memory of the guest (default: the manifest's memory_mib)\n"
	"      --net user       no set-up, not pingable, for trying things (default)\n"
	"      --net tap=IF     a tap interface, for measuring and serving\n"
	"      --net vhost-user=SOCKET\n"
	"                       a switch connects to SOCKET (OVS: type=dpdkvhostuserclient)\n"
	"      --address A.B.C.D/LEN, --gateway A.B.C.D\n"
	"                       instead of what the manifest says (not with --net user)\n"
	"      --set KEY=VALUE  any field marked --set in `ixctl help manifest`; env.NAME=VALUE too\n"
	"      --accel auto|kvm|tcg   (default auto: KVM where it works)\n"
	"      --gdb            wait for a debugger before the first instruction\n"
	"      --json           one JSON object a line on stdout: start, console, ready, exit\n"
	"      --qemu-arg WORD  one more word for QEMU's command line; may be repeated\n"
	"      --kernel FILE    kernel.elf for a FOLDER, and symbols for --gdb\n"
	"  ARGUMENTs go to the application instead of the manifest's args.\n"
	"\n"
	"Examples\n"
	"  ixctl run images/echo -p 7007:7 -p 7007:7/udp\n"
	"  ixctl run echo.ix --net tap=tap0 --address 10.9.0.2/24 --cpus 2\n"
	"  ixctl run echo.ix --set poll_us=0 --json -- --verbose\n"
	"\nExit status: `ixctl help status`.\n";

static const char image[] =
	"ixctl image build FOLDER [-o FILE] [--kernel FILE] [--apps FOLDER] [--json]\n"
	"  Makes one bootable file from FOLDER/image.yaml: NAME.ix in the current folder, or FILE.\n"
	"  The same inputs give the same bytes. An `app:` without a slash is looked for beside the\n"
	"  manifest and then in the build's apps folder. Kernel: kernel.elf of this build.\n"
	"ixctl image inspect FILE [--json]\n"
	"  Shows parts, sizes, settings and the memory the guest needs; verifies every sha256.\n"
	"ixctl image new NAME\n"
	"  Makes folder NAME with an image.yaml in which every field is explained.\n"
	"\n"
	"An image boots wherever a PVH kernel does: qemu-system-x86_64 -kernel NAME.ix, libvirt <kernel>.\n";

static const char status[] = "Exit status of ixctl\n"
			     "  0..100  the application's own (higher ones are 100)\n"
			     "  101     the application faulted and is not to be restarted (again)\n"
			     "  102     kernel panic\n"
			     "  103     QEMU is missing, too old, or failed\n"
			     "  104     the application stayed too long away from its event loop\n"
			     "  64      the command line asks for what cannot be had\n"
			     "  65      image, manifest or application missing or wrong\n"
			     "  130     ended by Ctrl-C or SIGTERM\n";

static const struct {
	const char *topic;
	const char *text;
} pages[] = { { "", top }, { "run", run }, { "image", image }, { "status", status } };

bool help_print(const char *topic)
{
	for (unsigned i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
		if (strcmp(topic, pages[i].topic) == 0) {
			fputs(pages[i].text, stdout);
			return true;
		}
	}
	if (strcmp(topic, "manifest") != 0)
		return false;
	puts("Fields of image.yaml. A dot means a mapping inside a mapping: `cores: {min: 1, max: 4}`.\n"
	     "Those marked --set can also be changed when the image is run.\n");
	image_fields(stdout);
	return true;
}

int verb_help(int argc, char **argv, struct err *err)
{
	static const char *const known[] = { "run", "image", "manifest", "status" };

	if (argc > 2)
		return err_set(err, STATUS_USAGE, "help: expected one topic: run, image, manifest or status");
	if (help_print(argc == 2 ? argv[1] : ""))
		return STATUS_OK;
	return option_unknown_verb(argv[1], known, 4, err);
}
