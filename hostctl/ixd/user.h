/* SPDX-License-Identifier: MIT */
/* Whom a guest's QEMU runs as. Private to hostctl/ixd. */
#pragma once
#include "hostctl/ixd/ixd.h"

/** user_save() - guest_save() of a new guest, with a user that no other record has. 0, or -1 with @err. */
int user_save(struct guest *g, struct err *err);

/** user_is_own() - whether @g's QEMU can run as its own user; else as libvirt's. */
bool user_is_own(const struct guest *g);
/** user_uid(), user_gid() - of @g's QEMU. */
uint32_t user_uid(const struct guest *g);
uint32_t user_gid(const struct guest *g);
