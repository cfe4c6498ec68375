/* SPDX-License-Identifier: MIT */
/* Verb `console`: the guest's first serial port itself, as a descriptor. Who has it needs neither ixd nor libvirtd any more. */
#include "hostctl/ixd/ixd.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int verb_console(struct request *r, struct err *err)
{
	const char *name = request_known(r, err);
	char *path = NULL;
	int result = -1;

	if (name == NULL || domain_console(ixd.domains, name, &path, err) != 0)
		return -1;
	r->fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (r->fd < 0 || isatty(r->fd) != 1) {
		err_set(err, STATUS_MACHINE, "the console of %s, %s: %s", name, path, strerror(errno));
	} else {
		r->result = json_pack("{s:s}", "pty", path);
		result = 0;
	}
	free(path);
	return result;
}
