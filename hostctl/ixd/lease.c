/* SPDX-License-Identifier: MIT */
/*
 * What a guest may use that asks a DHCP server for its address, and where its published ports lead meanwhile. It has an address
 * when its page says so and a server of host or world has sent just that to its MAC: neither its word alone nor an offer that
 * it did not take is enough. It never gets the host's, nor one that another guest's record names; what another guest was given
 * it gets when the server has since given it to this one, and not to that one again. It loses it when it says so itself.
 */
#include "hostctl/ixd/ixd.h"
#include "hostctl/ixd/lease.h"
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REFUSED_MS 2000 /* between two events of one guest */
#define LOOPBACK 127u
#define MULTICAST 224u /* first byte of what no host has: groups, and what is reserved [RFC 5771, RFC 6890] */

static const uint8_t none[4];

/* One of this machine's, on whatever interface, or of its network as a whole. */
static bool is_of_machine(const uint8_t address[4])
{
	struct ifaddrs *all, *at;
	bool is_found = memcmp(ixd.host.address, address, 4) == 0;

	if (getifaddrs(&all) != 0)
		return true; /* out of memory: not now */
	for (at = all; at != NULL && !is_found; at = at->ifa_next) {
		uint32_t own, mask, asked;

		if (at->ifa_addr == NULL || at->ifa_addr->sa_family != AF_INET || at->ifa_netmask == NULL)
			continue;
		own = ((const struct sockaddr_in *)(const void *)at->ifa_addr)->sin_addr.s_addr;
		mask = ((const struct sockaddr_in *)(const void *)at->ifa_netmask)->sin_addr.s_addr;
		memcpy(&asked, address, sizeof(asked));
		is_found = asked == own || (mask != UINT32_MAX && (asked & mask) == (own & mask) &&
					    ((asked & ~mask) == 0 || (asked & ~mask) == ~mask));
	}
	freeifaddrs(all);
	return is_found;
}

/* Whose record says it has @address; false if nobody's. A guest that is down keeps what is its own. */
static bool is_of_record(const char *asking, const uint8_t address[4])
{
	struct err ignored = { 0 };
	json_t *names = NULL;
	bool is_found = guest_list(&names, &ignored) != 0;

	for (size_t i = 0; i < json_array_size(names) && !is_found; i++) {
		const char *name = json_string_value(json_array_get(names, i));
		struct guest *g = calloc(1, sizeof(*g));

		if (g == NULL)
			abort();
		if (strcmp(name, asking) != 0 && guest_load(g, name, &ignored) == 0)
			is_found = g->prefix != 0 && memcmp(g->address, address, 4) == 0;
		err_fini(&ignored);
		guest_fini(g);
		free(g);
	}
	err_fini(&ignored);
	json_decref(names);
	return is_found;
}

static bool is_offered(const struct sw_state *port, const uint8_t address[4])
{
	for (unsigned i = 0; i < port->offered_count; i++)
		if (memcmp(port->offered[i], address, 4) == 0)
			return true;
	return false;
}

/* Another guest's port that lets @address through; NULL if none. */
static const struct sw_guest_state *holder_of(const char *asking, const uint8_t address[4],
					      const struct sw_states *ports)
{
	for (unsigned i = 0; i < ports->count; i++)
		if (strcmp(ports->guest[i].name, asking) != 0 && memcmp(ports->guest[i].state.address, address, 4) == 0)
			return &ports->guest[i];
	return NULL;
}

/* NULL: it may have it, perhaps from @holder. Else why not; the same words are the same pointer. */
static const char *refusal(const char *name, const uint8_t address[4], const struct sw_states *ports,
			   const struct sw_guest_state **holder)
{
	*holder = NULL;
	if (address[0] == 0 || address[0] == LOOPBACK || address[0] >= MULTICAST)
		return "no host can have it";
	if (!is_offered(sw_states_of(ports, name), address))
		return "no DHCP server gave it";
	if (is_of_machine(address))
		return "it is the host's";
	if (is_of_record(name, address))
		return "it is another guest's";
	*holder = holder_of(name, address, ports);
	if (*holder != NULL && (!(*holder)->state.is_dhcp || is_offered(&(*holder)->state, address)))
		return "another guest has it";
	return NULL;
}

static json_t *detail(const uint8_t address[4], const char *why)
{
	char text[20];
	json_t *o;

	snprintf(text, sizeof(text), "%u.%u.%u.%u", address[0], address[1], address[2], address[3]);
	o = json_pack("{s:s}", "address", text);
	if (why != NULL)
		json_object_set_new(o, "why", json_string(why));
	return o;
}

