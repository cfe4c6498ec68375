/* SPDX-License-Identifier: MIT */
/* The life of a domain: defined and started, asked to stop, made to stop. */
#include "hostctl/domain/connect.h"
#include <libvirt/virterror.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#define POLL_MS 10u
#define PRESS_MS 1000u

static bool is_off(virDomain *domain)
{
	int state = VIR_DOMAIN_NOSTATE;

	return virDomainGetState(domain, &state, NULL, 0) == 0 &&
	       (state == VIR_DOMAIN_SHUTOFF || state == VIR_DOMAIN_CRASHED);
}

/* Defines @xml unless a domain of that name runs. @was_there: the definition is not new. */
static virDomain *define(virConnect *c, const struct domain_plan *plan, const char *xml, bool *was_there,
			 struct err *err)
{
	virDomain *domain = virDomainLookupByName(c, plan->name);

	*was_there = domain != NULL;
	if (domain != NULL) {
		bool runs = virDomainIsActive(domain) == 1;

		virDomainFree(domain);
		if (runs) {
			err_set(err, STATUS_USAGE, "libvirt runs a domain '%s' already", plan->name);
			return NULL;
		}
	}
	domain = virDomainDefineXML(c, xml);
	if (domain == NULL)
		connect_error(err, plan->name);
	return domain;
}

int domain_start(struct domains *d, const struct domain_plan *plan, struct err *err)
{
	char *xml = domain_xml(plan, err);
	virConnect *c = xml != NULL ? connect_get(d, err) : NULL;
	virDomain *domain;
	bool was_there;
	int result = -1;

	if (c != NULL) {
		domain = define(c, plan, xml, &was_there, err);
		if (domain != NULL) {
			result = virDomainCreate(domain) == 0 ? 0 : connect_error(err, plan->name);
			if (result != 0 && !was_there)
				virDomainUndefine(domain);
			virDomainFree(domain);
		}
		virConnectClose(c);
	}
	free(xml);
	return result;
}

/* Waits a moment for the end of QEMU, of which @how is told. @fd: that process, -1 if it is not known or has ended. */
static void look(int *fd, const struct domain_end *how)
{
	struct pollfd end = { .fd = *fd, .events = POLLIN };

	if (poll(&end, 1, POLL_MS) <= 0 || how->on_dead == NULL)
		return;
	close(*fd);
	*fd = -1;
	how->on_dead(how->arg);
}

/* Until it is off or the time is over. A button that was pressed before anybody looked is pressed again. */
static bool shut_down(virDomain *domain, const struct domain_end *how)
{
	int32_t pid = how->on_dead != NULL ? connect_pid(virDomainGetName(domain)) : 0;
	int fd = pid > 0 ? pidfd_open(pid, 0) : -1;

	for (unsigned ms = 0; ms < how->timeout_s * 1000 && !is_off(domain); ms += POLL_MS) {
		if (ms % PRESS_MS == 0)
			virDomainShutdownFlags(domain, VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN);
		look(&fd, how);
	}
	if (fd >= 0)
		close(fd);
	return is_off(domain);
}

int domain_stop(struct domains *d, const char *name, const struct domain_end *how, struct err *err)
{
	virConnect *c = connect_get(d, err);
	virDomain *domain;
	int result = 0;

	if (c == NULL)
		return -1;
	domain = virDomainLookupByName(c, name);
	if (domain == NULL) {
		result = connect_is_absent() ? 0 : connect_error(err, name);
	} else {
		if (virDomainIsActive(domain) == 1 && !shut_down(domain, how) && virDomainDestroy(domain) != 0 &&
		    !is_off(domain))
			result = connect_error(err, name);
		if (result == 0 && virDomainUndefine(domain) != 0 && !connect_is_absent())
			result = connect_error(err, name);
		virDomainFree(domain);
	}
	virConnectClose(c);
	return result;
}
