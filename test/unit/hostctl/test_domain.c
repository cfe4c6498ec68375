/* SPDX-License-Identifier: MIT */
/* A guest's description for libvirt: read back with libxml2, whatever stands in names and words. */
#include "hostctl/domain/domain.h"
#include <libxml/parser.h>
#include <libxml/xpath.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static const struct domain_plan plan = {
	.name = "web",
	.image = "/var/lib/ix/guests/web/image.ix",
	.cmdline = "net.address=10.77.0.5/16 env.A=\"]]></cmdline><x>&amp;'\"",
	.memory_mib = 256,
	.cpus_min = 2,
	.cpus_max = 4,
	.mac = { 2, 0x49, 0x58, 1, 2, 0xff },
	.net_socket = "/run/ix/web/net.sock",
	.bell_socket = "/run/ix/web/bell.sock",
	.console_log = "/var/log/ix/web.console",
	.queue_pairs = 4,
	.files = { { "seed", "/run/ix/web/seed" }, { "file/a&b", "/var/lib/ix/guests/web/files/a&b" } },
	.file_count = 2,
};

static void expect(const char *xml, const char *path, const char *value)
{
	xmlDoc *doc = xmlReadMemory(xml, (int)strlen(xml), "domain", NULL, XML_PARSE_NONET);
	xmlXPathContext *context = xmlXPathNewContext(doc);
	xmlXPathObject *found = xmlXPathEvalExpression((const xmlChar *)path, context);
	xmlChar *text = xmlXPathCastToString(found);

	assert_non_null(doc);
	assert_string_equal((char *)text, value);
	xmlFree(text);
	xmlXPathFreeObject(found);
	xmlXPathFreeContext(context);
	xmlFreeDoc(doc);
}

static void test_all_of_a_plan(void **state)
{
	struct err err = { 0 };
	char *xml = domain_xml(&plan, &err);

	(void)state;
	assert_non_null(xml);
	expect(xml, "/domain/@type", "qemu");
	expect(xml, "/domain/name", "web");
	expect(xml, "/domain/os/cmdline", plan.cmdline);
	expect(xml, "count(//x)", "0");
	expect(xml, "/domain/os/kernel", plan.image);
	expect(xml, "/domain/memory", "256");
	expect(xml, "/domain/memoryBacking/access/@mode", "shared");
	expect(xml, "/domain/vcpu/@current", "2");
	expect(xml, "/domain/vcpu", "64"); /* without KVM each plug takes one for good */
	expect(xml, "/domain/devices/interface/mac/@address", "02:49:58:01:02:ff");
	expect(xml, "/domain/devices/interface/source[@mode='server']/@path", plan.net_socket);
	expect(xml, "/domain/devices/interface/driver/@queues", "4");
	expect(xml, "/domain/devices/serial[target/@port='0']/log/@file", plan.console_log);
	expect(xml, "/domain/devices/serial[target/@port='1']/source/@path", plan.bell_socket);
	expect(xml, "/domain/devices/shmem/@name", "ix-web");
	expect(xml, "/domain/sysinfo/entry[2]/@name", "opt/ix/file/a&b");
	expect(xml, "/domain/sysinfo/entry[2]/@file", plan.files[1].path);
	free(xml);
}

static void test_hugepages(void **state)
{
	struct domain_plan huge = plan;
	struct err err = { 0 };
	char *xml = domain_xml(&plan, &err);

	(void)state;
	expect(xml, "count(//hugepages)", "0");
	free(xml);
	huge.page_kib = 2048;
	xml = domain_xml(&huge, &err);
	expect(xml, "/domain/memoryBacking/hugepages/page[@unit='KiB']/@size", "2048");
	expect(xml, "/domain/memoryBacking/source/@type", "memfd");
	free(xml);
}

static void test_user(void **state)
{
	struct domain_plan own = plan;
	struct err err = { 0 };
	char *xml = domain_xml(&plan, &err);

	(void)state;
	expect(xml, "count(//seclabel)", "0");
	free(xml);
	own.uid = 1879048195;
	own.gid = 109;
	xml = domain_xml(&own, &err);
	expect(xml, "/domain/seclabel[@type='static'][@model='dac'][@relabel='yes']/label", "+1879048195:+109");
	free(xml);
}

