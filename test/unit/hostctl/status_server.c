/* SPDX-License-Identifier: MIT */
/*
 * ixd's HTTP over a table of guests that never ran: prints its port, serves until its standard input ends.
 *   status_server none|few|many|hostile|gone|old
 * gone: goes away once the page has asked for guests; old: nobody has read pages for a minute.
 */
#include "hostctl/ixd/history.h"
#include "hostctl/ixd/http.h"
#include "test/unit/hostctl/seen.h"
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MANY 50u

static void put(const char *name, unsigned cores, enum health health)
{
	struct known *k = seen_guest(name, cores);

	k->health = health;
	if (health == HEALTH_CRASHED || health == HEALTH_STOPPED) {
		k->has_guest = false;
		k->domain.state = DOMAIN_OFF;
		k->port.is_linked = false;
	}
	k->guest.restarts = health == HEALTH_FAULTED ? 3 : 0;
	seen_past(k, cores == 3 ? 400 : HISTORY_SECONDS, now_ms() / 1000);
}

static void put_few(void)
{
	put("web", 4, HEALTH_READY);
	put("db", 2, HEALTH_READY);
	put("cache", 3, HEALTH_FAULTED);
	put("edge", 2, HEALTH_CRASHED);
	put("api-gateway-of-the-third-floor", 16, HEALTH_DRAINING);
	known_find("edge")->port.spoofed = 1234;
}

static void put_many(void)
{
	char name[33];

	for (unsigned i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "guest-%02u", i);
		put(name, 1 + i % 6, i % 17 == 5 ? HEALTH_STUCK : HEALTH_READY);
	}
}

/* Names that ixd never lets in, and a switch that says odd things. */
static void put_hostile(void)
{
	struct known *k;

	put("<img src=x onerror=a()>", 2, HEALTH_UNMANAGED);
	put("</script><b>bold", 1, HEALTH_READY);
	k = known_find("<img src=x onerror=a()>");
	snprintf(k->port.error, sizeof(k->port.error), "<script>document.title='pwned'</script>");
	k = known_find("</script><b>bold");
	snprintf(k->port.error, sizeof(k->port.error), "\xff\xfe not text");
	memset(k->cores[0].value, 0xff, sizeof(k->cores[0].value));
}

/* A second goes by: guests live on. */
static void turn(const char *what)
{
	static int64_t last;
	int64_t now = now_ms();
	bool is_due = now / 1000 != last;

	last = now / 1000;
	pthread_mutex_lock(&ixd.lock);
	for (unsigned i = 0; i < ixd.guest_count && is_due && strcmp(what, "hostile") != 0; i++)
		seen_past(ixd.guests[i], 1, now / 1000);
	pthread_mutex_unlock(&ixd.lock);
	__atomic_store_n(&ixd.sampled_ms, strcmp(what, "old") == 0 ? now - 61000 : now, __ATOMIC_RELAXED);
	__atomic_store_n(&ixd.checked_ms, now, __ATOMIC_RELAXED);
}

int main(int argc, char **argv)
{
	const char *what = argc == 2 ? argv[1] : "few";
	struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };
	struct err err = { 0 };
	int port;

	ixd.began_ms = wall_ms();
	if (strcmp(what, "many") == 0)
		put_many();
	else if (strcmp(what, "hostile") == 0)
		put_hostile();
	else if (strcmp(what, "none") != 0)
		put_few();
	turn(what);
	port = http_open(0, &err);
	if (port < 0) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	printf("%d\n", port);
	fflush(stdout);
	while (poll(&in, 1, 200) == 0) {
		turn(what);
		if (strcmp(what, "gone") == 0 && __atomic_load_n(&ixd.http_requests, __ATOMIC_RELAXED) >= 2)
			http_close(), what = "few";
	}
	if (strcmp(argv[argc - 1], "gone") != 0)
		http_close();
	seen_end();
	return 0;
}
