/* SPDX-License-Identifier: MIT */
/* What the client's end of a connection is: a few numbers, a header that is written anew for each segment. */
#include "bench/native/client/tcp.h"

#include <arpa/inet.h>
#include <net/ethernet.h>
#include <netinet/if_ether.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "bench/load/client.h"
#include "bench/native/client/wire.h"

#define FIRST_PORT 20000u
#define OPENING 32u
#define OPEN_NS 30000000000u
#define AGAIN_NS 500000000u
#define STALL_NS 3000000000u
#define LOOKS 512u /* rounds between two looks at the clock */
#define PATTERN_BYTES 4096u
#define WINDOW 0xffffu
#define MSS 1460u
#define TS_BYTES 12u
#define SYN_BYTES 20u

/* A segment as it lies in a frame, at whatever address that is. */
struct segment {
	struct ether_header ether;
	struct iphdr ip;
	struct tcphdr tcp;
	uint8_t rest[]; /* options and data */
} __attribute__((packed));
_Static_assert(sizeof(struct segment) == 54, "as on the wire");

struct arp_frame {
	struct ether_header ether;
	struct ether_arp arp;
	uint8_t padding[18];
} __attribute__((packed));
_Static_assert(sizeof(struct arp_frame) == 60, "the shortest frame");

enum state { CLOSED, SYN_SENT, OPEN };

struct connection {
	uint32_t state; /* enum state */
	uint32_t snd_nxt, rcv_nxt;
	uint32_t ts_recent; /* as it came */
	uint32_t number;    /* of the request under way */
	uint32_t got;       /* bytes of its answer */
	bool has_ts;
};

static struct tcp_config config;
static struct connection *connections;
static uint8_t pattern[PATTERN_BYTES + TCP_MESSAGE_MAX];
static uint8_t own_mac[6] = { 0x52, 0x54, 0, 0x77, 0, 1 }, server_mac[6];
static bool has_server_mac;
static uint32_t open_count;
static uint64_t answers;
static uint32_t now_ms; /* timestamps */

static const uint8_t *message_of(const struct connection *c)
{
	return pattern + ((uint32_t)(c - connections) * 31 + c->number * 17) % PATTERN_BYTES;
}

/* ---- sums [RFC 1071] ---- */

static uint32_t sum_add(uint32_t sum, const void *data, uint32_t bytes)
{
	const uint8_t *at = data;

	for (; bytes > 1; bytes -= 2, at += 2) {
		uint16_t word;

		memcpy(&word, at, sizeof(word));
		sum += word;
	}
	return bytes ? sum + *at : sum;
}

static uint16_t sum_fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)((sum & 0xffff) + (sum >> 16));
}

static uint32_t sum_pseudo(const struct segment *s, uint32_t bytes)
{
	return sum_add(htons(IPPROTO_TCP) + htons((uint16_t)bytes), &s->ip.saddr, 2 * sizeof(s->ip.saddr));
}

/* ---- out ---- */

static void put_ether(struct ether_header *e, const uint8_t *to, uint16_t type)
{
	memcpy(e->ether_dhost, to, sizeof(e->ether_dhost));
	memcpy(e->ether_shost, own_mac, sizeof(e->ether_shost));
	e->ether_type = htons(type);
}

static uint32_t put_options(const struct connection *c, uint8_t *at, bool is_syn)
{
	static const uint8_t syn[] = { 2, 4, MSS >> 8, MSS & 0xff, 4, 2, 8, 10 }, /* MSS, SACK permitted, timestamps */
		scale[] = { 1, 3, 3, 7 }, ts[] = { 1, 1, 8, 10 };
	uint32_t value = htonl(now_ms);

	if (is_syn) {
		memcpy(at, syn, sizeof(syn));
		memcpy(at + 8, &value, 4);
		memset(at + 12, 0, 4);
		memcpy(at + 16, scale, sizeof(scale));
		return SYN_BYTES;
	}
	if (!c->has_ts)
		return 0;
	memcpy(at, ts, sizeof(ts));
	memcpy(at + 4, &value, 4);
	memcpy(at + 8, &c->ts_recent, 4);
	return TS_BYTES;
}

