/* SPDX-License-Identifier: MIT */
/* One direction of a bad wire: the fate of each frame, and a heap of those that are under way. */
#include "test/wire/way.h"
#include <stdlib.h>
#include <string.h>

#define ETHERNET_BYTES 14u
#define ETHERNET_EXTRA 24u /* on a real wire beside the frame: preamble, FCS, gap [IEEE 802.3] */
#define NS_PER_MS 1000000.0
#define MARKS_SEED 0xd1b54a32d192ed03u
#define ECN 3u /* the field; its values: not capable, ECT(1), ECT(0), CE [RFC 3168 5] */
#define ECN_CE 3u

enum draw { DRAW_LOSS, DRAW_DUPLICATE, DRAW_REORDER, DRAW_HOLD, DRAW_CORRUPT, DRAW_BIT, DRAWS };

/* ---- rules ---- */

static bool parse_number(const char *text, double max, double *out)
{
	char *end;

	*out = strtod(text, &end);
	return end != text && (*end == '\0' || *end == ',') && *out >= 0 && *out <= max;
}

static bool parse_percent(const char *text, uint32_t *out)
{
	double n;

	if (!parse_number(text, 100, &n))
		return false;
	*out = (uint32_t)(n / 100 * UINT32_MAX);
	return true;
}

static bool parse_ms(const char *text, uint64_t *out)
{
	double n;

	if (!parse_number(text, 60000, &n))
		return false;
	*out = (uint64_t)(n * NS_PER_MS);
	return true;
}

/* Return: what follows @key and its '=', NULL if @text does not begin so. */
static const char *after(const char *text, const char *key)
{
	size_t n = strlen(key);

	return !strncmp(text, key, n) && text[n] == '=' ? text + n + 1 : NULL;
}

static bool parse_word(struct way_rule *r, const char *text)
{
	const char *value;
	double n;

	if ((value = after(text, "loss")))
		return parse_percent(value, &r->loss);
	if ((value = after(text, "duplicate")))
		return parse_percent(value, &r->duplicate);
	if ((value = after(text, "reorder")))
		return parse_percent(value, &r->reorder);
	if ((value = after(text, "corrupt")))
		return parse_percent(value, &r->corrupt);
	if ((value = after(text, "mark")))
		return parse_percent(value, &r->mark);
	if ((value = after(text, "again")))
		return parse_ms(value, &r->again_ns);
	if ((value = after(text, "delay")))
		return parse_ms(value, &r->delay_ns);
	if ((value = after(text, "hold")))
		return parse_ms(value, &r->hold_ns);
	if ((value = after(text, "rate")) && parse_number(value, 1e6, &n)) {
		r->rate = (uint64_t)(n * 1e6);
		return true;
	}
	if ((value = after(text, "queue")) && parse_number(value, 1e6, &n) && n >= 1) {
		r->queue_limit = (uint32_t)n;
		return true;
	}
	return false;
}

const char *way_rule_parse(struct way_rule *rule, const char *text)
{
	const char *comma;

	*rule = (struct way_rule){ .hold_ns = 3000000, .queue_limit = 1000 };
	while (*text) {
		if (!parse_word(rule, text))
			return text;
		comma = strchr(text, ',');
		text = comma ? comma + 1 : text + strlen(text);
	}
	return NULL;
}

/* ---- the fate of a frame ---- */

/* splitmix64's finaliser over a counter: the draws of one frame do not depend on what was drawn for others. */
static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

static uint64_t draw(const struct way *w, enum draw what)
{
	return mix(w->seed + (w->counts.frames * DRAWS + what + 1) * 0x9e3779b97f4a7c15u);
}

static bool is_drawn(const struct way *w, enum draw what, uint32_t probability)
{
	return probability == UINT32_MAX || (uint32_t)draw(w, what) < probability;
}

static bool is_ip(const uint8_t *data, uint32_t bytes)
{
	uint32_t type = bytes > ETHERNET_BYTES ? (uint32_t)data[12] << 8 | data[13] : 0;

	return type == 0x0800 || type == 0x86dd;
}

/*
 * One bit, which every checksum finds. Nothing else than IP is damaged, and no Ethernet header: what is not summed by the
 * hosts is summed by their cards, which throw such a frame away.
 */
static void flip_a_bit(const struct way *w, uint8_t *data, uint32_t bytes)
{
	uint64_t bit = draw(w, DRAW_BIT) % ((bytes - ETHERNET_BYTES) * 8);

	data[ETHERNET_BYTES + bit / 8] ^= (uint8_t)(1u << bit % 8);
}

/* [RFC 1624]: the lower byte of a word has grown by @by. */
static void grow_checksum(uint8_t *sum, uint32_t by)
{
	uint32_t new = (~((uint32_t)sum[0] << 8 | sum[1]) & 0xffff) + by;

	new = (new & 0xffff) + (new >> 16);
	sum[0] = (uint8_t)(~new >> 8);
	sum[1] = (uint8_t) ~new;
}

