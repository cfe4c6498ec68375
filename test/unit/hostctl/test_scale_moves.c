/* SPDX-License-Identifier: MIT */
/* What a resize does next, and what QEMU answers: functions without a machine behind them. */
#include "test/unit/hostctl/elastic.h"
#include <string.h>
#include <unistd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void test_next_move(void **state)
{
	static const struct {
		uint32_t count, libvirt, running, wanted, to, present;
		bool keeps;
		enum scale_move next;
	} cases[] = {
		{ 1, 1, 1, 4, 1, 1, false, SCALE_DONE },        { 1, 1, 1, 4, 2, 1, false, SCALE_MOVE_PLUG },
		{ 2, 2, 1, 4, 2, 2, false, SCALE_MOVE_WAIT },   { 2, 2, 1, 1, 2, 2, false, SCALE_MOVE_SET },
		{ 2, 2, 2, 4, 1, 2, false, SCALE_MOVE_SET },    { 2, 2, 2, 1, 1, 2, false, SCALE_MOVE_WAIT },
		{ 2, 2, 1, 1, 1, 2, false, SCALE_MOVE_UNPLUG }, { 2, 2, 1, 1, 1, 2, true, SCALE_DONE },
		{ 1, 2, 1, 1, 1, 1, true, SCALE_MOVE_COUNT },   { 3, 3, 1, 4, 1, 3, true, SCALE_MOVE_SET },
		{ 1, 2, 1, 4, 2, 1, false, SCALE_MOVE_PLUG },   { 6, 6, 4, 4, 4, 6, true, SCALE_DONE },
		{ 6, 6, 4, 4, 4, 4, true, SCALE_DONE },         { 1, 1, 1, 1, 1, 2, false, SCALE_MOVE_WAIT },
		{ 4, 4, 2, 2, 2, 3, true, SCALE_MOVE_WAIT },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct scale_look now = {
			.running = cases[i].running, .wanted = cases[i].wanted, .present = cases[i].present, .limit = 4
		};

		now.vcpus.count = cases[i].count;
		now.vcpus.libvirt = cases[i].libvirt;
		if (scale_next(&now, cases[i].to, cases[i].keeps) != cases[i].next)
			fail_msg("case %u: %d", i, scale_next(&now, cases[i].to, cases[i].keeps));
	}
}

static void test_answers_of_qemu(void **state)
{
	static const char slots[] = "{\"return\":[{\"vcpus-count\":1},{\"vcpus-count\":1,\"qom-path\":\"/a\"}]}";
	static const struct {
		const char *cpus, *slots, *says;
	} bad[] = {
		{ "", slots, "not a list" },
		{ "{\"return\":{}}", slots, "not a list" },
		{ "{\"return\":[]}", slots, "no vCPU" },
		{ "{\"return\":[{\"cpu-index\":64,\"thread-id\":1}]}", slots, "no sense" },
		{ "{\"return\":[{\"cpu-index\":-1,\"thread-id\":1}]}", slots, "no sense" },
		{ "{\"return\":[{\"cpu-index\":0,\"thread-id\":0}]}", slots, "no sense" },
		{ "{\"return\":[{\"cpu-index\":0,\"thread-id\":5},{\"cpu-index\":0,\"thread-id\":6}]}", slots,
		  "no sense" },
		{ "{\"return\":[{\"cpu-index\":0,\"thread-id\":5},{\"cpu-index\":1,\"thread-id\":6}]}", slots,
		  "just now" },
		{ "{\"return\":[{\"cpu-index\":0,\"thread-id\":5}]}", "{\"return\":[{\"vcpus-count\":2}]}",
		  "one by one" },
	};
	struct domain_vcpus v;
	struct err err = { 0 };

	(void)state;
	assert_int_equal(domain_parse_vcpus(&v, "{\"return\":[{\"cpu-index\":0,\"thread-id\":5}]}", slots, &err), 0);
	assert_int_equal(v.count, 1);
	assert_int_equal(v.max, 2);
	assert_int_equal(v.present, 1);
	assert_int_equal(v.threads[0], 5);
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(domain_parse_vcpus(&v, bad[i].cpus, bad[i].slots, &err), -1);
		if (strstr(err.text, bad[i].says) == NULL)
			fail_msg("case %u: %s", i, err.text);
		assert_int_equal(v.count, 0);
		err_fini(&err);
	}
	assert_true(domain_process_start(getpid()) > 0);
	assert_int_equal(domain_process_start(0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_next_move),
		cmocka_unit_test(test_answers_of_qemu),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
