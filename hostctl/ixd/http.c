/* SPDX-License-Identifier: MIT */
/*
 * HTTP on the loopback address, by libmicrohttpd in one thread: a few fixed paths, GET and HEAD, nothing is ever uploaded.
 * Whoever is on this host may look; a page of elsewhere in a browser of this host may not, hence the look at Host
 * (a name that is rebound to 127.0.0.1 is still another name).
 */
#include "hostctl/ixd/http.h"
#include "hostctl/base/name.h"
#include "hostctl/base/paths.h"
#include "hostctl/base/say.h"
#include <arpa/inet.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define CONNECTIONS_MAX 64u
#define CONNECTION_BYTES 8192u /* of memory for a request's line and headers */
#define IDLE_S 15u
#define RETRY_S 5u
#define API_GUEST "/api/guests/"

static struct MHD_Daemon *server;

static const struct {
	const char *name, *value;
} for_all[] = {
	{ "X-Content-Type-Options", "nosniff" },
	{ "X-Frame-Options", "DENY" },
	{ "Referrer-Policy", "no-referrer" },
	{ "Cross-Origin-Resource-Policy", "same-origin" },
	{ "Cross-Origin-Opener-Policy", "same-origin" },
	{ "Cache-Control", "no-store" },
};

/* What is answered. */
struct answer {
	unsigned status;
	const char *type, *policy;
	char *text; /* taken over; NULL: @fixed */
	const char *fixed;
	size_t bytes;
};

static enum MHD_Result send_answer(struct MHD_Connection *c, const struct answer *a)
{
	struct MHD_Response *r = a->text != NULL
					 ? MHD_create_response_from_buffer(a->bytes, a->text, MHD_RESPMEM_MUST_FREE)
					 : MHD_create_response_from_buffer(a->bytes, (void *)(uintptr_t)a->fixed,
									   MHD_RESPMEM_PERSISTENT);
	enum MHD_Result result;

	if (r == NULL) {
		free(a->text);
		return MHD_NO;
	}
	for (unsigned i = 0; i < sizeof(for_all) / sizeof(for_all[0]); i++)
		MHD_add_response_header(r, for_all[i].name, for_all[i].value);
	MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, a->type);
	MHD_add_response_header(r, "Content-Security-Policy",
				a->policy != NULL ? a->policy : "default-src 'none'; frame-ancestors 'none'");
	if (a->status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(r, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	result = MHD_queue_response(c, a->status, r);
	MHD_destroy_response(r);
	return result;
}

static void refuse(struct answer *a, unsigned status, const char *why)
{
	*a = (struct answer){
		.status = status, .type = "text/plain; charset=utf-8", .fixed = why, .bytes = strlen(why)
	};
}

static void give(struct answer *a, const char *type, char *text, size_t bytes)
{
	*a = (struct answer){ .status = MHD_HTTP_OK, .type = type, .text = text, .bytes = bytes };
}

static void give_guest(struct answer *a, const char *name)
{
	struct err err = { 0 };
	char *text = name_check(name, &err) == 0 ? api_guest(name) : NULL;

	err_fini(&err);
	if (text != NULL)
		give(a, "application/json", text, strlen(text));
	else
		refuse(a, MHD_HTTP_NOT_FOUND, "there is no such guest\n");
}

static void find_answer(struct answer *a, const char *path)
{
	if (strcmp(path, "/") == 0) {
		*a = (struct answer){ .status = MHD_HTTP_OK,
				      .type = "text/html; charset=utf-8",
				      .policy = status_policy(),
				      .fixed = status_page,
				      .bytes = (size_t)(status_page_end - status_page) };
	} else if (strcmp(path, "/metrics") == 0) {
		size_t bytes;
		char *text = metrics_text(&bytes);

		give(a, "text/plain; version=0.0.4; charset=utf-8", text, bytes);
	} else if (strcmp(path, "/api/guests") == 0) {
		char *text = api_guests();

		give(a, "application/json", text, strlen(text));
	} else if (strncmp(path, API_GUEST, strlen(API_GUEST)) == 0) {
		give_guest(a, path + strlen(API_GUEST));
	} else {
		refuse(a, MHD_HTTP_NOT_FOUND, "here are /, /metrics, /api/guests and /api/guests/NAME\n");
	}
}

/* "NAME[:PORT]" where NAME is this host to itself. Only an old client may leave it out; browsers never do. */
static bool is_for_us(const char *host)
{
	static const char *const names[] = { "localhost", "127.0.0.1", "[::1]" };

	if (host == NULL)
		return true;
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		size_t bytes = strlen(names[i]);
		const char *port = host + bytes;

		if (strncasecmp(host, names[i], bytes) == 0 &&
		    (*port == '\0' || (*port == ':' && strspn(port + 1, "0123456789") == strlen(port + 1))))
			return true;
	}
	return false;
}

