/* SPDX-License-Identifier: MIT */
/* What libvirt and QEMU's monitor know of a domain. */
#include "hostctl/domain/connect.h"
#include <libvirt/libvirt-qemu.h>
#include <libxml/parser.h>
#include <libxml/xpath.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PID_FOLDER "/run/libvirt/qemu"

static enum domain_state state_of(int state)
{
	switch (state) {
	case VIR_DOMAIN_RUNNING:
	case VIR_DOMAIN_BLOCKED:
	case VIR_DOMAIN_SHUTDOWN:
		return DOMAIN_RUNNING;
	case VIR_DOMAIN_PAUSED:
	case VIR_DOMAIN_PMSUSPENDED:
		return DOMAIN_PAUSED;
	case VIR_DOMAIN_CRASHED:
		return DOMAIN_CRASHED;
	default:
		return DOMAIN_OFF;
	}
}

/* libvirt keeps it in a file and says it to nobody. */
int32_t connect_pid(const char *name)
{
	int32_t pid = 0;
	char *path;
	FILE *f;

	if (asprintf(&path, PID_FOLDER "/%s.pid", name) < 0)
		return 0;
	f = fopen(path, "re");
	free(path);
	if (f == NULL)
		return 0;
	if (fscanf(f, "%9d", &pid) != 1)
		pid = 0;
	(void)fclose(f);
	return pid;
}

int domain_info(struct domains *d, const char *name, struct domain_info *out, struct err *err)
{
	virConnect *c = connect_get(d, err);
	virDomainInfo info;
	virDomain *domain;
	int state, reason, result = 0;

	memset(out, 0, sizeof(*out));
	if (c == NULL)
		return -1;
	domain = virDomainLookupByName(c, name);
	if (domain == NULL) {
		result = connect_is_absent() ? 0 : connect_error(err, name);
	} else if (virDomainGetInfo(domain, &info) != 0 || virDomainGetState(domain, &state, &reason, 0) != 0) {
		result = connect_is_absent() ? 0 : connect_error(err, name);
		virDomainFree(domain);
	} else {
		out->state = state_of(state);
		if (state == VIR_DOMAIN_SHUTOFF && reason == VIR_DOMAIN_SHUTOFF_CRASHED)
			out->state = DOMAIN_CRASHED;
		out->cpus = info.nrVirtCpu;
		out->cpus_max = (uint32_t)virDomainGetVcpusFlags(domain, VIR_DOMAIN_VCPU_MAXIMUM);
		out->memory_kib = info.memory;
		out->cpu_time_ns = info.cpuTime;
		out->pid = out->state == DOMAIN_RUNNING || out->state == DOMAIN_PAUSED ? connect_pid(name) : 0;
		virDomainFree(domain);
	}
	virConnectClose(c);
	return result;
}

int domain_monitor(struct domains *d, const char *name, const char *command, char **answer, struct err *err)
{
	virDomain *domain = connect_domain(d, name, err);
	int result;

	if (domain == NULL)
		return -1;
	result = virDomainQemuMonitorCommand(domain, command, answer, 0) == 0 ? 0 : connect_error(err, name);
	connect_put(domain);
	return result;
}

/* The first match of @path in @xml as text, on libxml2's heap. */
static xmlChar *find(const char *xml, const char *path)
{
	xmlDoc *doc = xmlReadMemory(xml, (int)strlen(xml), "domain", NULL, XML_PARSE_NONET);
	xmlXPathContext *context = doc != NULL ? xmlXPathNewContext(doc) : NULL;
	xmlXPathObject *found = context != NULL ? xmlXPathEvalExpression((const xmlChar *)path, context) : NULL;
	xmlChar *out = found != NULL ? xmlXPathCastToString(found) : NULL;

	xmlXPathFreeObject(found);
	xmlXPathFreeContext(context);
	xmlFreeDoc(doc);
	return out;
}

/* What matches @path in the description of domain @name, on the heap; "" if nothing does, NULL with @err. */
static char *ask_xml(struct domains *d, const char *name, const char *path, struct err *err)
{
	virDomain *domain = connect_domain(d, name, err);
	char *xml, *out;
	xmlChar *found;

	if (domain == NULL)
		return NULL;
	xml = virDomainGetXMLDesc(domain, 0);
	found = xml != NULL ? find(xml, path) : NULL;
	out = strdup(found != NULL ? (const char *)found : "");
	xmlFree(found);
	free(xml);
	connect_put(domain);
	return out;
}

int domain_console(struct domains *d, const char *name, char **path, struct err *err)
{
	*path = ask_xml(d, name, "string(/domain/devices/serial[@type='pty'][1]/source/@path)", err);
	if (*path != NULL && **path != '\0')
		return 0;
	free(*path);
	*path = NULL;
	return err_set(err, STATUS_USAGE, "%s has no console now: it does not run", name);
}

int domain_image(struct domains *d, const char *name, char **path, struct err *err)
{
	*path = ask_xml(d, name, "string(/domain/os/kernel)", err);
	return *path != NULL ? 0 : -1;
}
