/* SPDX-License-Identifier: MIT */
/*
 * Metrics in Prometheus's text format 0.0.4: families, each with HELP and TYPE, samples beside each other. Base units
 * (seconds, bytes, ratios), written from integers as exact decimals: no float is involved, so none can be NaN.
 * What cores count is derived from IX_PAGE_VALUES: a value that joins there is here by itself.
 */
#include "hostctl/base/blob.h"
#include "hostctl/ixd/http.h"
#include "hostctl/ixd/view.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NS_DIGITS 9u
#define US_DIGITS 6u
#define MS_DIGITS 3u
#define PART_DIGITS 8u     /* of 1/256 */
#define PART_VALUE 390625u /* 10^8 / 256 */
#define NAME_BYTES 64
#define LABEL_BYTES 80 /* a guest's name, each byte of it escaped */

/* A family and how its values are written: integers of which the last @digits are behind the point. */
struct family {
	const char *name, *help;
	bool is_counter;
	unsigned digits;
};

/* The text so far, and room for the labels of the sample in work. */
struct pen {
	struct blob text;
	char name[LABEL_BYTES], labels[2 * LABEL_BYTES + NAME_BYTES];
};

static void begin(struct pen *out, const struct family *f)
{
	blob_print(&out->text, "# HELP %s %s\n# TYPE %s %s\n", f->name, f->help, f->name,
		   f->is_counter ? "counter" : "gauge");
}

/* A label's value with \, " and newline escaped [Prometheus exposition formats]; what does not fit is cut. */
static const char *escape(const char *text, char out[LABEL_BYTES])
{
	size_t at = 0;

	for (; *text != '\0' && at + 3 < LABEL_BYTES; text++) {
		if (*text == '\\' || *text == '"' || *text == '\n')
			out[at++] = '\\';
		out[at++] = *text == '\n' ? 'n' : *text;
	}
	out[at] = '\0';
	return out;
}

static uint64_t power_of_ten(unsigned digits)
{
	uint64_t p = 1;

	while (digits-- > 0)
		p *= 10;
	return p;
}

/* "NAME{LABELS} VALUE"; @labels are written already. */
static void add_sample(struct pen *out, const struct family *f, const char *labels, uint64_t value)
{
	uint64_t one = power_of_ten(f->digits);

	blob_print(&out->text, "%s%s%s%s %" PRIu64, f->name, *labels != '\0' ? "{" : "", labels,
		   *labels != '\0' ? "}" : "", value / one);
	if (f->digits > 0)
		blob_print(&out->text, ".%0*" PRIu64, (int)f->digits, value % one);
	blob_print(&out->text, "\n");
}

static uint64_t since(int64_t now, int64_t then)
{
	return now > then ? (uint64_t)(now - then) : 0;
}

/* ---- guests: one number each. False: there is none now. ---- */

static bool is_up(const struct view_guest *g, uint64_t *out)
{
	*out = g->domain.state == DOMAIN_RUNNING;
	return true;
}

static bool memory_used(const struct view_guest *g, uint64_t *out)
{
	*out = 0; /* each core tells that of all: the newest is the largest, nothing is given back */
	for (unsigned i = 0; i < g->core_count; i++)
		if (g->cores[i].core.value[IX_VALUE_MEMORY_USED] > *out)
			*out = g->cores[i].core.value[IX_VALUE_MEMORY_USED];
	return g->has_guest;
}

static bool beat_age(const struct view_guest *g, uint64_t *out)
{
	*out = since(g->beat_age_ms, 0);
	return g->has_guest;
}

#define GUEST_VALUE(name, condition, value)                         \
	static bool name(const struct view_guest *g, uint64_t *out) \
	{                                                           \
		*out = (value);                                     \
		return (condition);                                 \
	}
