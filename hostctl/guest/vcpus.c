/* SPDX-License-Identifier: MIT */
/* The part of a record that tells of the QEMU that runs: its threads, and how many it has ever made. */
#include "hostctl/guest/guest.h"
#include <string.h>

static int wrong(struct err *err)
{
	return err_set(err, STATUS_USAGE, "vcpus: expected {pid, start, made, threads}");
}

static bool take(const json_t *o, const char *key, json_int_t max, json_int_t *out)
{
	const json_t *v = json_object_get(o, key);

	*out = json_integer_value(v);
	return json_is_integer(v) && *out >= 0 && *out <= max;
}

int guest_vcpus_from_json(struct guest_vcpus *out, const json_t *from, struct err *err)
{
	const json_t *threads = json_object_get(from, "threads");
	json_int_t pid, start, made;

	memset(out, 0, sizeof(*out));
	if (!take(from, "pid", INT32_MAX, &pid) || !take(from, "start", INT64_MAX, &start) ||
	    !take(from, "made", UINT32_MAX, &made) || !json_is_array(threads) ||
	    json_array_size(threads) > GUEST_VCPUS_MAX)
		return wrong(err);
	for (size_t i = 0; i < json_array_size(threads); i++) {
		json_int_t thread = json_integer_value(json_array_get(threads, i));

		if (thread <= 0 || thread > INT32_MAX)
			return wrong(err);
		out->threads[out->count++] = (int32_t)thread;
	}
	out->pid = (int32_t)pid;
	out->start = (uint64_t)start;
	out->made = (uint32_t)made;
	return 0;
}

json_t *guest_vcpus_to_json(const struct guest_vcpus *v)
{
	json_t *threads = json_array();

	for (unsigned i = 0; i < v->count; i++)
		json_array_append_new(threads, json_integer(v->threads[i]));
	return json_pack("{s:i, s:I, s:I, s:o}", "pid", (int)v->pid, "start", (json_int_t)(v->start & INT64_MAX),
			 "made", (json_int_t)v->made, "threads", threads);
}

static bool has_thread(const struct guest_vcpus *v, int32_t thread)
{
	for (unsigned i = 0; i < v->count; i++)
		if (v->threads[i] == thread)
			return true;
	return false;
}

bool guest_vcpus_see(struct guest_vcpus *v, int32_t pid, uint64_t start, const int32_t threads[GUEST_VCPUS_MAX])
{
	struct guest_vcpus now = { .pid = pid, .start = start };
	bool is_new = v->pid != pid || v->start != start;

	if (!is_new)
		now.made = v->made;
	else
		v->count = 0; /* a number may be the same by chance */
	for (unsigned i = 0; i < GUEST_VCPUS_MAX; i++) {
		if (threads[i] == 0)
			continue;
		if (!has_thread(v, threads[i])) {
			now.made++;
			is_new = true;
		}
		now.threads[now.count++] = threads[i];
	}
	is_new |= now.count != v->count;
	*v = now;
	return is_new;
}
