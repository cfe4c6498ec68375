/* SPDX-License-Identifier: MIT */
/* With systemd: the unit that is shipped as hostctl/systemd/ixd.service, which is in this program word for word. */
#include "hostctl/base/blob.h"
#include "hostctl/host/part.h"
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define UNIT "/etc/systemd/system/ixd.service"
#define PLACE "@BIN@"

__asm__(".pushsection .rodata\n"
	".local unit_text\n"
	"unit_text: .incbin \"" HOST_UNIT_FILE "\"\n"
	".byte 0\n"
	".popsection");
extern const char unit_text[];

/* The unit with the folder that we are in. On the heap. */
static char *make_text(void)
{
	char *self = realpath("/proc/self/exe", NULL);
	const char *bin = self != NULL ? dirname(self) : "/usr/bin", *from = unit_text, *at;
	struct blob text = { 0 };

	while ((at = strstr(from, PLACE)) != NULL) {
		blob_add(&text, from, (size_t)(at - from));
		blob_add(&text, bin, strlen(bin));
		from = at + strlen(PLACE);
	}
	blob_add(&text, from, strlen(from) + 1);
	free(self);
	return (char *)text.data;
}

int part_unit(struct err *err)
{
	char *text;
	int changed;

	if (!step_is_systemd())
		return 0;
	text = make_text();
	changed = step_write(UNIT, text, err);
	free(text);
	if (changed > 0 && STEP(err, "systemctl", "daemon-reload") != 0)
		return -1;
	return changed;
}

int part_unit_end(struct err *err)
{
	if (!step_is_systemd() || unlink(UNIT) != 0)
		return 0;
	return STEP(err, "systemctl", "daemon-reload");
}