GUEST_VALUE(cores, g->has_guest, g->guest.cores)
GUEST_VALUE(cores_max, g->has_guest, g->guest.cores_max)
GUEST_VALUE(cores_present, g->has_guest, g->guest.cores_present)
GUEST_VALUE(cores_wanted, g->has_guest, g->guest.cores_wanted)
GUEST_VALUE(cores_target, g->scale.target > 0, g->scale.target)
GUEST_VALUE(is_auto, true, g->scale.is_auto)
GUEST_VALUE(plugs_left, g->scale.plugs_left != UINT32_MAX && g->domain.state == DOMAIN_RUNNING, g->scale.plugs_left)
GUEST_VALUE(scale_refused, true, g->scale.refused)
GUEST_VALUE(cores_wish, g->scale.is_auto && g->elastic.now.want > 0, g->elastic.now.want)
GUEST_VALUE(restarts, g->has_guest, g->guest.restarts)
GUEST_VALUE(uptime, g->has_guest, g->guest.up_us)
GUEST_VALUE(groups, g->has_guest, g->guest.groups)
GUEST_VALUE(connections_max, g->has_guest, g->guest.connections_max)
GUEST_VALUE(buffers, g->has_guest, g->guest.buffers_total)
GUEST_VALUE(memory, g->domain.memory_kib > 0, g->domain.memory_kib * 1024)
GUEST_VALUE(cpu_time, g->domain.cpu_time_ns > 0, g->domain.cpu_time_ns)
GUEST_VALUE(page_bad, true, g->page_bad)
GUEST_VALUE(port_up, true, g->port.is_linked)
GUEST_VALUE(spoofed, true, g->port.spoofed)
GUEST_VALUE(forbidden, true, g->port.forbidden)
GUEST_VALUE(flooded, true, g->port.flooded)
GUEST_VALUE(limited, true, g->port.limited)
GUEST_VALUE(rate, g->port.is_there, (uint64_t)g->port.rate_mbit * 125000)

static const struct {
	struct family family;
	bool (*value)(const struct view_guest *g, uint64_t *out);
} of_guests[] = {
	{ { "ix_guest_up", "Whether the guest's virtual machine runs.", false, 0 }, is_up },
	{ { "ix_guest_cores", "Cores that run a loop now.", false, 0 }, cores },
	{ { "ix_guest_cores_max", "Cores that the guest may have.", false, 0 }, cores_max },
	{ { "ix_guest_cores_present", "vCPUs that the guest sees, whether they run a loop or are parked.", false, 0 },
	  cores_present },
	{ { "ix_guest_cores_wanted", "Cores that the guest was last told to run at most.", false, 0 }, cores_wanted },
	{ { "ix_guest_cores_target", "Cores that were last asked for, by hand or by policy.", false, 0 },
	  cores_target },
	{ { "ix_guest_scaled_by_policy", "1 if the policy decides how many cores, 0 if they are set by hand.", false,
	    0 },
	  is_auto },
	{ { "ix_guest_plugs_left", "vCPUs that an emulated guest can still be given in its life.", false, 0 },
	  plugs_left },
	{ { "ix_policy_cores_wish",
	    "Cores that the policy would have the guest run if the host had as many as it liked.", false, 0 },
	  cores_wish },
	{ { "ix_scale_refused_total", "Changes of the number of cores that failed.", true, 0 }, scale_refused },
	{ { "ix_guest_restarts_total", "Restarts of the application since the guest began.", true, 0 }, restarts },
	{ { "ix_guest_uptime_seconds", "Time since the guest's kernel was entered.", false, US_DIGITS }, uptime },
	{ { "ix_guest_beat_age_seconds", "Time since the guest last said that it lives.", false, MS_DIGITS },
	  beat_age },
	{ { "ix_guest_page_bad_total", "Looks at the guest's page that were not believed.", true, 0 }, page_bad },
	{ { "ix_guest_flow_groups", "Flow groups, the unit in which connections move between cores.", false, 0 },
	  groups },
	{ { "ix_guest_connections_limit", "Connections that the guest has memory for.", false, 0 }, connections_max },
	{ { "ix_guest_buffers", "Receive buffers of the guest.", false, 0 }, buffers },
	{ { "ix_guest_memory_bytes", "Memory of the virtual machine.", false, 0 }, memory },
	{ { "ix_guest_memory_used_bytes", "Memory blocks in use on all cores.", false, 0 }, memory_used },
	{ { "ix_guest_cpu_seconds_total", "Time of the host's CPUs that the guest used.", true, NS_DIGITS }, cpu_time },
	{ { "ix_port_up", "Whether the guest is connected to its port of the switch.", false, 0 }, port_up },
	{ { "ix_port_spoofed_frames_total", "Frames dropped whose source was not the guest's own.", true, 0 },
	  spoofed },
	{ { "ix_port_forbidden_frames_total", "Frames dropped that were for guests it may not talk to.", true, 0 },
	  forbidden },
	{ { "ix_port_flooded_frames_total", "Frames dropped since the guest sent too many to everybody.", true, 0 },
	  flooded },
	{ { "ix_port_limited_frames_total", "Frames dropped since the guest sent more than its rate.", true, 0 },
	  limited },
	{ { "ix_port_rate_bytes_per_second", "What the guest may send, 0: without a limit.", false, 0 }, rate },
};

