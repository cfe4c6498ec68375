/* SPDX-License-Identifier: MIT */
/* Records of guests: what is taken and refused, that nothing is lost on the way to disk and back, and locks. */
#include "hostctl/base/paths.h"
#include "hostctl/guest/guest.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static const char full[] =
	"{\"name\":\"web\",\"cpus\":{\"min\":1,\"max\":4},\"memory_mib\":256,\"address\":\"10.77.0.5/"
	"16\",\"address6\":\"fd07::5/64\",\"gateway\":\"10.77.0.1\","
	"\"publish\":[\"8080:80\",\"10.0.0.1:53:53/udp\"],\"allow\":[\"db\"],\"rate_mbit\":1000,\"env\":[\"A=b c\"],"
	"\"set\":[\"poll_us=0\"],\"args\":[],\"files\":[{\"name\":\"a.conf\"},{\"name\":\"key\",\"secret\":true}],"
	"\"mode\":\"manual\",\"priority\":80,\"cores\":3,\"scaling\":\"hand\","
	"\"vcpus\":{\"pid\":7,\"start\":99,\"made\":4,\"threads\":[11,12]},"
	"\"autostart\":false,\"wanted\":true,\"uid\":1879048200,\"generation\":3,\"previous\":2,\"older\":1,\"trying\":"
	"true,"
	"\"image\":{\"name\":\"echo\",\"version\":\"1\",\"sha256\":"
	"\"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\"}}";

static struct guest g, again;

static int take(const char *text, struct err *err)
{
	json_error_t why;
	json_t *o = json_loads(text, 0, &why);
	int result;

	assert_non_null(o);
	result = guest_from_json(&g, o, err);
	json_decref(o);
	return result;
}

static void test_all_fields_there_and_back(void **state)
{
	struct err err = { 0 };
	json_t *one, *two;

	(void)state;
	assert_int_equal(take(full, &err), 0);
	assert_int_equal(g.publish[1].guest_port, 53);
	assert_true(g.publish[1].is_udp);
	assert_int_equal(g.publish[1].host[0], 10);
	assert_int_equal(g.publish[0].host[0], 0);
	assert_true(g.has_args);
	assert_true(g.files[1].is_secret);
	assert_false(g.is_auto);
	assert_int_equal(g.priority, 80);
	assert_int_equal(g.vcpus.threads[1], 12);
	one = guest_to_json(&g);
	assert_int_equal(guest_from_json(&again, one, &err), 0);
	two = guest_to_json(&again);
	assert_true(json_equal(one, two));
	json_decref(one);
	json_decref(two);
	guest_fini(&g);
	guest_fini(&again);
}

