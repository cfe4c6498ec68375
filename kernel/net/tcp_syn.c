/* SPDX-License-Identifier: MIT */
/*
 * Requests beyond what may be half-open are answered without keeping anything: our initial sequence
 * number is a cookie, from which the acknowledgement brings all back that there was to know. Then lwIP is
 * shown a SYN like the one that was forgotten, muted and with the cookie for its sequence number, and
 * after it the acknowledgement. [RFC 4987 3.6]
 *
 *   31                                     8   7     6     5..3     2..1      0
 *   MAC over all else, tuple and peer's ISN   ECN  SACK   scale     MSS   period, lowest bit
 */
#include "kernel/net/tcp_syn.h"

#include "kernel/abi/manifest.h"
#include "kernel/base/bytes.h"
#include "kernel/base/siphash.h"
#include "kernel/cpu/cpu.h"
#include "kernel/net/backlog.h"
#include "kernel/net/output.h"
#include "kernel/net/rate.h"
#include "kernel/net/tcp_check.h"
#include "kernel/net/tcp_ts.h"
#include "kernel/net/word.h"

#define PERIOD_MS_BITS 15u /* a cookie is good in its period of 33 s and in the next one */
#define NO_SCALE 0u
#define OPTIONS_MAX 24u
#define IP6_HEADER_BYTES 40u

/* The next smaller value stands for the peer's. */
static const uint16_t mss_of[] = { 536, 1220, 1440, 1460 };
static const uint8_t scale_of[] = { 0 /* NO_SCALE */, 0, 1, 2, 4, 6, 7, 8 };

/* What a SYN asked for. */
struct wish {
	uint16_t mss;
	uint8_t has_scale, scale;
	uint8_t has_sack;
	uint8_t has_ecn;
	bool has_ts;
	uint32_t ts, ts_echo;
};

static struct syn_shared {
	struct siphash_key key;
	uint32_t period; /* in which any core last sent a cookie; written when that changes */
	uint32_t is_used;
} shared;

void syn_init(void)
{
	cpu_random(&shared.key, sizeof(shared.key));
}

static uint32_t period_now(void)
{
	return net_self.now_ms >> PERIOD_MS_BITS;
}

/* ---- the options of a SYN ---- */
unsigned syn_option_bytes(const struct frame *f, const uint8_t *tcp)
{
	unsigned here = (unsigned)(f->b->data + f->b->off + f->b->len - tcp), header = (tcp[12] >> 4) * 4u;

	if (header < TCP_BYTES || header > f->l4_bytes || here < header)
		return 0;
	return header - TCP_BYTES;
}

static void take_option(struct wish *w, const uint8_t *option, unsigned bytes)
{
	if (option[0] == LWIP_TCP_OPT_MSS && bytes == LWIP_TCP_OPT_LEN_MSS) {
		w->mss = (uint16_t)(option[2] << 8 | option[3]);
	} else if (option[0] == LWIP_TCP_OPT_WS && bytes == LWIP_TCP_OPT_LEN_WS) {
		w->has_scale = 1;
		w->scale = MIN(option[2], (uint8_t)14); /* [RFC 7323 2.3] */
	} else if (option[0] == LWIP_TCP_OPT_SACK_PERM && bytes == LWIP_TCP_OPT_LEN_SACK_PERM) {
		w->has_sack = 1;
	}
}

static struct wish read_wish(const struct frame *f, const uint8_t *tcp)
{
	struct wish w = { .mss = 536, .has_ecn = (tcp[13] & (TCP_ECE | TCP_CWR)) == (TCP_ECE | TCP_CWR) };
	unsigned left = syn_option_bytes(f, tcp);
	const uint8_t *at = tcp + TCP_BYTES;

	w.has_ts = net_shared.has_timestamps && ts_find(at, left, &w.ts);

	while (left && *at != LWIP_TCP_OPT_EOL) {
		unsigned bytes = *at == LWIP_TCP_OPT_NOP ? 1 : left > 1 ? at[1] : 0;

		if (bytes > left || (bytes < 2 && *at != LWIP_TCP_OPT_NOP))
			break;
		if (*at != LWIP_TCP_OPT_NOP)
			take_option(&w, at, bytes);
		at += bytes;
		left -= bytes;
	}
	return w;
}