static void add_guests(struct pen *out, const struct view *v)
{
	for (unsigned i = 0; i < sizeof(of_guests) / sizeof(of_guests[0]); i++) {
		begin(out, &of_guests[i].family);
		for (unsigned k = 0; k < v->count; k++) {
			uint64_t value;

			snprintf(out->labels, sizeof(out->labels), "guest=\"%s\"", escape(v->guest[k].name, out->name));
			if (of_guests[i].value(&v->guest[k], &value))
				add_sample(out, &of_guests[i].family, out->labels, value);
		}
	}
}

static void add_health(struct pen *out, const struct view *v)
{
	static const struct family f = { "ix_guest_health", "1 for the state that the guest is in, 0 for all others.",
					 false, 0 };
	begin(out, &f);
	for (unsigned k = 0; k < v->count; k++)
		for (unsigned h = 0; h < HEALTH_NR; h++) {
			snprintf(out->labels, sizeof(out->labels), "guest=\"%s\",health=\"%s\"",
				 escape(v->guest[k].name, out->name), health_name((enum health)h));
			add_sample(out, &f, out->labels, v->guest[k].health == h);
		}
}

static void add_scaled(struct pen *out, const struct view *v)
{
	static const struct family f = { "ix_scale_total", "Changes of the number of cores, by who asked.", true, 0 };

	begin(out, &f);
	for (unsigned k = 0; k < v->count; k++)
		for (unsigned i = 0; i < 2 * SCALE_BY_NR; i++) {
			bool is_more = i / SCALE_BY_NR;
			enum scale_by by = (enum scale_by)(i % SCALE_BY_NR);

			snprintf(out->labels, sizeof(out->labels), "guest=\"%s\",direction=\"%s\",by=\"%s\"",
				 escape(v->guest[k].name, out->name), is_more ? "up" : "down", scale_by_name(by));
			add_sample(out, &f, out->labels, v->guest[k].scale.total[is_more][by]);
		}
}

/* Changes that the policy began, by what they were for. */
static void add_policy(struct pen *out, const struct view *v)
{
	static const struct family f = { "ix_policy_changes_total",
					 "Changes of cores that the policy began, by its reason.", true, 0 };

	begin(out, &f);
	for (unsigned k = 0; k < v->count; k++)
		for (unsigned i = POLICY_NONE + 1; i < POLICY_SIGNAL_NR; i++) {
			snprintf(out->labels, sizeof(out->labels), "guest=\"%s\",signal=\"%s\"",
				 escape(v->guest[k].name, out->name), policy_signal_name((enum policy_signal)i));
			add_sample(out, &f, out->labels, v->guest[k].elastic.total[i]);
		}
}

