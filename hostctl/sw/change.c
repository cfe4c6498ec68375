/* SPDX-License-Identifier: MIT */
/*
 * From the difference between the flows that a bridge has and those that it should have, as `ovs-ofctl diff-flows` tells it, to
 * commands for `ovs-ofctl add-flows`. `replace-flows` would do both at once, and throw away what the switch has learnt meanwhile:
 * which addresses DHCP servers gave [flows.c]. A guest asks for its address once, so what was forgotten never comes again.
 */
#include "hostctl/sw/flows.h"
#include <stdlib.h>
#include <string.h>

static bool asks_for_address(const struct ovs_ports *ports, long number)
{
	for (unsigned i = 0; i < ports->count; i++)
		if (ports->port[i].number > 0 && ports->port[i].number == number)
			return ports->port[i].guest[0] != '\0' && ports->port[i].is_dhcp;
	return false;
}

/* Whether the flow from @line to @end was learnt, and is still about whom it was. */
static bool is_offer(const struct ovs_ports *ports, const char *line, const char *end)
{
	static const char table[] = "table=5 ", key[] = "in_port=";
	const char *at = strstr(line, key);

	return strncmp(line, table, strlen(table)) == 0 && at != NULL && at < end &&
	       asks_for_address(ports, strtol(at + strlen(key), NULL, 10));
}

/* "[table=N ]MATCH [cookie=...] ... actions=...", of which a deletion takes only what it is found by; without a table it is of all. */
static void add_deletion(struct blob *out, const char *line, const char *end)
{
	size_t table = strncmp(line, "table=", strlen("table=")) == 0 ? strcspn(line, " \n") : 0;
	const char *match = line + table + (table > 0 && line[table] == ' ');
	size_t bytes = strcspn(match, " \n");

	if (match + bytes > end)
		bytes = 0;
	if (table > 0)
		blob_print(out, "delete_strict %.*s,%.*s\n", (int)table, line, (int)bytes, match);
	else
		blob_print(out, "delete_strict table=0,%.*s\n", (int)bytes, match);
}

/* What goes first, then what comes: where both are one flow that has changed, a bundle leaves no moment in between. */
char *flows_change(const char *diff, const struct ovs_ports *ports)
{
	struct blob gone = { 0 }, all = { 0 };

	for (const char *line = diff; *line != '\0';) {
		const char *end = line + strcspn(line, "\n");

		if (*line == '-' && !is_offer(ports, line + 1, end))
			add_deletion(&gone, line + 1, end);
		else if (*line == '+')
			blob_print(&all, "add %.*s\n", (int)(end - line - 1), line + 1);
		line = end + (*end == '\n');
	}
	blob_add(&gone, all.data, all.bytes);
	blob_add(&gone, "", 1);
	blob_fini(&all);
	return (char *)gone.data;
}
