/* SPDX-License-Identifier: MIT */
/* What the partition listens on: one table for all cores, of which each goes by a copy of its own. Private to kernel/net. */
#pragma once
#include "kernel/net/core.h"

enum binding_protocol { BINDING_TCP = 0, BINDING_UDP = 1 };

struct binding {
	uint32_t generation; /* grows when it is taken and when it is freed; even: free */
	uint8_t protocol;    /* enum binding_protocol */
	uint16_t port;       /* host order */
	struct ip6 address;  /* ::: any */
	uint64_t cookie;
	ix_handle_t handle;
	/* TCP, what the manifest says of the port or of all */
	uint16_t rto_floor_ms;
	uint8_t ecn;        /* enum ix_ecn */
	uint32_t backlog;   /* connections of a core that ring 3 has not accepted yet, at most */
	uint32_t half_open; /* half-open ones of a core, at most */
};

int binding_init(void);
/** binding_new() - IX_OK, IX_IN_USE, IX_BAD_CALL (not an address of ours), IX_NO_MEMORY. */
int binding_new(enum binding_protocol protocol, const struct ix_endpoint *local, uint64_t cookie, ix_handle_t *handle);
/** binding_free() - IX_OK or IX_BAD_HANDLE. */
int binding_free(enum binding_protocol protocol, ix_handle_t handle);
/** binding_free_all() - partition end; by any core, again by the others without effect. */
void binding_free_all(void);
/** binding_is_taken() - whether @port (host order) is anybody's now, whether this core knows whose or not yet. */
bool binding_is_taken(enum binding_protocol protocol, uint16_t port);
/**
 * binding_find() - whose port @port is, as the calling core follows the table; NULL if nobody's, or not yet
 * binding_of() - by handle, followed now if it was not. Both valid, and what they say of one life, until the next net_sync().
 */
const struct binding *binding_find(enum binding_protocol protocol, uint16_t port);
const struct binding *binding_of(enum binding_protocol protocol, ix_handle_t handle);
/** binding_index() - its place in per-core tables. binding_at() - what is or was last there, as this core followed it. */
unsigned binding_index(const struct binding *b);
const struct binding *binding_at(unsigned index);
/** binding_sync() - make this core's lwIP listeners agree with the table. Return: false if it has to be done again. */
bool binding_sync(void);
/** binding_announce() - other cores shall look at net_shared. Under no lock. */
void binding_announce(void);