/* A segment of @c with @bytes of @data. */
static void send_segment(struct connection *c, uint8_t flags, const uint8_t *data, uint32_t bytes)
{
	struct segment *s = (struct segment *)wire_room();
	uint32_t options = put_options(c, s->rest, flags & TH_SYN), tcp_bytes = sizeof(s->tcp) + options + bytes, sum;

	put_ether(&s->ether, server_mac, ETHERTYPE_IP);
	s->ip = (struct iphdr){ .ihl = 5,
				.version = 4,
				.tot_len = htons((uint16_t)(sizeof(s->ip) + tcp_bytes)),
				.frag_off = htons(IP_DF),
				.ttl = 64,
				.protocol = IPPROTO_TCP,
				.saddr = htonl(config.client),
				.daddr = htonl(config.server) };
	s->ip.check = (uint16_t)~sum_fold(sum_add(0, &s->ip, sizeof(s->ip)));
	s->tcp = (struct tcphdr){ .th_sport = htons((uint16_t)(FIRST_PORT + (uint32_t)(c - connections))),
				  .th_dport = htons(config.port),
				  .th_seq = htonl(c->snd_nxt),
				  .th_ack = flags & TH_ACK ? htonl(c->rcv_nxt) : 0,
				  .th_off = (sizeof(s->tcp) + options) / 4,
				  .th_flags = flags,
				  .th_win = htons(WINDOW) };
	if (bytes)
		memcpy(s->rest + options, data, bytes);
	sum = sum_pseudo(s, tcp_bytes);
	if (config.has_checksums)
		s->tcp.th_sum = sum_fold(sum);
	else
		s->tcp.th_sum = (uint16_t)~sum_fold(sum_add(sum, &s->tcp, tcp_bytes));
	c->snd_nxt += bytes + (flags & TH_SYN ? 1 : 0);
	wire_send((uint32_t)(sizeof(s->ether) + sizeof(s->ip)) + tcp_bytes);
}

static void ask(struct connection *c)
{
	send_segment(c, TH_ACK | TH_PUSH, message_of(c), config.message_bytes);
}