/* ---- the cookie ---- */
static unsigned class_of_mss(uint16_t mss)
{
	unsigned i = ARRAY_COUNT(mss_of) - 1;

	while (i && mss_of[i] > mss)
		i--;
	return i;
}

static unsigned class_of_scale(const struct wish *w)
{
	unsigned i = ARRAY_COUNT(scale_of) - 1;

	if (!w->has_scale)
		return NO_SCALE;
	while (scale_of[i] > w->scale)
		i--;
	return i;
}

static uint32_t mac(const struct demux_tuple *t, uint32_t peer_isn, uint32_t period, uint32_t low)
{
	struct {
		struct demux_tuple tuple;
		uint32_t peer_isn, period, low, zero;
	} in;

	memset(&in, 0, sizeof(in));
	in.tuple.remote_port = t->remote_port;
	in.tuple.local_port = t->local_port;
	in.tuple.is_ip6 = t->is_ip6;
	if (t->is_ip6)
		memcpy(&in.tuple.remote6, &t->remote6, sizeof(t->remote6) + sizeof(t->local6));
	else
		memcpy(&in.tuple.remote, &t->remote, sizeof(t->remote) + sizeof(t->local));
	in.peer_isn = peer_isn;
	in.period = period;
	in.low = low;
	return (uint32_t)siphash24(&shared.key, &in, sizeof(in)) & 0xffffff00u;
}

static uint32_t cookie_of(const struct frame *f, uint32_t peer_isn, const struct wish *w)
{
	uint32_t period = period_now();
	uint32_t low = (period & 1) | class_of_mss(w->mss) << 1 | class_of_scale(w) << 3 | (uint32_t)w->has_sack << 6 |
		       (uint32_t)w->has_ecn << 7;

	return mac(&f->tuple, peer_isn, period, low) | low;
}

bool syn_is_recent(void)
{
	return READ_ONCE(shared.is_used) && period_now() - READ_ONCE(shared.period) <= 1;
}

bool syn_is_cookie(const struct frame *f, const uint8_t *tcp)
{
	uint32_t cookie = word_at(tcp + 8) - 1, peer_isn = word_at(tcp + 4) - 1;
	uint32_t period = period_now();

	if (!(tcp[13] & TCP_ACK) || (tcp[13] & (TCP_SYN | TCP_RST)) || !syn_is_recent())
		return false;
	period -= (period ^ cookie) & 1;
	return cookie == (mac(&f->tuple, peer_isn, period, cookie & 0xff) | (cookie & 0xff));
}

static struct wish wish_of(uint32_t cookie)
{
	return (struct wish){
		.mss = mss_of[cookie >> 1 & 3],
		.has_scale = (cookie >> 3 & 7) != NO_SCALE,
		.scale = scale_of[cookie >> 3 & 7],
		.has_sack = cookie >> 6 & 1,
		.has_ecn = cookie >> 7 & 1,
	};
}

/* ---- SYNs ---- */
/* The options of @w in a SYN, ours or the one that is shown to lwIP. Return: bytes, a multiple of 4. */
static unsigned write_options(uint8_t out[OPTIONS_MAX], const struct wish *w)
{
	uint8_t *at = out;

	*at++ = LWIP_TCP_OPT_MSS;
	*at++ = LWIP_TCP_OPT_LEN_MSS;
	*at++ = (uint8_t)(w->mss >> 8);
	*at++ = (uint8_t)w->mss;
	if (w->has_scale) {
		*at++ = LWIP_TCP_OPT_NOP;
		*at++ = LWIP_TCP_OPT_WS;
		*at++ = LWIP_TCP_OPT_LEN_WS;
		*at++ = w->scale;
	}
	if (w->has_sack) {
		*at++ = LWIP_TCP_OPT_NOP;
		*at++ = LWIP_TCP_OPT_NOP;
		*at++ = LWIP_TCP_OPT_SACK_PERM;
		*at++ = LWIP_TCP_OPT_LEN_SACK_PERM;
	}
	if (w->has_ts)
		at += ts_write(at, w->ts, w->ts_echo);
	return (unsigned)(at - out);
}