/* Whether the last change has not come to its end: to be done again, from what it @had before. */
static bool is_open(const char *name, uint8_t had[4])
{
	bool is = false;
	struct known *k;

	pthread_mutex_lock(&ixd.lock);
	k = known_find(name);
	if (k != NULL && k->lease.is_open) {
		is = true;
		memcpy(had, k->lease.had, 4);
	}
	pthread_mutex_unlock(&ixd.lock);
	return is;
}

static void set_open(const char *name, bool is, const uint8_t had[4])
{
	struct known *k;

	pthread_mutex_lock(&ixd.lock);
	k = known_find(name);
	if (k != NULL) {
		k->lease.is_open = is;
		memcpy(k->lease.had, had, 4);
	}
	pthread_mutex_unlock(&ixd.lock);
}

/*
 * From @had, all zero: none, to @has. The port first, so that nothing is led to where nobody answers. A switch or nftables that
 * has no time now is asked again at the next look: the database may have the address by then, and would be asked nothing more.
 */
static void change(const char *name, const uint8_t had[4], const uint8_t has[4])
{
	struct err err = { 0 };
	bool is_done = sw_port_address(name, has, &err) == 0 && deploy_publish(&err) == 0;

	set_open(name, !is_done, had);
	if (is_done && memcmp(had, has, 4) != 0) {
		if (memcmp(has, none, 4) != 0)
			event_note(name, "address", detail(has, NULL));
		else
			event_note(name, "address-lost", detail(had, NULL));
	}
	err_fini(&err);
}

/* What @name's page says, if it is not what its port @has, can be believed, and nobody is about to start the guest anew. */
static bool read_word(const char *name, const uint8_t has[4], uint8_t says[4])
{
	struct known *k;
	bool is_new;

	pthread_mutex_lock(&ixd.lock);
	k = known_find(name);
	is_new = k != NULL && k->has_guest && k->trust == PAGE_GOOD;
	if (is_new)
		memcpy(says, k->guest.address, 4);
	if (is_new && memcmp(says, has, 4) == 0) {
		k->lease.is_said = false;
		is_new = false;
	}
	is_new = is_new && (!k->is_busy || memcmp(says, none, 4) != 0);
	pthread_mutex_unlock(&ixd.lock);
	return is_new;
}

/*
 * Whether it said the same when we looked before: what we know of ports is a moment older than what its page says, and an
 * address that came meanwhile is no lie. @is_due: out, an event should say that, and @why.
 */
static bool is_said_again(const char *name, const uint8_t address[4], const char *why, bool *is_due)
{
	int64_t now = now_ms();
	bool is_again = false;
	struct known *k;

	*is_due = false;
	pthread_mutex_lock(&ixd.lock);
	k = known_find(name);
	if (k != NULL) {
		is_again = k->lease.is_said && memcmp(k->lease.said, address, 4) == 0;
		if (!is_again)
			k->lease.noted = NULL;
		else
			*is_due = k->lease.noted != why &&
				  (k->lease.noted_ms == 0 || now - k->lease.noted_ms >= REFUSED_MS);
		memcpy(k->lease.said, address, 4);
		k->lease.is_said = true;
		if (*is_due) {
			k->lease.noted = why;
			k->lease.noted_ms = now;
		}
	}
	pthread_mutex_unlock(&ixd.lock);
	return is_again;
}

void lease_look(const char *name, const struct sw_states *ports)
{
	const struct sw_state *port = sw_states_of(ports, name);
	const struct sw_guest_state *holder;
	uint8_t says[4], had[4];
	bool has_word, is_due;
	const char *why;

	if (port->is_dhcp && is_open(name, had)) {
		change(name, had, port->address);
		return;
	}
	if (!port->is_dhcp || !read_word(name, port->address, says))
		return;
	has_word = memcmp(says, none, 4) != 0;
	why = has_word ? refusal(name, says, ports, &holder) : "it has none";
	if (why == NULL) {
		if (holder != NULL)
			change(holder->name, says, none);
		change(name, port->address, says);
	} else if (is_said_again(name, says, why, &is_due)) {
		if (has_word && is_due)
			event_note(name, "address-refused", detail(says, why));
		if (memcmp(port->address, none, 4) != 0)
			change(name, port->address, none);
	}
}
