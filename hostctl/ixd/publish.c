/* SPDX-License-Identifier: MIT */
/* Published ports: each leads to the address that its guest has now. All of them are made anew from records and ports each time. */
#include "hostctl/ixd/ixd.h"
#include <stdlib.h>
#include <string.h>

/* Where @g's published ports lead: its record says, or the port it has, where lease.c has put what a DHCP server gave. */
static bool leads_to(const struct guest *g, const struct sw_states *ports, uint8_t address[4])
{
	static const uint8_t none[4];

	memcpy(address, g->prefix != 0 ? g->address : sw_states_of(ports, g->name)->address, 4);
	return g->is_wanted && g->publish_count > 0 && memcmp(address, none, 4) != 0;
}

static int publish_all(struct err *err)
{
	struct sw_states *ports = sw_states(err);
	struct sw_published *all;
	json_t *names = NULL;
	unsigned count = 0;
	int result;

	if (ports == NULL || guest_list(&names, err) != 0) {
		free(ports);
		return -1;
	}
	err_fini(err); /* the database has said all; whether frames pass is another's concern */
	all = calloc(json_array_size(names) + 1, sizeof(*all));
	if (all == NULL)
		abort();
	for (size_t i = 0; i < json_array_size(names); i++) {
		struct guest *g = calloc(1, sizeof(*g));
		struct err ignored = { 0 };

		if (g == NULL)
			abort();
		if (guest_load(g, json_string_value(json_array_get(names, i)), &ignored) == 0 &&
		    leads_to(g, ports, all[count].address)) {
			memcpy(all[count].publish, g->publish, sizeof(g->publish));
			all[count++].count = g->publish_count;
		}
		err_fini(&ignored);
		guest_fini(g);
		free(g);
	}
	result = sw_publish(all, count, err);
	free(all);
	free(ports);
	json_decref(names);
	return result;
}

int deploy_publish(struct err *err)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* else who looked first could write last */
	int result;

	pthread_mutex_lock(&lock);
	result = publish_all(err);
	pthread_mutex_unlock(&lock);
	return result;
}
