/* SPDX-License-Identifier: MIT */
/* What life.c and ask.c need of a connection. Private to hostctl/domain. */
#pragma once
#include "hostctl/domain/domain.h"
#include <libvirt/libvirt.h>

/** connect_get() - the connection, opened if need be, with a reference that the caller gives back; NULL with @err. */
virConnect *connect_get(struct domains *d, struct err *err);

/** connect_domain() - the domain @name and the connection it belongs to, both given back by connect_put(). NULL with @err. */
virDomain *connect_domain(struct domains *d, const char *name, struct err *err);
void connect_put(virDomain *domain);

/** connect_error() - "@what: what libvirt says about it". Return: -1. */
int connect_error(struct err *err, const char *what);

/** connect_pid() - of the QEMU that @name has now; 0: none, or not known. */
int32_t connect_pid(const char *name);

/** connect_is_absent() - whether the last error was that there is no such domain. */
bool connect_is_absent(void);