/* Return: whether it can be marked, and is now. */
static bool mark(uint8_t *data, uint32_t bytes)
{
	uint8_t *ip = data + ETHERNET_BYTES;
	uint8_t old;

	if (!is_ip(data, bytes) || bytes < ETHERNET_BYTES + 20)
		return false;
	if (ip[0] >> 4 == 6) { /* the traffic class lies across two bytes */
		old = ip[1] >> 4 & ECN;
		if (old)
			ip[1] |= ECN_CE << 4;
	} else {
		old = ip[1] & ECN;
		if (old) {
			ip[1] |= ECN_CE;
			grow_checksum(ip + 10, ECN_CE - old);
		}
	}
	return old != 0;
}

/* Marks have lots of their own, so that they change nothing else of what a seed does. */
static bool is_mark_drawn(const struct way *w)
{
	uint64_t lot = mix((w->seed ^ MARKS_SEED) + (w->counts.frames + 1) * 0x9e3779b97f4a7c15u);

	return w->rule.mark == UINT32_MAX || (uint32_t)lot < w->rule.mark;
}

/* ---- the heap ---- */

static bool is_before(const struct way_frame *a, const struct way_frame *b)
{
	return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->order < b->order;
}

static void swap(struct way_frame **a, struct way_frame **b)
{
	struct way_frame *t = *a;

	*a = *b;
	*b = t;
}

static void heap_push(struct way *w, struct way_frame *f)
{
	uint32_t i = w->heap_count++;

	w->heap[i] = f;
	for (; i && is_before(w->heap[i], w->heap[(i - 1) / 2]); i = (i - 1) / 2)
		swap(&w->heap[i], &w->heap[(i - 1) / 2]);
}

static struct way_frame *heap_pop(struct way *w)
{
	struct way_frame *f = w->heap[0];
	uint32_t i = 0;

	w->heap[0] = w->heap[--w->heap_count];
	for (;;) {
		uint32_t child = 2 * i + 1;

		if (child >= w->heap_count)
			return f;
		if (child + 1 < w->heap_count && is_before(w->heap[child + 1], w->heap[child]))
			child++;
		if (!is_before(w->heap[child], w->heap[i]))
			return f;
		swap(&w->heap[i], &w->heap[child]);
		i = child;
	}
}

/* ---- the way ---- */

bool way_begin(struct way *w, const struct way_rule *rule, uint64_t seed)
{
	*w = (struct way){ .rule = *rule, .seed = seed };
	w->heap = malloc(rule->queue_limit * sizeof(struct way_frame *));
	return w->heap != NULL;
}

void way_end(struct way *w)
{
	while (w->heap_count)
		free(w->heap[--w->heap_count]);
	free(w->heap);
	w->heap = NULL;
}

/* The transmitter sends one frame after the other. Return: when the last bit of this one is out. */
static uint64_t transmit(struct way *w, uint32_t bytes, uint64_t now_ns)
{
	if (!w->rule.rate)
		return now_ns;
	if (w->free_ns < now_ns)
		w->free_ns = now_ns;
	w->free_ns += (uint64_t)(bytes + ETHERNET_EXTRA) * 8 * 1000000000u / w->rule.rate;
	return w->free_ns;
}

/* @late_ns: beside what delays every frame. */
static bool enqueue(struct way *w, const void *data, uint32_t bytes, uint64_t now_ns, uint64_t late_ns)
{
	struct way_frame *f;

	if (w->heap_count == w->rule.queue_limit) {
		w->counts.overflowed++;
		return true;
	}
	f = malloc(sizeof(*f) + bytes);
	if (!f)
		return false;
	f->bytes = bytes;
	f->order = w->order++;
	f->due_ns = transmit(w, bytes, now_ns) + w->rule.delay_ns + late_ns;
	memcpy(f->data, data, bytes);
	if (is_mark_drawn(w))
		w->counts.marked += mark(f->data, bytes);
	if (is_drawn(w, DRAW_CORRUPT, w->rule.corrupt)) {
		w->counts.corrupted++;
		flip_a_bit(w, f->data, bytes);
	}
	heap_push(w, f);
	return true;
}

bool way_put(struct way *w, const void *data, uint32_t bytes, uint64_t now_ns)
{
	bool is_held = is_drawn(w, DRAW_REORDER, w->rule.reorder), is_good = true;
	uint64_t late_ns = is_held ? 1 + draw(w, DRAW_HOLD) % (w->rule.hold_ns + 1) : 0;

	if (is_drawn(w, DRAW_LOSS, w->rule.loss) ||
	    (is_drawn(w, DRAW_CORRUPT, w->rule.corrupt) && !is_ip(data, bytes))) {
		w->counts.lost++;
	} else {
		w->counts.reordered += is_held;
		is_good = enqueue(w, data, bytes, now_ns, late_ns);
		if (is_drawn(w, DRAW_DUPLICATE, w->rule.duplicate)) {
			w->counts.duplicated++;
			is_good = is_good && enqueue(w, data, bytes, now_ns, late_ns + w->rule.again_ns);
		}
	}
	w->counts.frames++;
	w->counts.bytes += bytes;
	return is_good;
}

uint64_t way_due(const struct way *w)
{
	return w->heap_count ? w->heap[0]->due_ns : UINT64_MAX;
}

struct way_frame *way_take(struct way *w, uint64_t now_ns)
{
	if (way_due(w) > now_ns)
		return NULL;
	w->counts.delivered++;
	return heap_pop(w);
}
