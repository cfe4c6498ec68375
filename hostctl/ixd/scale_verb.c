/* SPDX-License-Identifier: MIT */
/* Verb `scale`: a number of cores by hand, or the policy again. */
#include "hostctl/ixd/scale_run.h"

#define CORES_MAX 64

int verb_scale(struct request *r, struct err *err)
{
	const json_t *cpus = json_object_get(r->message.object, "cpus");
	bool is_auto = json_is_true(json_object_get(r->message.object, "auto"));
	json_int_t n = json_integer_value(cpus);
	const char *name = request_known(r, err);

	if (name == NULL)
		return -1;
	if (is_auto == (cpus != NULL))
		return err_set(err, STATUS_USAGE, "scale: say either how many cores, or auto");
	if (is_auto) {
		if (scale_auto(name, err) != 0)
			return -1;
		r->result = json_pack("{s:s}", "mode", "auto");
		return 0;
	}
	if (!json_is_integer(cpus) || n < 1 || n > CORES_MAX)
		return err_set(err, STATUS_USAGE, "cpus: expected a number from 1 to %d", CORES_MAX);
	return scale_ask(r, name, (uint32_t)n, err);
}
