/* SPDX-License-Identifier: MIT */
/* Whose CPU is which, on machines whose /sys was written down (topology/). */
#include "hostctl/policy/place.h"
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define GUESTS 12u

static struct place_topology t;
static struct place_guest guests[GUESTS];
static unsigned count;

/* Every folder of @path. */
static void make_folders(char *path)
{
	for (char *p = path + 1; *p != '\0'; p++)
		if (*p == '/') {
			*p = '\0';
			assert_true(mkdir(path, 0755) == 0 || errno == EEXIST);
			*p = '/';
		}
}

/* The tree that TOPOLOGY_FOLDER/@name tells of, read back. */
static void machine(const char *name, const char *pollers)
{
	static char path[PATH_MAX], root[PATH_MAX / 2], line[300], file[200], text[100];
	struct place_set polling, all;
	struct err err = { 0 };
	FILE *f;

	snprintf(path, sizeof(path), TOPOLOGY_FOLDER "/%s", name);
	f = fopen(path, "re");
	assert_non_null(f);
	snprintf(root, sizeof(root), TREE_FOLDER "/%s", name);
	while (fgets(line, sizeof(line), f) != NULL) {
		FILE *to;

		if (line[0] == '#' || sscanf(line, "%199s %99s", file, text) != 2)
			continue;
		snprintf(path, sizeof(path), "%s/sys/devices/system/%s", root, file);
		make_folders(path);
		to = fopen(path, "we");
		assert_non_null(to);
		fprintf(to, "%s\n", text);
		assert_int_equal(fclose(to), 0);
	}
	fclose(f);
	assert_int_equal(place_read(&t, root, &err), 0);
	assert_true(place_mask(pollers, &polling));
	memset(&all, 0xff, sizeof(all));
	place_settle(&t, &all, &polling);
	count = 0;
}

static struct place_guest *add(uint32_t vcpus)
{
	place_new(&guests[count]);
	guests[count].vcpus = vcpus;
	return &guests[count++];
}

static void check(const struct place_set *s, const char *expected)
{
	char text[200];

	place_words(s, text, sizeof(text));
	assert_string_equal(text, expected);
}

/* In every case: a CPU is one vCPU's, for guests, and of a vCPU that is there. */
static void check_all(void)
{
	struct place_set seen = { 0 };

	for (unsigned i = 0; i < count; i++)
		for (unsigned v = 0; v < PLACE_VCPUS_MAX; v++) {
			int cpu = guests[i].cpu[v];

			if (cpu == PLACE_NONE)
				continue;
			assert_true(v < guests[i].vcpus);
			assert_true(place_has(&t.guests, (unsigned)cpu));
			assert_false(place_has(&seen, (unsigned)cpu));
			place_add(&seen, (unsigned)cpu);
		}
}

static void place(void)
{
	place_all(&t, guests, count);
	check_all();
}

