/* SPDX-License-Identifier: MIT */
/* The life of a domain: defined and started, asked to stop, made to stop. */
#include "hostctl/domain/connect.h"
#include <libvirt/virterror.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define POLL_MS 50u

static void sleep_ms(unsigned ms)
{
	nanosleep(&(struct timespec){ ms / 1000, ms % 1000 * 1000000l }, NULL);
}

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

/* Until it is off or the time is over. A button that was pressed before anybody looked is pressed again. */
static bool shut_down(virDomain *domain, unsigned timeout_s)
{
	unsigned turns = timeout_s * 1000 / POLL_MS;

	for (unsigned i = 0; i < turns; i++) {
		if (is_off(domain))
			return true;
		if (i % (1000 / POLL_MS) == 0)
			virDomainShutdownFlags(domain, VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN);
		sleep_ms(POLL_MS);
	}
	return is_off(domain);
}

int domain_stop(struct domains *d, const char *name, unsigned timeout_s, bool is_undefine, struct err *err)
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
		if (virDomainIsActive(domain) == 1 && !shut_down(domain, timeout_s) && virDomainDestroy(domain) != 0 &&
		    !is_off(domain))
			result = connect_error(err, name);
		if (result == 0 && is_undefine && virDomainUndefine(domain) != 0 && !connect_is_absent())
			result = connect_error(err, name);
		virDomainFree(domain);
	}
	virConnectClose(c);
	return result;
}