static void test_refused(void **state)
{
	static const struct {
		const char *json, *says;
	} bad[] = {
		{ "{}", "name" },
		{ "[]", "JSON object" },
		{ "{\"name\":\"Web\"}", "Web" },
		{ "{\"name\":\"web\",\"cpu\":1}", "did you mean cpus" },
		{ "{\"name\":\"web\",\"cpus\":{\"min\":4,\"max\":1}}", "MIN:MAX" },
		{ "{\"name\":\"web\",\"cpus\":{\"min\":1,\"max\":65}}", "cpus.max" },
		{ "{\"name\":\"web\",\"cpus\":{\"min\":-1,\"max\":1}}", "cpus.min" },
		{ "{\"name\":\"web\",\"memory_mib\":\"1\"}", "memory_mib" },
		{ "{\"name\":\"web\",\"uid\":1000}", "uid" },
		{ "{\"name\":\"web\",\"uid\":1879049216}", "uid" },
		{ "{\"name\":\"web\",\"address\":\"10.77.0.0/16\"}", "address" },
		{ "{\"name\":\"web\",\"address\":\"10.77.0.5/16\",\"dhcp\":true}", "one of them" },
		{ "{\"name\":\"web\",\"address6\":\"ff02::1/64\"}", "address6" },
		{ "{\"name\":\"web\",\"mode\":\"fast\"}", "auto or manual" },
		{ "{\"name\":\"web\",\"priority\":0}", "1 to 100" },
		{ "{\"name\":\"web\",\"priority\":101}", "priority" },
		{ "{\"name\":\"web\",\"cores\":65}", "cores" },
		{ "{\"name\":\"web\",\"scaling\":\"somebody\"}", "scaling" },
		{ "{\"name\":\"web\",\"vcpus\":{\"pid\":1}}", "vcpus" },
		{ "{\"name\":\"web\",\"vcpus\":{\"pid\":1,\"start\":1,\"made\":1,\"threads\":[0]}}", "vcpus" },
		{ "{\"name\":\"web\",\"vcpus\":{\"pid\":1,\"start\":1,\"made\":-1,\"threads\":[]}}", "vcpus" },
		{ "{\"name\":\"web\",\"publish\":[\"80\"]}", "80" },
		{ "{\"name\":\"web\",\"publish\":[\"0:80\"]}", "no port of the host" },
		{ "{\"name\":\"web\",\"publish\":[\"80:80\",\"80:81\"]}", "twice" },
		{ "{\"name\":\"web\",\"allow\":[\"../x\"]}", "../x" },
		{ "{\"name\":\"web\",\"env\":[\"=x\"]}", "NAME=VALUE" },
		{ "{\"name\":\"web\",\"env\":[\"A B=x\"]}", "NAME=VALUE" },
		{ "{\"name\":\"web\",\"args\":[\"a\\nb\"]}", "control characters" },
		{ "{\"name\":\"web\",\"files\":[{\"name\":\"../../etc/passwd\"}]}", "passwd" },
		{ "{\"name\":\"web\",\"files\":[{\"name\":\".x\"}]}", ".x" },
		{ "{\"name\":\"web\",\"files\":[{\"name\":\"x\"},{\"name\":\"x\"}]}", "twice" },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct err err = { 0 };

		assert_int_equal(take(bad[i].json, &err), -1);
		if (strstr(err.text, bad[i].says) == NULL)
			fail_msg("%s: %s", bad[i].json, err.text);
		err_fini(&err);
		guest_fini(&g);
	}
}

/* A record of before there were modes: MIN:MAX is decided by policy, one number by nobody. */
static void test_old_record(void **state)
{
	struct err err = { 0 };

	(void)state;
	assert_int_equal(take("{\"name\":\"web\",\"cpus\":{\"min\":1,\"max\":4}}", &err), 0);
	assert_true(g.is_auto);
	assert_int_equal(g.priority, GUEST_PRIORITY);
	guest_fini(&g);
	assert_int_equal(take("{\"name\":\"web\",\"cpus\":{\"min\":4,\"max\":4}}", &err), 0);
	assert_false(g.is_auto);
	guest_fini(&g);
}

/* Threads that were not there at the last look are new; of another QEMU all are. */
static void test_threads(void **state)
{
	int32_t threads[GUEST_VCPUS_MAX] = { 10, 11 };
	struct guest_vcpus v = { 0 };

	(void)state;
	guest_vcpus_see(&v, 7, 70, threads);
	assert_int_equal(v.made, 2);
	threads[5] = 12;
	threads[1] = 0;
	guest_vcpus_see(&v, 7, 70, threads);
	assert_int_equal(v.made, 3);
	assert_int_equal(v.count, 2);
	threads[5] = 13; /* gone, and another in its place */
	guest_vcpus_see(&v, 7, 70, threads);
	assert_int_equal(v.made, 4);
	assert_false(guest_vcpus_see(&v, 7, 70, threads));
	assert_int_equal(v.made, 4);
	guest_vcpus_see(&v, 7, 71, threads); /* the same number by chance */
	assert_int_equal(v.made, 2);
}

