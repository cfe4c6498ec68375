/* SPDX-License-Identifier: MIT */
/*
 * A guest as libvirt describes it [libvirt formatdomain]. An ordinary domain: whoever writes the same by hand,
 * with virt-install or through OpenStack, gets the same guest. libxml2 writes it, so that no name, path or word
 * of a command line can become more than text.
 */
#include "hostctl/base/name.h"
#include "hostctl/domain/domain.h"
#include <libxml/xmlwriter.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define XML_TEXT(s) ((const xmlChar *)(s))
#define QBOOT "/usr/share/qemu/qboot.rom"
#define RING_SIZE "1024" /* of a queue: OVS gives up a frame when the ring is full [OVS vhost-user.rst] */
#define TEXT_BYTES 96u

struct out {
	xmlTextWriter *to;
	bool is_wrong; /* a write failed: memory */
};

static void begin(struct out *o, const char *element)
{
	o->is_wrong |= xmlTextWriterStartElement(o->to, XML_TEXT(element)) < 0;
}

static void end(struct out *o)
{
	o->is_wrong |= xmlTextWriterEndElement(o->to) < 0;
}

static void attribute(struct out *o, const char *name, const char *value)
{
	o->is_wrong |= xmlTextWriterWriteAttribute(o->to, XML_TEXT(name), XML_TEXT(value)) < 0;
}

static void text(struct out *o, const char *value)
{
	o->is_wrong |= xmlTextWriterWriteString(o->to, XML_TEXT(value)) < 0;
}

/* <element a="b" ...>, then an end with @is_empty; pairs end with NULL. */
static void open_with(struct out *o, bool is_empty, const char *element, ...)
{
	const char *name;
	va_list pairs;

	begin(o, element);
	va_start(pairs, element);
	while ((name = va_arg(pairs, const char *)) != NULL)
		attribute(o, name, va_arg(pairs, const char *));
	va_end(pairs);
	if (is_empty)
		end(o);
}
#define OPEN(o, ...) open_with((o), false, __VA_ARGS__, (const char *)NULL)
#define EMPTY(o, ...) open_with((o), true, __VA_ARGS__, (const char *)NULL)

static void element(struct out *o, const char *name, const char *value)
{
	begin(o, name);
	text(o, value);
	end(o);
}

static const char *number(char *buffer, uint64_t value)
{
	snprintf(buffer, TEXT_BYTES, "%llu", (unsigned long long)value);
	return buffer;
}

static void add_size(struct out *o, const struct domain_plan *p)
{
	/* Under emulation QEMU dies when it has made more vCPUs in its life than it may have at once. */
	uint32_t max = p->is_kvm || p->cpus_max > DOMAIN_TCG_CPUS || p->cpus_max == p->cpus_min ? p->cpus_max
												: DOMAIN_TCG_CPUS;
	char n[TEXT_BYTES];

	OPEN(o, "memory", "unit", "MiB");
	text(o, number(n, p->memory_mib));
	end(o);
	begin(o, "memoryBacking");
	if (p->page_kib != 0) {
		begin(o, "hugepages");
		EMPTY(o, "page", "size", number(n, p->page_kib), "unit", "KiB");
		end(o);
	}
	EMPTY(o, "source", "type", "memfd");
	EMPTY(o, "access", "mode", "shared");
	end(o);
	OPEN(o, "vcpu", "placement", "static", "current", number(n, p->cpus_min));
	text(o, number(n, max));
	end(o);
}

static void add_files(struct out *o, const struct domain_plan *p)
{
	char name[TEXT_BYTES];

	if (p->file_count == 0)
		return;
	OPEN(o, "sysinfo", "type", "fwcfg");
	for (unsigned i = 0; i < p->file_count; i++) {
		snprintf(name, sizeof(name), "opt/ix/%s", p->files[i].name);
		EMPTY(o, "entry", "name", name, "file", p->files[i].path);
	}
	end(o);
}

