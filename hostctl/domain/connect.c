/* SPDX-License-Identifier: MIT */
/* The connection: opened when it is needed, noticed when it is lost, and what libvirt says of domains in between. */
#include "hostctl/domain/connect.h"
#include <libvirt/virterror.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define KEEPALIVE_S 5
#define KEEPALIVE_MISSED 3u

struct domains {
	pthread_mutex_t lock; /* of connection */
	virConnect *connection;
	char *uri;
	domains_change *on_change;
	void *arg;
};

/* Errors reach the caller as text; libvirt would print them, too. */
static void be_quiet(void *arg, virErrorPtr error)
{
	(void)arg;
	(void)error;
}

struct domains *domains_new(const char *uri, domains_change *on_change, void *arg)
{
	struct domains *d = calloc(1, sizeof(*d));

	if (d == NULL || (d->uri = strdup(uri != NULL ? uri : "qemu:///system")) == NULL)
		abort();
	virSetErrorFunc(NULL, be_quiet);
	pthread_mutex_init(&d->lock, NULL);
	d->on_change = on_change;
	d->arg = arg;
	return d;
}

void domains_free(struct domains *d)
{
	if (d == NULL)
		return;
	if (d->connection != NULL) {
		virConnectUnregisterCloseCallback(d->connection, NULL);
		virConnectClose(d->connection);
	}
	pthread_mutex_destroy(&d->lock);
	free(d->uri);
	free(d);
}

int connect_error(struct err *err, const char *what)
{
	/* A call that was cut short by libvirtd's end may leave no word behind. */
	const char *text = virGetLastErrorCode() != VIR_ERR_OK ? virGetLastErrorMessage()
							       : "libvirtd went away meanwhile";
	int bytes = (int)strcspn(text, "\r\n");

	return err_set(err, STATUS_MACHINE, "%s: %.*s", what, bytes, text);
}

bool connect_is_absent(void)
{
	return virGetLastErrorCode() == VIR_ERR_NO_DOMAIN;
}

static void on_close(virConnect *connection, int reason, void *arg)
{
	struct domains *d = arg;
	bool is_ours;

	(void)reason;
	pthread_mutex_lock(&d->lock);
	is_ours = d->connection == connection;
	if (is_ours)
		d->connection = NULL;
	pthread_mutex_unlock(&d->lock);
	if (!is_ours)
		return;
	virConnectClose(connection);
	d->on_change(d->arg, NULL, false);
}

static int on_event(virConnect *connection, virDomain *domain, int event, int detail, void *arg)
{
	struct domains *d = arg;

	(void)connection;
	(void)detail;
	d->on_change(d->arg, virDomainGetName(domain),
		     event == VIR_DOMAIN_EVENT_STARTED || event == VIR_DOMAIN_EVENT_RESUMED);
	return 0;
}

/* Under the lock. Return: whether it was opened now. */
static bool open_connection(struct domains *d, struct err *err)
{
	virConnect *c;

	if (d->connection != NULL)
		return false;
	c = virConnectOpen(d->uri);
	if (c == NULL) {
		err_set(err, STATUS_MACHINE, "libvirtd does not answer on %s: start it, or run ixctl host setup (%s)",
			d->uri, virGetLastErrorMessage());
		return false;
	}
	if (d->on_change != NULL) {
		virConnectSetKeepAlive(c, KEEPALIVE_S, KEEPALIVE_MISSED);
		virConnectRegisterCloseCallback(c, on_close, d, NULL);
		virConnectDomainEventRegisterAny(c, NULL, VIR_DOMAIN_EVENT_ID_LIFECYCLE,
						 VIR_DOMAIN_EVENT_CALLBACK(on_event), d, NULL);
	}
	d->connection = c;
	return true;
}

virConnect *connect_get(struct domains *d, struct err *err)
{
	bool is_new;
	virConnect *c;

	pthread_mutex_lock(&d->lock);
	if (d->connection != NULL && d->on_change == NULL && virConnectIsAlive(d->connection) != 1) {
		virConnectClose(d->connection);
		d->connection = NULL;
	}
	is_new = open_connection(d, err);
	c = d->connection;
	if (c != NULL)
		virConnectRef(c);
	pthread_mutex_unlock(&d->lock);
	if (is_new && d->on_change != NULL)
		d->on_change(d->arg, NULL, true);
	return c;
}

int domains_connect(struct domains *d, struct err *err)
{
	virConnect *c = connect_get(d, err);

	if (c == NULL)
		return -1;
	virConnectClose(c);
	return 0;
}

virDomain *connect_domain(struct domains *d, const char *name, struct err *err)
{
	virConnect *c = connect_get(d, err);
	virDomain *domain;

	if (c == NULL)
		return NULL;
	domain = virDomainLookupByName(c, name);
	if (domain != NULL)
		return domain;
	if (connect_is_absent())
		err_set(err, STATUS_USAGE, "libvirt knows no guest '%s'", name);
	else
		connect_error(err, name);
	virConnectClose(c);
	return NULL;
}

void connect_put(virDomain *domain)
{
	virConnect *c = virDomainGetConnect(domain);

	virDomainFree(domain);
	virConnectClose(c);
}