static void test_what_kvm_changes(void **state)
{
	struct domain_plan p = plan;
	struct err err = { 0 };
	char *xml;

	(void)state;
	p.is_kvm = true;
	xml = domain_xml(&p, &err);
	expect(xml, "/domain/@type", "kvm");
	expect(xml, "/domain/vcpu", "4");
	expect(xml, "/domain/cpu/@mode", "host-passthrough");
	free(xml);
}

/* The same guest has the same UUID each time: libvirt refuses a second definition of a name otherwise. */
static void test_identity(void **state)
{
	struct domain_plan p = plan;
	struct err err = { 0 };
	char *one = domain_xml(&plan, &err), *two;

	(void)state;
	p.memory_mib = 512;
	two = domain_xml(&p, &err);
	expect(one, "string-length(/domain/uuid)", "36");
	*(strstr(one, "</uuid>")) = '\0';
	*(strstr(two, "</uuid>")) = '\0';
	assert_string_equal(strstr(one, "<uuid>"), strstr(two, "<uuid>"));
	free(one);
	free(two);
}

/* ---- hostctl/libvirt/managed.xml is what we write ---- */
static xmlNode *next_element(xmlNode *n)
{
	while (n != NULL && n->type != XML_ELEMENT_NODE)
		n = n->next;
	return n;
}

static void expect_same_attributes(const xmlNode *a, xmlNode *b)
{
	for (const xmlAttr *at = a->properties; at != NULL; at = at->next) {
		xmlChar *mine = xmlNodeListGetString(a->doc, at->children, 1), *other = xmlGetProp(b, at->name);

		if (other == NULL)
			fail_msg("<%s>: no attribute %s", (const char *)b->name, (const char *)at->name);
		assert_string_equal((char *)mine, (char *)other);
		xmlFree(mine);
		xmlFree(other);
	}
}

/* Elements, attributes and text alike; comments and blanks between elements are nothing. */
static void expect_same(xmlNode *a, xmlNode *b)
{
	xmlNode *x, *y;

	assert_string_equal((const char *)a->name, (const char *)b->name);
	expect_same_attributes(a, b);
	expect_same_attributes(b, a);
	x = next_element(a->children);
	y = next_element(b->children);
	if (x == NULL && y == NULL) {
		xmlChar *mine = xmlNodeGetContent(a), *other = xmlNodeGetContent(b);

		assert_string_equal((char *)mine, (char *)other);
		xmlFree(mine);
		xmlFree(other);
		return;
	}
	while (x != NULL && y != NULL) {
		expect_same(x, y);
		x = next_element(x->next);
		y = next_element(y->next);
	}
	if (x != NULL || y != NULL)
		fail_msg("<%s>: one has <%s>, the other not", (const char *)a->name,
			 (const char *)(x != NULL ? x : y)->name);
}

static void test_document(void **state)
{
	struct domain_plan p = plan;
	struct err err = { 0 };
	xmlDoc *document = xmlReadFile(LIBVIRT_FOLDER "/managed.xml", NULL, XML_PARSE_NONET), *written;
	xmlNode *uuid;
	char *xml;

	(void)state;
	p.is_kvm = true;
	p.cmdline = "net.address=10.77.0.5/16 net.gateway=10.77.0.1 cores.min=2 cores.max=4";
	p.file_count = 1;
	p.files[0].path = "/run/ix/web/seed";
	xml = domain_xml(&p, &err);
	written = xmlReadMemory(xml, (int)strlen(xml), "written", NULL, XML_PARSE_NONET);
	assert_non_null(document);
	assert_non_null(written);
	/* Ours comes from the name; whoever writes by hand leaves it to libvirt. */
	uuid = next_element(next_element(xmlDocGetRootElement(written)->children)->next);
	assert_string_equal((const char *)uuid->name, "uuid");
	xmlUnlinkNode(uuid);
	xmlFreeNode(uuid);
	expect_same(xmlDocGetRootElement(document), xmlDocGetRootElement(written));
	xmlFreeDoc(document);
	xmlFreeDoc(written);
	free(xml);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_of_a_plan), cmocka_unit_test(test_hugepages),
		cmocka_unit_test(test_user),          cmocka_unit_test(test_what_kvm_changes),
		cmocka_unit_test(test_identity),      cmocka_unit_test(test_document),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