static uint16_t our_mss(const struct demux_tuple *t)
{
	unsigned headers = TCP_BYTES + (t->is_ip6 ? IP6_HEADER_BYTES : IP4_BYTES);

	return (uint16_t)MIN((unsigned)TCP_MSS, net_self.netif.mtu - headers);
}

static void send_cookie(const struct frame *f, const uint8_t *tcp, const struct binding *b)
{
	uint32_t peer_isn = word_at(tcp + 4), period = period_now();
	struct wish w = read_wish(f, tcp);
	struct bare_segment s = { .ack = peer_isn + 1, .flags = TCP_SYN | TCP_ACK, .window = MIN(TCP_WND, 0xffff) };

	if (w.mss < mss_of[0] || !rate_take(RATE_COOKIE)) {
		net_self.stats.backlog_dropped++;
		return;
	}
	w.has_ecn = w.has_ecn && b->ecn != IX_ECN_OFF;
	s.flags |= w.has_ecn ? TCP_ECE : 0; /* agreed [RFC 3168 6.1.1] */
	s.seq = cookie_of(f, peer_isn, &w);
	w.mss = our_mss(&f->tuple);
	w.scale = TCP_RCV_SCALE;
	w.ts_echo = w.ts;
	w.ts = ts_clock_of(&f->tuple);
	s.option_bytes = (uint8_t)write_options(s.options, &w);
	if (READ_ONCE(shared.period) != period)
		WRITE_ONCE(shared.period, period);
	if (!READ_ONCE(shared.is_used))
		WRITE_ONCE(shared.is_used, 1);
	net_self.stats.cookies_sent++;
	output_bare(&f->tuple, &s);
}

bool syn_request(const struct frame *f, const uint8_t *tcp, const struct binding *b)
{
	if (backlog_is_full(b)) {
		net_self.stats.backlog_dropped++;
		return false;
	}
	if (!backlog_is_flooded(b))
		return !tcp_begin(f, tcp, b);
	send_cookie(f, tcp, b);
	return false;
}

/* A SYN like the one that @tcp, the acknowledgement of its cookie, follows; NULL if there is no memory. */
static struct pbuf *make_syn(const struct frame *f, const uint8_t *tcp, uint32_t cookie)
{
	struct wish w = wish_of(cookie);
	uint8_t options[OPTIONS_MAX];
	struct tcp_hdr *syn;
	struct pbuf *p;
	unsigned bytes;

	/* Who has agreed on timestamps sends them from now on, and nobody else. */
	w.has_ts = net_shared.has_timestamps && ts_find(tcp + TCP_BYTES, syn_option_bytes(f, tcp), &w.ts);
	bytes = TCP_BYTES + write_options(options, &w);
	p = pbuf_alloc(PBUF_RAW, (u16_t)bytes, PBUF_RAM);
	if (!p)
		return NULL;
	syn = p->payload;
	memcpy(syn, tcp, TCP_BYTES); /* ports, window */
	syn->seqno = be32(word_at(tcp + 4) - 1);
	syn->ackno = 0;
	syn->chksum = 0;
	TCPH_HDRLEN_FLAGS_SET(syn, bytes / 4, TCP_SYN | (w.has_ecn ? TCP_ECE | TCP_CWR : 0));
	memcpy((uint8_t *)p->payload + TCP_BYTES, options, bytes - TCP_BYTES);
	return p;
}

struct tcp_pcb *syn_replay(const struct frame *f, const uint8_t *tcp, const struct binding *b)
{
	uint32_t cookie = word_at(tcp + 8) - 1;
	struct tcp_pcb *pcb;
	struct pbuf *p;

	if (backlog_is_full(b)) {
		net_self.stats.backlog_dropped++;
		return NULL;
	}
	p = make_syn(f, tcp, cookie);
	if (!p) {
		net_self.stats.dropped_no_memory++;
		return NULL;
	}
	net_self.replayed_isn = cookie;
	net_self.is_replaying = true;
	tcp_in_replay(f, p);
	net_self.is_replaying = false;
	pcb = demux_find(f->hash, &f->tuple);
	if (!pcb)
		return NULL;
	pcb->rttest = 0; /* it was not sent just now */
	net_self.stats.cookies_good++;
	return pcb;
}