/* The names and order of these arguments are libmicrohttpd's. */
static enum MHD_Result handle(void *arg, struct MHD_Connection *c, const char *url, const char *method,
			      const char *version, const char *upload, size_t *upload_bytes, void **state)
{
	struct answer a;

	(void)arg;
	(void)version;
	(void)upload;
	(void)upload_bytes;
	(void)state;
	__atomic_fetch_add(&ixd.http_requests, 1, __ATOMIC_RELAXED);
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		refuse(&a, MHD_HTTP_METHOD_NOT_ALLOWED, "nothing can be changed here: GET and HEAD only\n");
	else if (!is_for_us(MHD_lookup_connection_value(c, MHD_HEADER_KIND, MHD_HTTP_HEADER_HOST)))
		refuse(&a, MHD_HTTP_MISDIRECTED_REQUEST, "ask for localhost: another Host is not answered\n");
	else
		find_answer(&a, url);
	return send_answer(c, &a);
}

/* What clients do wrong is theirs. */
static void be_quiet(void *arg, const char *fmt, va_list args)
{
	(void)arg;
	(void)fmt;
	(void)args;
}

/* Nothing here needs escapes in its path, so none is undone: what has one is not found. */
static size_t keep_escapes(void *arg, struct MHD_Connection *c, char *text)
{
	(void)arg;
	(void)c;
	return strlen(text);
}

int http_open(uint16_t port, struct err *err)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_port = htons(port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const union MHD_DaemonInfo *info;

	server = MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL | MHD_USE_ERROR_LOG, port, NULL, NULL,
				  handle, NULL, MHD_OPTION_EXTERNAL_LOGGER, be_quiet, NULL, MHD_OPTION_SOCK_ADDR, &at,
				  MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
				  (size_t)CONNECTION_BYTES, MHD_OPTION_CONNECTION_TIMEOUT, IDLE_S,
				  MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL, MHD_OPTION_STRICT_FOR_CLIENT, 1,
				  MHD_OPTION_END);
	if (server == NULL)
		return err_set(err, STATUS_MACHINE, "127.0.0.1:%u cannot be served: another program has it", port);
	info = MHD_get_daemon_info(server, MHD_DAEMON_INFO_BIND_PORT);
	return info != NULL ? info->port : port;
}

void http_close(void)
{
	MHD_stop_daemon(server);
	server = NULL;
}

/* Guests do not depend on being looked at: if the port is another's, it is tried again until it is not. */
static void *open_at_last(void *arg)
{
	bool is_said = false;
	struct err err = { 0 };

	(void)arg;
	while (http_open(PATHS_HTTP_PORT, &err) < 0) {
		if (!is_said)
			say("%s; metrics and status page have to wait", err.text);
		is_said = true;
		err_fini(&err);
		sleep(RETRY_S);
	}
	if (is_said)
		say("metrics and status page are on 127.0.0.1:%u now", PATHS_HTTP_PORT);
	return NULL;
}

void http_start(void)
{
	pthread_t thread;
	int64_t never = 0;

	__atomic_compare_exchange_n(&ixd.checked_ms, &never, now_ms(), false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
	if (pthread_create(&thread, NULL, open_at_last, NULL) != 0)
		abort();
	pthread_detach(thread);
}