static void test_on_disk(void **state)
{
	int source = memfd_create("file", MFD_CLOEXEC);
	struct err err = { 0 };
	json_t *names;
	struct stat st;

	(void)state;
	assert_int_equal(guest_load(&g, "web", &err), -1);
	assert_string_equal(err.text, "there is no guest 'web'");
	err_fini(&err);
	assert_int_equal(take(full, &err), 0);
	assert_int_equal(guest_save(&g, &err), 0);
	assert_int_equal(write(source, "secret", 6), 6);
	lseek(source, 0, SEEK_SET);
	assert_int_equal(guest_put_file("web", "secrets/key", source, 100, &err), 0);
	assert_int_equal(stat(PATHS_GUESTS "/web/secrets/key", &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(st.st_size, 6);
	lseek(source, 0, SEEK_SET);
	assert_int_equal(guest_put_file("web", "secrets/key", source, 5, &err), -1); /* the old one stays */
	err_fini(&err);
	assert_int_equal(stat(PATHS_GUESTS "/web/secrets/key", &st), 0);
	assert_int_equal(access(PATHS_GUESTS "/web/secrets/key.new", F_OK), -1);
	guest_fini(&g);
	assert_int_equal(guest_load(&g, "web", &err), 0);
	assert_int_equal(g.generation, 3);
	guest_fini(&g);
	assert_int_equal(guest_list(&names, &err), 0);
	assert_int_equal(json_array_size(names), 1);
	json_decref(names);
	assert_int_equal(guest_remove("web", &err), 0);
	assert_false(guest_exists("web"));
	assert_int_equal(guest_remove("web", &err), 0);
	close(source);
}

static void test_damaged(void **state)
{
	struct err err = { 0 };
	int fd;

	(void)state;
	assert_int_equal(take(full, &err), 0);
	assert_int_equal(guest_save(&g, &err), 0);
	guest_fini(&g);
	fd = open(PATHS_GUESTS "/web/guest.json", O_WRONLY | O_TRUNC | O_CLOEXEC);
	assert_int_equal(write(fd, "{\"name\":", 8), 8);
	close(fd);
	assert_int_equal(guest_load(&g, "web", &err), -1);
	assert_int_equal(err.status, STATUS_DATA);
	err_fini(&err);
	assert_true(guest_exists("web"));
	assert_int_equal(guest_remove("web", &err), 0);
}

static void test_locks(void **state)
{
	struct err err = { 0 };
	int one = guest_lock("web", 1, &err), two;

	(void)state;
	assert_true(one >= 0);
	assert_int_equal(guest_lock("web", 0, &err), -1);
	assert_non_null(strstr(err.text, "busy with 'web'"));
	err_fini(&err);
	two = guest_lock("db", 0, &err);
	assert_true(two >= 0);
	close(one);
	one = guest_lock("web", 0, &err);
	assert_true(one >= 0);
	close(one);
	close(two);
}

static void put_image(uint32_t generation)
{
	char file[GUEST_IMAGE_NAME_BYTES];
	struct err err = { 0 };
	int from = open("/dev/null", O_RDONLY | O_CLOEXEC);

	guest_image_name(generation, file);
	assert_int_equal(guest_put_file("web", file, from, 1, &err), 0);
	close(from);
}

static bool has_image(uint32_t generation)
{
	char *path = guest_image_path("web", generation);
	bool has = access(path, F_OK) == 0;

	free(path);
	return has;
}

static void test_images(void **state)
{
	struct err err = { 0 };

	(void)state;
	assert_int_equal(take(full, &err), 0); /* generation 3, before 2, older 1 */
	assert_int_equal(guest_save(&g, &err), 0);
	for (uint32_t i = 1; i <= 12; i++)
		put_image(i);
	assert_int_equal(guest_remove_images(&g, &err), 0);
	for (uint32_t i = 1; i <= 12; i++)
		assert_int_equal(has_image(i), i <= 3);
	g.older = 0;
	g.previous = 0;
	assert_int_equal(guest_remove_images(&g, &err), 0);
	assert_true(!has_image(1) && !has_image(2) && has_image(3));
	assert_true(guest_exists("web"));
	assert_int_equal(guest_remove("web", &err), 0);
	assert_int_equal(guest_remove_images(&g, &err), -1);
	err_fini(&err);
	guest_fini(&g);
}

static int setup(void **state)
{
	(void)state;
	return system("rm -rf '" PATHS_ROOT "' && mkdir -p '" PATHS_ROOT "/run' '" PATHS_ROOT "/var/lib/ix'") == 0 ? 0
														   : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_fields_there_and_back),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_old_record),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_on_disk),
		cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_locks),
		cmocka_unit_test(test_images),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
