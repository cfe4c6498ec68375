/* SPDX-License-Identifier: MIT */
/*
 * Received IPv6 packets: every length that a header claims is checked here, and no chain of extension
 * headers is followed further than real ones reach. [RFC 8200 4, RFC 8504 5.3, RFC 6946]
 */
#include "kernel/base/bytes.h"
#include "kernel/net/binding.h"
#include "kernel/net/ip6.h"
#include "kernel/net/output.h"

#define HEADERS_MAX 8u  /* extension headers of one packet */
#define WALK_BYTES 512u /* and how far they may reach */
#define OPTIONS_MAX 16u /* in one header */
#define PADDING_MAX 7u  /* bytes of Pad1 and PadN in a row [RFC 8504 5.3] */
#define BAD_FIELD 1u    /* of ip6_walk.problem: code 0, a field cannot be understood */
#define BAD_HEADER 2u   /* code 1 */
#define BAD_OPTION 3u   /* code 2 */
#define ACTION_SKIP 0u  /* upper two bits of an option's type [RFC 8200 4.2] */
#define ACTION_DROP 1u
#define ACTION_TELL 2u /* and 3: not if the packet was sent to a group */

#define NO_NEXT_HEADER 59u

enum extension { HOP_BY_HOP = 0, ROUTING = 43, FRAGMENT = 44, OPTIONS = 60 };
enum step { STEP_ON, STEP_END, STEP_DROP };

static enum step tell(struct ip6_walk *w, unsigned at, unsigned problem)
{
	w->at = (uint16_t)at;
	w->problem = (uint8_t)problem;
	return STEP_END;
}

/* Options in [@at, @end) of the packet. */
static enum step walk_options(const uint8_t *ip, unsigned at, unsigned end, struct ip6_walk *w)
{
	unsigned count = 0, padding = 0;

	while (at < end) {
		unsigned type = ip[at], bytes = 1;

		if (type) {
			if (end - at < 2 || end - at < 2u + ip[at + 1])
				return STEP_DROP;
			bytes = 2u + ip[at + 1];
		}
		padding = type <= 1 ? padding + bytes : 0;
		if (padding > PADDING_MAX || ++count > OPTIONS_MAX)
			return STEP_DROP;
		if (type > 1 && type >> 6 != ACTION_SKIP) {
			if (type >> 6 == ACTION_DROP || (type >> 6 > ACTION_TELL && ip[24] == 0xff))
				return STEP_DROP;
			return tell(w, at, BAD_OPTION);
		}
		at += bytes;
	}
	return STEP_ON;
}

/* One extension header, of which at least eight bytes are there; @bytes: its length. */
static enum step walk_header(const uint8_t *ip, unsigned bytes, struct ip6_walk *w)
{
	const uint8_t *h = ip + w->at;

	switch ((enum extension)w->protocol) {
	case HOP_BY_HOP:
		if (w->at != IP6_BYTES) /* only the first one may be it */
			return STEP_DROP;
		return walk_options(ip, w->at + 2u, w->at + bytes, w);
	case OPTIONS:
		return walk_options(ip, w->at + 2u, w->at + bytes, w);
	case ROUTING:
		return h[3] ? tell(w, w->at + 2u, BAD_FIELD) : STEP_ON; /* segments left: we forward nothing */
	case FRAGMENT:
		/* A whole packet may come as one fragment [RFC 6946]; real ones are not put together (Limits). */
		return h[2] | (h[3] & ~6u) ? STEP_DROP : STEP_ON;
	}
	return STEP_DROP;
}

static bool is_extension(unsigned protocol)
{
	return protocol == HOP_BY_HOP || protocol == ROUTING || protocol == FRAGMENT || protocol == OPTIONS;
}

bool ip6_walk(const uint8_t *ip, unsigned bytes, struct ip6_walk *w)
{
	unsigned next_at = 6; /* where the number of the header at w->at stands */

	*w = (struct ip6_walk){ .at = IP6_BYTES, .protocol = ip[6] };
	for (unsigned count = 0; is_extension(w->protocol); count++) {
		unsigned length;
		enum step step;

		if (count == HEADERS_MAX || w->at > WALK_BYTES || bytes < w->at + 8u)
			return false;
		length = w->protocol == FRAGMENT ? 8 : 8u + 8u * ip[w->at + 1];
		if (bytes - w->at < length)
			return false;
		step = walk_header(ip, length, w);
		if (step != STEP_ON)
			return step == STEP_END;
		next_at = w->at;
		w->at = (uint16_t)(w->at + length);
		w->protocol = ip[next_at];
	}
	if (w->protocol == NO_NEXT_HEADER)
		return false;
	if (w->protocol != IP_PROTOCOL_TCP && w->protocol != IP_PROTOCOL_UDP && w->protocol != IP_PROTOCOL_ICMP6)
		tell(w, next_at, BAD_HEADER);
	return true;
}

static enum frame_kind bad(void)
{
	net_self.stats.bad_frames++;
	return FRAME_BAD;
}

/* @at: of the upper-layer header; @room: what the first buffer has of it. */
static enum frame_kind classify_upper(struct frame *f, const uint8_t *ip, const struct ip6_walk *w, unsigned room)
{
	if (room < (w->protocol == IP_PROTOCOL_TCP ? TCP_BYTES : 8u))
		return bad();
	f->ip_bytes = w->at;
	f->tuple.is_ip6 = 1;
	memcpy(&f->tuple.remote6, ip + 8, 2 * sizeof(struct ip6));
	memcpy(&f->tuple.remote_port, ip + w->at, 4);
	if (w->protocol == IP_PROTOCOL_TCP)
		return FRAME_TCP;
	return binding_is_taken(BINDING_UDP, be16(f->tuple.local_port)) ? FRAME_UDP : FRAME_SLOW;
}

enum frame_kind ip6_classify(struct frame *f)
{
	const struct buf *b = f->b;
	const uint8_t *ip = b->data + b->off + ETH_BYTES;
	unsigned here = b->len - ETH_BYTES, bytes;
	struct ip6_walk w;
	struct ip6 from, to;

	if (b->len < ETH_BYTES + IP6_BYTES || ip[0] >> 4 != 6)
		return bad();
	bytes = IP6_BYTES + ((unsigned)ip[4] << 8 | ip[5]);
	memcpy(&from, ip + 8, sizeof(from));
	memcpy(&to, ip + 24, sizeof(to));
	if (bytes > b->frame_bytes - ETH_BYTES || !ip6_is_for_us(&to))
		return bad();
	/* Whether an address is free is asked from ::, and answered from that very address [RFC 4862 5.4]. */
	if (ip6_is_zero(&from) || ip6_is_ours(&from))
		return ip[6] == IP_PROTOCOL_ICMP6 ? FRAME_SLOW : bad();
	if (!ip6_is_host(&from))
		return bad();
	here = MIN(here, bytes);
	if (!ip6_walk(ip, here, &w))
		return bad();
	f->l4_bytes = (uint16_t)(bytes - w.at);
	if (w.problem || w.protocol == IP_PROTOCOL_ICMP6)
		return FRAME_SLOW;
	return ip6_is_multicast(&to) ? bad() : classify_upper(f, ip, &w, here - w.at);
}