/* Why: the signal of the last change that the policy began, and what keeps a guest from growing. */
static void add_why(struct pen *out, const struct view *v)
{
	static const struct family last[] = {
		{ "ix_policy_last_value", "Signal of the last change that the policy began.", false, 0 },
		{ "ix_policy_last_threshold", "What that signal was beyond.", false, 0 },
		{ "ix_policy_last_held_seconds", "For how long it had been.", false, MS_DIGITS },
	};
	static const struct family held = { "ix_policy_held", "1 for what keeps a guest from growing.", false, 0 };

	for (unsigned i = 0; i < 3; i++) {
		begin(out, &last[i]);
		for (unsigned k = 0; k < v->count; k++) {
			const struct policy_choice *c = &v->guest[k].elastic.last;

			snprintf(out->labels, sizeof(out->labels), "guest=\"%s\",signal=\"%s\",unit=\"%s\"",
				 escape(v->guest[k].name, out->name), policy_signal_name(c->signal),
				 policy_unit(c->signal));
			if (c->signal != POLICY_NONE)
				add_sample(out, &last[i], out->labels,
					   i == 0   ? c->value
					   : i == 1 ? c->threshold
						    : c->held_ms);
		}
	}
	begin(out, &held);
	for (unsigned k = 0; k < v->count; k++)
		for (unsigned i = POLICY_FREE + 1; i < POLICY_HELD_NR; i++) {
			snprintf(out->labels, sizeof(out->labels), "guest=\"%s\",by=\"%s\"",
				 escape(v->guest[k].name, out->name), policy_held_name((enum policy_held)i));
			add_sample(out, &held, out->labels, v->guest[k].elastic.now.held == (enum policy_held)i);
		}
}

static void add_scale_steps(struct pen *out, const struct view *v)
{
	static const struct family f = { "ix_scale_seconds", "How long a step of the last change of cores took.", false,
					 US_DIGITS };

	begin(out, &f);
	for (unsigned k = 0; k < v->count; k++)
		for (unsigned i = 0; i < SCALE_STEP_NR; i++) {
			if (!(v->guest[k].scale.has_step >> i & 1))
				continue;
			snprintf(out->labels, sizeof(out->labels), "guest=\"%s\",step=\"%s\"",
				 escape(v->guest[k].name, out->name), scale_step_name((enum scale_step)i));
			add_sample(out, &f, out->labels, v->guest[k].scale.step_us[i]);
		}
}

static void add_ports(struct pen *out, const struct view *v)
{
	static const struct {
		struct family family;
		size_t from, to; /* where in struct sw_state */
	} both[] = {
		{ { "ix_port_frames_total", "Frames that the switch took from the guest and gave to it.", true, 0 },
		  offsetof(struct sw_state, rx_frames),
		  offsetof(struct sw_state, tx_frames) },
		{ { "ix_port_bytes_total", "Bytes that the switch took from the guest and gave to it.", true, 0 },
		  offsetof(struct sw_state, rx_bytes),
		  offsetof(struct sw_state, tx_bytes) },
		{ { "ix_port_dropped_frames_total", "Frames that the switch could not take or give.", true, 0 },
		  offsetof(struct sw_state, rx_dropped),
		  offsetof(struct sw_state, tx_dropped) },
	};
	for (unsigned i = 0; i < sizeof(both) / sizeof(both[0]); i++) {
		begin(out, &both[i].family);
		for (unsigned k = 0; k < v->count * 2; k++) {
			const struct view_guest *g = &v->guest[k / 2];
			uint64_t value;

			memcpy(&value, (const char *)&g->port + (k % 2 == 0 ? both[i].from : both[i].to),
			       sizeof(value));
			snprintf(out->labels, sizeof(out->labels), "guest=\"%s\",direction=\"%s\"",
				 escape(g->name, out->name), k % 2 == 0 ? "from_guest" : "to_guest");
			add_sample(out, &both[i].family, out->labels, value);
		}
	}
}

