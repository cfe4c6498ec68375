/* SPDX-License-Identifier: MIT */
/* The table of number fields, and the one check of a value's range. */
#include "kernel/conf/field.h"

#include "kernel/base/bytes.h"
#include "kernel/base/err.h"
#include "kernel/base/fmt.h"
#include "kernel/conf/value.h"

#define AT(name) offsetof(struct ix_manifest, name), offsetof(struct conf, name)

/* clang-format off */
const struct field field_table[FIELD_COUNT] = {
	/* key                kind           min  max      multiple */
	{ "memory_mib",       FIELD_CHECKED, 64,  1048576, 1,    offsetof(struct ix_manifest, memory_mib), 0 },
	{ "cores.min",        FIELD_NUMBER,  1,   IX_CORES_MAX, 1, AT(cores_min) },
	{ "cores.max",        FIELD_NUMBER,  1,   IX_CORES_MAX, 1, AT(cores_max) },
	{ "heap_mib",         FIELD_NUMBER,  2,   1048576, 1,    AT(heap_mib) },
	{ "net.mtu",          FIELD_NUMBER,  576, 1500,    1,    AT(mtu) },
	{ "connections",      FIELD_NUMBER,  16,  4194304, 1,    AT(connections) },
	{ "rx_buffers",       FIELD_NUMBER,  1024, 4194304, 1024, AT(rx_buffers) },
	{ "batch",            FIELD_NUMBER,  1,   64,      1,    AT(batch) },
	{ "poll_us",          FIELD_AUTO,    0,   1000000, 1,    AT(poll_us) },
	{ "restart.on_fault", FIELD_FLAG,    0,   1,       1,    AT(restart_on_fault) },
	{ "restart.max",      FIELD_NUMBER,  0,   64,      1,    AT(restart_max) },
	{ "restart.window_s", FIELD_NUMBER,  1,   86400,   1,    AT(restart_window_s) },
	{ "watchdog_ms",      FIELD_NUMBER,  0,   600000,  1,    AT(watchdog_ms) },
	{ "rto_floor_ms",     FIELD_NUMBER,  5,   1000,    1,    AT(rto_floor_ms) },
	{ "stats_s",          FIELD_NUMBER,  0,   3600,    1,    AT(stats_s) },
	{ "tcp.timestamps",   FIELD_FLAG,    0,   1,       1,    AT(tcp_timestamps) },
	{ "net.slaac",        FIELD_FLAG,    0,   1,       1,    AT(slaac) },
	{ "prefix_bits",      FIELD_HIDDEN,  0,   32,      1,    AT(prefix_bits) },
	{ "prefix6_bits",     FIELD_HIDDEN,  0,   128,     1,    AT(prefix6_bits) },
};
/* clang-format on */

#define WATCHDOG_MS_MIN 10u

const struct field *field_find(const char *key)
{
	for (unsigned i = 0; i < FIELD_COUNT; i++)
		if (field_is_settable(&field_table[i]) && !strcmp(key, field_table[i].key))
			return &field_table[i];
	return NULL;
}

static bool in_range(const struct field *f, uint32_t value)
{
	if (f->kind == FIELD_AUTO && value == UINT32_MAX)
		return true;
	if (value < f->min || value > f->max || value % f->multiple)
		return false;
	/* The one range with a hole: 0 is "none", the rest must leave ring 3 some time. */
	return f->conf_off != offsetof(struct conf, watchdog_ms) || value == 0 || value >= WATCHDOG_MS_MIN;
}

static int refuse(const struct field *f, const char *got, char *error)
{
	const char *hint = "";

	if (f->kind == FIELD_AUTO)
		hint = " or auto";
	else if (f->multiple > 1)
		hint = ", a multiple of 1024";
	else if (f->conf_off == offsetof(struct conf, watchdog_ms))
		hint = " (1..9 is too short)";
	fmt_text(error, CONF_ERROR_BYTES, "%s: %.20s is not a number in %u..%u%s", f->key, got, f->min, f->max, hint);
	return KERR_INVALID;
}

int field_set(const struct field *f, struct conf *out, uint32_t value, char *error)
{
	uint8_t *at = (uint8_t *)out + f->conf_off;
	bool is_on = value;

	if (!in_range(f, value)) {
		char got[12];

		fmt_text(got, sizeof(got), "%u", value);
		return refuse(f, got, error);
	}
	if (f->kind == FIELD_FLAG)
		memcpy(at, &is_on, sizeof(is_on));
	else if (f->kind != FIELD_CHECKED)
		memcpy(at, &value, sizeof(value));
	return 0;
}

int field_parse(const struct field *f, struct conf *out, const char *text, char *error)
{
	uint32_t value;
	bool is_on;

	if (f->kind == FIELD_FLAG) {
		if (value_flag(text, &is_on))
			return field_set(f, out, is_on, error);
		fmt_text(error, CONF_ERROR_BYTES, "%s: %.20s is neither true nor false", f->key, text);
		return KERR_INVALID;
	}
	if (f->kind == FIELD_AUTO && !strcmp(text, "auto"))
		return field_set(f, out, UINT32_MAX, error);
	if (!value_number(text, &value) || value == UINT32_MAX)
		return refuse(f, text, error);
	return field_set(f, out, value, error);
}

int field_from_manifest(struct conf *out, const struct ix_manifest *m, char *error)
{
	for (unsigned i = 0; i < FIELD_COUNT; i++) {
		uint32_t value;
		int err;

		memcpy(&value, (const uint8_t *)m + field_table[i].manifest_off, sizeof(value));
		err = field_set(&field_table[i], out, value, error);
		if (err)
			return err;
	}
	return 0;
}