/* An ARP message [RFC 826]; @to NULL: who has the server's address? */
static void send_arp(const uint8_t *to)
{
	static const uint8_t all[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	struct arp_frame *f = (struct arp_frame *)wire_room();
	const uint32_t from_ip = htonl(config.client), to_ip = htonl(config.server);

	memset(f, 0, sizeof(*f));
	put_ether(&f->ether, to ? to : all, ETHERTYPE_ARP);
	f->arp.arp_hrd = htons(ARPHRD_ETHER);
	f->arp.arp_pro = htons(ETHERTYPE_IP);
	f->arp.arp_hln = 6;
	f->arp.arp_pln = 4;
	f->arp.arp_op = htons(to ? ARPOP_REPLY : ARPOP_REQUEST);
	memcpy(f->arp.arp_sha, own_mac, 6);
	memcpy(f->arp.arp_spa, &from_ip, 4);
	if (to)
		memcpy(f->arp.arp_tha, to, 6);
	memcpy(f->arp.arp_tpa, &to_ip, 4);
	wire_send(sizeof(*f));
}

/* ---- in ---- */

static void take_arp(const struct wire_frame *f)
{
	const struct arp_frame *a = (const struct arp_frame *)f->at;
	const uint32_t own = htonl(config.client), server = htonl(config.server);

	if (f->bytes < offsetof(struct arp_frame, padding) || memcmp(a->arp.arp_spa, &server, 4) != 0 ||
	    memcmp(a->arp.arp_tpa, &own, 4) != 0)
		return;
	memcpy(server_mac, a->arp.arp_sha, 6);
	has_server_mac = true;
	if (a->arp.arp_op == htons(ARPOP_REQUEST))
		send_arp(a->arp.arp_sha);
}

/* The timestamp among the options, if there is one; false: options that are none. */
static bool read_options(struct connection *c, const uint8_t *at, const uint8_t *end)
{
	while (at < end && *at != 0) {
		if (*at == 1) {
			at++;
			continue;
		}
		if (end - at < 2 || at[1] < 2 || at[1] > end - at)
			return false;
		if (*at == 8 && at[1] == 10) {
			memcpy(&c->ts_recent, at + 2, 4);
			c->has_ts = true;
		}
		at += at[1];
	}
	return true;
}

static void take_syn_ack(struct connection *c, uint32_t seq, uint32_t ack)
{
	if (ack != c->snd_nxt)
		die("a SYN was answered with acknowledgement %u instead of %u", ack, c->snd_nxt);
	c->rcv_nxt = seq + 1;
	if (c->state == SYN_SENT)
		open_count++;
	c->state = OPEN;
	send_segment(c, TH_ACK, NULL, 0);
}

static void take_data(struct connection *c, uint32_t seq, uint32_t ack, const uint8_t *data, uint32_t bytes)
{
	if (!bytes)
		return;
	if ((int32_t)(seq + bytes - c->rcv_nxt) <= 0) {
		send_segment(c, TH_ACK, NULL, 0); /* again: our acknowledgement came late */
		return;
	}
	if (seq != c->rcv_nxt)
		die("connection %ld: bytes %u.. instead of %u..: a frame is lost", (long)(c - connections), seq,
		    c->rcv_nxt);
	if (ack != c->snd_nxt || bytes > config.message_bytes - c->got ||
	    memcmp(message_of(c) + c->got, data, bytes) != 0)
		die("connection %ld: answer %u is wrong", (long)(c - connections), c->number);
	c->rcv_nxt += bytes;
	c->got += bytes;
	if (c->got < config.message_bytes)
		return;
	answers++;
	c->got = 0;
	c->number++;
	ask(c);
}

/* The server still has a connection of an earlier client in the place of @c; it is to forget it [RFC 9293 3.5.1]. */
static void disown(struct connection *c, uint32_t ack)
{
	uint32_t own = c->snd_nxt;

	c->snd_nxt = ack;
	send_segment(c, TH_RST, NULL, 0);
	c->snd_nxt = own;
}

/* @s: of @bytes from its IP header on. */
static void take_segment(const struct segment *s, uint32_t bytes)
{
	uint32_t all = ntohs(s->ip.tot_len), header = s->tcp.th_off * 4u, index = ntohs(s->tcp.th_dport) - FIRST_PORT;
	const uint8_t *data = (const uint8_t *)&s->tcp + header;
	struct connection *c;

	if (all > bytes || all < sizeof(s->ip) + sizeof(s->tcp))
		die("an IP packet of %u bytes in %u", all, bytes);
	all -= sizeof(s->ip);
	if (header < sizeof(s->tcp) || header > all || index >= config.connections ||
	    s->tcp.th_sport != htons(config.port))
		die("a segment that is not for this client");
	if (!config.has_checksums && sum_fold(sum_add(sum_pseudo(s, all), &s->tcp, all)) != 0xffff)
		die("a segment with a wrong sum");
	c = &connections[index];
	if (c->state != OPEN && (s->tcp.th_flags & TH_RST || !(s->tcp.th_flags & TH_SYN))) {
		if (c->state == SYN_SENT && !(s->tcp.th_flags & TH_RST))
			disown(c, ntohl(s->tcp.th_ack));
		return; /* otherwise nobody listens yet; both are asked again later */
	}
	if (s->tcp.th_flags & (TH_RST | TH_FIN) || !read_options(c, s->rest, data))
		die("connection %u: ended by the server (flags %02x, at answer %u)", index, s->tcp.th_flags, c->number);
	if (s->tcp.th_flags & TH_SYN)
		take_syn_ack(c, ntohl(s->tcp.th_seq), ntohl(s->tcp.th_ack));
	else
		take_data(c, ntohl(s->tcp.th_seq), ntohl(s->tcp.th_ack), data, all - header);
}

static void take(const struct wire_frame *f)
{
	const struct segment *s = (const struct segment *)f->at;

	if (f->bytes < sizeof(s->ether))
		return;
	if (s->ether.ether_type == htons(ETHERTYPE_ARP))
		take_arp(f);
	if (s->ether.ether_type == htons(ETHERTYPE_IP) && f->bytes >= sizeof(*s) && s->ip.version == 4 &&
	    s->ip.ihl == 5 && s->ip.protocol == IPPROTO_TCP && s->ip.daddr == htonl(config.client) &&
	    s->ip.saddr == htonl(config.server))
		take_segment(s, f->bytes - (uint32_t)sizeof(s->ether));
}

static unsigned turn(void)
{
	static struct wire_frame frames[WIRE_BURST];
	unsigned n = wire_receive(frames, WIRE_BURST);

	for (unsigned i = 0; i < n; i++)
		take(&frames[i]);
	wire_flush();
	return n;
}

/* ---- the life of all ---- */

static uint64_t look(void)
{
	uint64_t now = clock_ns();

	now_ms = (uint32_t)(now / 1000000);
	return now;
}

/* The first SYN of a connection, or the same again. */
static void knock(struct connection *c)
{
	c->snd_nxt = c->state == CLOSED ? (uint32_t)random() : c->snd_nxt - 1;
	c->state = SYN_SENT;
	send_segment(c, TH_SYN, NULL, 0);
}

static void begin(const struct tcp_config *wanted)
{
	config = *wanted;
	open_count = 0;
	has_server_mac = false;
	connections = calloc(config.connections, sizeof(*connections));
	if (!connections)
		die("out of memory");
	srandom((unsigned)look());
	for (unsigned i = 0; i < sizeof(pattern); i++)
		pattern[i] = (uint8_t)random();
}

void tcp_open(const struct tcp_config *wanted)
{
	uint64_t from = look(), asked = 0;
	uint32_t next = 0;

	begin(wanted);
	while (open_count < config.connections) {
		uint64_t now = look();

		if (now - from > OPEN_NS)
			die("%u of %u connections are open after %u s", open_count, config.connections,
			    (unsigned)(OPEN_NS / 1000000000u));
		if (now - asked > AGAIN_NS) {
			asked = now;
			if (!has_server_mac)
				send_arp(NULL);
			for (uint32_t i = 0; i < next; i++)
				if (connections[i].state != OPEN)
					knock(&connections[i]);
		}
		while (has_server_mac && next < config.connections && next - open_count < OPENING)
			knock(&connections[next++]);
		turn();
	}
}

void tcp_start(void)
{
	for (uint32_t i = 0; i < config.connections; i++)
		ask(&connections[i]);
	wire_flush();
}

uint64_t tcp_run(double seconds)
{
	uint64_t from = answers, begin = look(), end = begin + (uint64_t)(seconds * 1e9), last = begin, seen = answers;

	for (unsigned round = 1;; round++) {
		turn();
		if (round % LOOKS == 0) {
			uint64_t now = look();

			if (answers != seen) {
				seen = answers;
				last = now;
			} else if (now - last > STALL_NS) {
				die("no answer for 3 s");
			}
			if (now >= end)
				return answers - from;
		}
	}
}

void tcp_close(void)
{
	for (uint32_t i = 0; i < config.connections; i++)
		send_segment(&connections[i], TH_RST | TH_ACK, NULL, 0);
	wire_flush();
	free(connections);
}