/* ---- cores: names and units follow from IX_PAGE_VALUES ---- */

#define DROPPED "dropped_"

/* A gauge's name in the table, without _fast or _slow, and what it is called here. */
static const struct {
	const char *in, *out;
} gauges[] = {
	{ "delay", "ix_core_queue_delay" }, { "idle", "ix_core_idle" },          { "batch", "ix_core_batch" },
	{ "loop", "ix_core_loop" },         { "connections", "ix_connections" },
};

static const char *gauge_name(const char *in, size_t bytes, char name[NAME_BYTES])
{
	snprintf(name, NAME_BYTES, "ix_core_%.*s", (int)bytes, in);
	for (unsigned i = 0; i < sizeof(gauges) / sizeof(gauges[0]); i++)
		if (strlen(gauges[i].in) == bytes && strncmp(gauges[i].in, in, bytes) == 0)
			snprintf(name, NAME_BYTES, "%s", gauges[i].out);
	return name;
}

static bool ends_with(const char *text, const char *end)
{
	size_t a = strlen(text), b = strlen(end);

	return a >= b && strcmp(text + a - b, end) == 0;
}

/* The unit behind a name, and the digits behind the point. */
static const char *unit_of(const struct page_value *p, unsigned *digits)
{
	*digits = strcmp(p->unit, "ns") == 0      ? NS_DIGITS
		  : strcmp(p->unit, "ppm") == 0   ? US_DIGITS
		  : strcmp(p->unit, "1/256") == 0 ? PART_DIGITS
						  : 0;
	return *digits == NS_DIGITS     ? "_seconds"
	       : *digits == US_DIGITS   ? "_ratio"
	       : *digits == PART_DIGITS ? "_frames"
	       : *p->unit != '\0'       ? "_bytes"
					: "";
}

static void core_family(const struct page_value *p, char name[NAME_BYTES], struct family *f)
{
	bool is_fast = ends_with(p->name, "_fast"), is_average = is_fast || ends_with(p->name, "_slow");
	size_t bytes = strlen(p->name) - (is_average ? strlen("_fast") : 0);
	const char *unit = unit_of(p, &f->digits);

	if (p->is_counter && f->digits == NS_DIGITS)
		bytes -= strlen("_ns");
	gauge_name(p->name, bytes, name);
	if (strncmp(p->name, DROPPED, strlen(DROPPED)) == 0)
		snprintf(name, NAME_BYTES, "ix_frames_dropped");
	snprintf(name + strlen(name), NAME_BYTES - strlen(name), "%s%s%s", is_fast ? "_fast" : "", unit,
		 p->is_counter ? "_total" : "");
	f->name = name;
	f->help = p->text;
	f->is_counter = p->is_counter;
}

static uint64_t core_value(const struct view_core *c, unsigned value, unsigned digits)
{
	uint64_t v = c->core.value[value];

	if (digits != PART_DIGITS)
		return v;
	return (v < UINT32_MAX ? v : UINT32_MAX) * PART_VALUE;
}

/* The label that goes with guest and core. */
static const char *more_labels(unsigned value, char out[NAME_BYTES])
{
	const char *name = page_values[value].name;

	*out = '\0';
	if (strncmp(name, DROPPED, strlen(DROPPED)) == 0)
		snprintf(out, NAME_BYTES, ",reason=\"%s\"", name + strlen(DROPPED));
	else if (value == IX_VALUE_CONNECTIONS)
		snprintf(out, NAME_BYTES, ",state=\"established\"");
	return out;
}

static void add_core_value(struct pen *out, const struct view *v, const struct family *f, unsigned value)
{
	char more[NAME_BYTES];

	more_labels(value, more);
	for (unsigned k = 0; k < v->count; k++)
		for (unsigned c = 0; c < v->guest[k].core_count; c++) {
			const struct view_core *core = &v->guest[k].cores[c];

			snprintf(out->labels, sizeof(out->labels), "guest=\"%s\",core=\"%u\"%s",
				 escape(v->guest[k].name, out->name), core->number, more);
			add_sample(out, f, out->labels, core_value(core, value, f->digits));
		}
}