static void test_sets(void **state)
{
	struct place_set s;
	static const char *const bad[] = { "x", "1-", "3-2", "1,,2", "1024", "-1", "0-99999999999999999999", "1 2" };
	static const char *const bad_masks[] = { "", "0x", "0xg", "1 ", "-1" };

	(void)state;
	assert_true(place_list("0-2,5,63-64\n", &s));
	check(&s, "0-2,5,63-64");
	assert_int_equal(place_count(&s), 6);
	assert_true(place_list("\n", &s));
	assert_int_equal(place_count(&s), 0);
	assert_true(place_list("1023", &s));
	assert_true(place_mask("0x1e", &s));
	check(&s, "1-4");
	assert_true(place_mask("10000000000000001", &s));
	check(&s, "0,64");
	for (unsigned i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_false(place_list(bad[i], &s));
	for (unsigned i = 0; i < sizeof(bad_masks) / sizeof(*bad_masks); i++)
		assert_false(place_mask(bad_masks[i], &s));
}

static void test_small(void **state)
{
	struct place_set s;

	(void)state;
	machine("virtual-2.txt", "0x2");
	assert_true(t.is_small);
	add(4);
	place();
	assert_int_equal(guests[0].cpu[0], PLACE_NONE);
	place_shared(&t, guests, count, &s);
	check(&s, "0-1");
	place_others(&t, guests, count, &s);
	check(&s, "0-1");
}

static void test_no_tree(void **state)
{
	struct err err = { 0 };

	(void)state;
	assert_int_equal(place_read(&t, "/nowhere", &err), -1);
	assert_int_equal(err.status, STATUS_MACHINE);
	err_fini(&err);
}

static void test_switch_and_lowest(void **state)
{
	struct place_set s;

	(void)state;
	machine("two-nodes-smt.txt", "0x6"); /* CPUs 1 and 2 poll, their siblings are 17 and 18 */
	check(&t.guests, "3-16,19-31");
	add(2);
	place();
	place_others(&t, guests, count, &s);
	assert_true(place_has(&s, 0));
	assert_false(place_has(&s, 1));
	assert_false(place_has(&s, (unsigned)guests[0].cpu[0]));
	/* Only CPUs that we may use. */
	assert_true(place_list("4-9", &s));
	place_settle(&t, &s, &(struct place_set){ 0 });
	check(&t.guests, "5-9");
}

static unsigned node_of(const struct place_guest *g, unsigned v)
{
	return t.node[g->cpu[v]];
}

static void test_nodes_and_siblings(void **state)
{
	struct place_guest *a, *b, *c;

	(void)state;
	machine("two-nodes-smt.txt", "0x2");
	a = add(8); /* fits on node 1 as whole cores: it has most room */
	place();
	for (unsigned v = 0; v < 8; v++) {
		assert_int_equal(node_of(a, v), 1);
		for (unsigned w = 0; w < v; w++)
			assert_int_not_equal(t.core[a->cpu[v]], t.core[a->cpu[w]]);
	}
	b = add(4);
	place();
	for (unsigned v = 0; v < 4; v++)
		assert_int_equal(node_of(b, v), 0);
	/* It grows: siblings of its own cores, on its node. */
	a->vcpus = 12;
	place();
	for (unsigned v = 8; v < 12; v++)
		assert_int_equal(node_of(a, v), 1);
	/* A third does not sit beside them. */
	c = add(2);
	place();
	for (unsigned v = 0; v < 2; v++)
		for (unsigned w = 0; w < 4; w++)
			assert_int_not_equal(t.core[c->cpu[v]], t.core[b->cpu[w]]);
}

static void test_what_is_given_stays(void **state)
{
	struct place_guest before[3];

	(void)state;
	machine("two-nodes-smt.txt", "0x2");
	add(3);
	add(4);
	add(2);
	place();
	memcpy(before, guests, sizeof(before));
	guests[1].vcpus = 2;
	place();
	assert_memory_equal(&guests[0], &before[0], sizeof(before[0]));
	assert_memory_equal(&guests[2], &before[2], sizeof(before[2]));
	assert_int_equal(guests[1].cpu[1], before[1].cpu[1]);
	assert_int_equal(guests[1].cpu[2], PLACE_NONE);
	for (unsigned i = 0; i < 10; i++)
		place();
	assert_memory_equal(&guests[0], &before[0], sizeof(before[0]));
}

static void test_more_than_there_are(void **state)
{
	struct place_set s;
	unsigned shared = 0;

	(void)state;
	machine("one-node-pairs.txt", "0x8"); /* CPU 3 polls, 2 is its sibling, 5 is offline, 0 is everybody's */
	check(&t.guests, "1,4,6-15");
	for (unsigned i = 0; i < 4; i++)
		add(4);
	place();
	for (unsigned i = 0; i < 4; i++)
		for (unsigned v = 0; v < 4; v++)
			if (guests[i].cpu[v] == PLACE_NONE) {
				shared++;
				place_shared(&t, guests, count, &s);
				check(&s, "1,4,6-15");
			}
	assert_int_equal(shared, 4);
	/* The first ends: who shared has CPUs now. */
	guests[0].vcpus = 0;
	place();
	place();
	for (unsigned v = 0; v < 4; v++)
		assert_int_not_equal(guests[3].cpu[v], PLACE_NONE);
}

static bool is_beside_stranger(const struct place_guest *g)
{
	for (unsigned v = 0; v < g->vcpus; v++)
		for (unsigned i = 0; i < count; i++)
			for (unsigned w = 0; w < guests[i].vcpus; w++)
				if (&guests[i] != g && guests[i].cpu[w] >= 0 &&
				    t.core[guests[i].cpu[w]] == t.core[g->cpu[v]])
					return true;
	return false;
}

static void test_strangers_part(void **state)
{
	struct place_guest *last;

	(void)state;
	machine("one-node-pairs.txt", "0x8");
	for (unsigned i = 0; i < 8; i++)
		add(1);
	last = add(1);
	place();
	assert_true(is_beside_stranger(last));
	guests[2].vcpus = guests[3].vcpus = 0;
	place();
	place();
	assert_false(is_beside_stranger(last));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sets),
		cmocka_unit_test(test_small),
		cmocka_unit_test(test_no_tree),
		cmocka_unit_test(test_switch_and_lowest),
		cmocka_unit_test(test_nodes_and_siblings),
		cmocka_unit_test(test_what_is_given_stays),
		cmocka_unit_test(test_more_than_there_are),
		cmocka_unit_test(test_strangers_part),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
