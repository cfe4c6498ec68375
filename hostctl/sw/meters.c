/* SPDX-License-Identifier: MIT */
/*
 * A meter for each guest's port [ovs-ofctl(8) meter table]: what is above its rate is dropped by the switch before any copy is
 * made, and counted there. The daemon forgets meters with its flows when it ends, and a flow cannot be without its meter: so
 * meters are made before flows, and go after them. There is no command for several at once; only those that are missing cost
 * a program each.
 */
#include "hostctl/sw/meters.h"
#include "hostctl/base/exec.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OFCTL(err, out, ...)                                                                                 \
	exec_ok((const char *const[]){ "ovs-ofctl", "-O", OVS_PROTOCOL, "--timeout=15", __VA_ARGS__, NULL }, \
		OVS_TIMEOUT_S, (out), (err))

struct meters *meters_read(const char *dump)
{
	static const char key[] = "meter=";
	struct meters *m = calloc(1, sizeof(*m));

	if (m == NULL)
		abort();
	for (const char *at = strstr(dump, key); at != NULL; at = strstr(at, key)) {
		char *end;
		unsigned long number;

		at += strlen(key);
		number = strtoul(at, &end, 10);
		if (end > at && number < METERS_NUMBERS)
			m->is_there[number] = true;
	}
	return m;
}

struct meters *meters_list(struct err *err)
{
	char *text = NULL;
	struct meters *m;

	if (OFCTL(err, &text, "dump-meters", SW_BRIDGE) != 0)
		return NULL;
	m = meters_read(text);
	free(text);
	return m;
}

static bool has_meter(const struct ovs_port *p)
{
	return p->guest[0] != '\0' && p->number > 0 && (uint32_t)p->number < METERS_NUMBERS;
}

int meters_add(struct meters *m, const struct ovs_ports *ports, struct err *err)
{
	for (unsigned i = 0; i < ports->count; i++) {
		const struct ovs_port *p = &ports->port[i];
		char words[120];

		if (!has_meter(p) || m->is_there[p->number])
			continue;
		snprintf(words, sizeof(words), "meter=%d,pktps,burst,stats,bands=type=drop,rate=%u,burst_size=%u",
			 p->number, METERS_FRAMES_S, METERS_FRAMES_S);
		if (OFCTL(err, NULL, "add-meter", SW_BRIDGE, words) != 0)
			return -1;
		m->is_there[p->number] = true;
	}
	return 0;
}

int meters_sweep(struct meters *m, const struct ovs_ports *ports, struct err *err)
{
	for (unsigned i = 0; i < ports->count; i++)
		if (has_meter(&ports->port[i]))
			m->is_there[ports->port[i].number] = false;
	for (unsigned number = 0; number < METERS_NUMBERS; number++) {
		char words[24];

		snprintf(words, sizeof(words), "meter=%u", number);
		if (m->is_there[number] && OFCTL(err, NULL, "del-meters", SW_BRIDGE, words) != 0)
			return -1;
	}
	return 0;
}