static void add_cores(struct pen *out, const struct view *v)
{
	char name[NAME_BYTES], last[NAME_BYTES] = "";
	struct family f;

	for (unsigned i = 0; i < IX_VALUE_NR; i++) {
		if (i == IX_VALUE_MEMORY_USED)
			continue; /* of the guest as a whole */
		core_family(&page_values[i], name, &f);
		/* What is dropped for several reasons stands in the table one beside the other, and is one family. */
		if (strcmp(name, "ix_frames_dropped_total") == 0)
			f.help = "Frames, segments and datagrams that the guest dropped, by reason.";
		if (strcmp(name, last) != 0)
			begin(out, &f);
		memcpy(last, name, sizeof(last));
		add_core_value(out, v, &f, i);
	}
}

/* ---- ixd itself ---- */

enum { START, GUESTS, REQUESTS, HTTP_REQUESTS, SAMPLE_AGE, CHECK_AGE, HISTORY_MEMORY, DAEMON_NR };

static const struct family of_daemon[DAEMON_NR] = {
	[START] = { "ixd_start_time_seconds", "When ixd began, since 1970.", false, MS_DIGITS },
	[GUESTS] = { "ixd_guests", "Guests on record.", false, 0 },
	[REQUESTS] = { "ixd_requests_total", "Requests of ixctl.", true, 0 },
	[HTTP_REQUESTS] = { "ixd_http_requests_total", "Requests by HTTP.", true, 0 },
	[SAMPLE_AGE] = { "ixd_sample_age_seconds", "Time since guests' pages were read.", false, MS_DIGITS },
	[CHECK_AGE] = { "ixd_check_age_seconds", "Time since libvirt and the switch were asked.", false, MS_DIGITS },
	[HISTORY_MEMORY] = { "ixd_history_bytes", "Memory of what the status page shows.", false, 0 },
};

static void add_daemon(struct pen *out, const struct view *v)
{
	static const struct family build = { "ixd_build_info", "Version of ixd, as a label.", false, 0 };
	const uint64_t values[DAEMON_NR] = {
		[START] = since(ixd.began_ms, 0),
		[GUESTS] = v->count,
		[REQUESTS] = __atomic_load_n(&ixd.requests, __ATOMIC_RELAXED),
		[HTTP_REQUESTS] = __atomic_load_n(&ixd.http_requests, __ATOMIC_RELAXED),
		[SAMPLE_AGE] = since(v->now_ms, __atomic_load_n(&ixd.sampled_ms, __ATOMIC_RELAXED)),
		[CHECK_AGE] = since(v->now_ms, __atomic_load_n(&ixd.checked_ms, __ATOMIC_RELAXED)),
		[HISTORY_MEMORY] = v->history_bytes,
	};

	begin(out, &build);
	add_sample(out, &build, "version=\"" IXCTL_VERSION "\"", 1);
	for (unsigned i = 0; i < DAEMON_NR; i++) {
		begin(out, &of_daemon[i]);
		add_sample(out, &of_daemon[i], "", values[i]);
	}
}

char *metrics_text(size_t *bytes)
{
	struct view *v = view_take();
	struct pen *pen = calloc(1, sizeof(*pen));
	char *text;

	if (pen == NULL)
		abort();
	add_guests(pen, v);
	add_health(pen, v);
	add_scaled(pen, v);
	add_scale_steps(pen, v);
	add_policy(pen, v);
	add_why(pen, v);
	add_ports(pen, v);
	add_cores(pen, v);
	add_daemon(pen, v);
	view_free(v);
	*bytes = pen->text.bytes;
	blob_add(&pen->text, "", 1);
	text = (char *)pen->text.data;
	free(pen);
	return text;
}