static void add_os(struct out *o, const struct domain_plan *p)
{
	begin(o, "os");
	OPEN(o, "type", "arch", "x86_64", "machine", "q35");
	text(o, "hvm");
	end(o);
	OPEN(o, "loader", "readonly", "yes", "type", "rom");
	text(o, QBOOT);
	end(o);
	element(o, "kernel", p->image);
	element(o, "cmdline", p->cmdline);
	end(o);
	begin(o, "features");
	EMPTY(o, "acpi");
	EMPTY(o, "apic");
	end(o);
	EMPTY(o, "cpu", "mode", p->is_kvm ? "host-passthrough" : "maximum");
	element(o, "on_poweroff", "destroy");
	element(o, "on_reboot", "destroy");
	element(o, "on_crash", "destroy");
}

static void add_net(struct out *o, const struct domain_plan *p)
{
	char mac[TEXT_BYTES], queues[TEXT_BYTES];

	snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", p->mac[0], p->mac[1], p->mac[2], p->mac[3],
		 p->mac[4], p->mac[5]);
	OPEN(o, "interface", "type", "vhostuser");
	EMPTY(o, "mac", "address", mac);
	EMPTY(o, "source", "type", "unix", "path", p->net_socket, "mode", "server");
	EMPTY(o, "model", "type", "virtio-non-transitional");
	EMPTY(o, "driver", "queues", number(queues, p->queue_pairs), "rx_queue_size", RING_SIZE, "tx_queue_size",
	      RING_SIZE);
	EMPTY(o, "rom", "enabled", "no");
	end(o);
}

static void add_console_and_bell(struct out *o, const struct domain_plan *p)
{
	OPEN(o, "serial", "type", "pty");
	EMPTY(o, "target", "port", "0");
	EMPTY(o, "log", "file", p->console_log, "append", "on");
	end(o);
	OPEN(o, "serial", "type", "unix");
	EMPTY(o, "source", "mode", "bind", "path", p->bell_socket);
	EMPTY(o, "target", "port", "1");
	end(o);
}

static void add_page(struct out *o, const struct domain_plan *p)
{
	char name[TEXT_BYTES];

	snprintf(name, sizeof(name), "ix-%s", p->name);
	OPEN(o, "shmem", "name", name);
	EMPTY(o, "model", "type", "ivshmem-plain");
	OPEN(o, "size", "unit", "M");
	text(o, "1");
	end(o);
	end(o);
}

static void add_devices(struct out *o, const struct domain_plan *p)
{
	begin(o, "devices");
	element(o, "emulator", "/usr/bin/qemu-system-x86_64");
	add_net(o, p);
	add_console_and_bell(o, p);
	add_page(o, p);
	EMPTY(o, "panic", "model", "isa");
	EMPTY(o, "memballoon", "model", "none");
	EMPTY(o, "controller", "type", "usb", "model", "none");
	end(o);
}

/* Numbers, since the user has no name; libvirt gives it what the domain's files are while it runs. */
static void add_user(struct out *o, const struct domain_plan *p)
{
	char label[TEXT_BYTES];

	if (p->uid == 0)
		return;
	snprintf(label, sizeof(label), "+%u:+%u", p->uid, p->gid);
	OPEN(o, "seclabel", "type", "static", "model", "dac", "relabel", "yes");
	element(o, "label", label);
	end(o);
}

char *domain_xml(const struct domain_plan *p, struct err *err)
{
	xmlBuffer *buffer = xmlBufferCreate();
	struct out o = { .to = buffer != NULL ? xmlNewTextWriterMemory(buffer, 0) : NULL };
	char *xml = NULL, uuid[37];

	if (o.to != NULL) {
		xmlTextWriterSetIndent(o.to, 1);
		xmlTextWriterSetIndentString(o.to, XML_TEXT("  "));
		OPEN(&o, "domain", "type", p->is_kvm ? "kvm" : "qemu");
		element(&o, "name", p->name);
		name_uuid(p->name, uuid);
		element(&o, "uuid", uuid);
		add_size(&o, p);
		add_files(&o, p);
		add_os(&o, p);
		add_devices(&o, p);
		add_user(&o, p);
		end(&o);
		o.is_wrong |= xmlTextWriterEndDocument(o.to) < 0;
		xmlFreeTextWriter(o.to);
		if (!o.is_wrong)
			xml = strdup((const char *)xmlBufferContent(buffer));
	}
	if (buffer != NULL)
		xmlBufferFree(buffer);
	if (xml == NULL)
		err_set(err, STATUS_MACHINE, "out of memory");
	return xml;
}
