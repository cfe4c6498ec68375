/* SPDX-License-Identifier: MIT */
/*
 * DHCPv6, as much of it as one address takes: Solicit, Request, Renew and Rebind of one IA_NA. The first
 * server that offers an address is asked for it, and only it can renew it before the last fifth of its time.
 * [RFC 8415 18.2]
 */
#include "kernel/net/dhcp6.h"

#include "kernel/base/bytes.h"
#include "kernel/cpu/cpu.h"
#include "kernel/flow/flow.h"
#include "kernel/net/checksum.h"
#include "kernel/net/setup6.h"
#include "kernel/net/word.h"

#define SERVER_PORT 547u
#define UDP_BYTES 8u
#define HEAD_BYTES 4u     /* type and transaction */
#define OPTION_BYTES 4u   /* code and length */
#define ID_BYTES_MAX 128u /* of a server's name for itself [RFC 8415 11.1] */
#define IA_BYTES 12u      /* IAID, T1, T2 */
#define ADDRESS_BYTES 24u
#define OUR_IAID 1u
#define REQUESTS_MAX 10u
#define MESSAGE_MAX 320u
#define TICKS_OF_MS(ms) ((uint64_t)(ms)*1000 / TIME_TICK_US)

enum message { SOLICIT = 1, ADVERTISE = 2, REQUEST = 3, RENEW = 5, REBIND = 6, REPLY = 7 };
enum option { CLIENT_ID = 1, SERVER_ID = 2, IA_NA = 3, IA_ADDRESS = 5, ELAPSED_TIME = 8, STATUS = 13 };

/* What is sent and how often it is repeated, in ms [RFC 8415 7.6]. */
static const struct {
	uint32_t first_ms, longest_ms;
} repeats[] = {
	[SOLICIT] = { 1000, 3600000 },
	[REQUEST] = { 1000, 30000 },
	[RENEW] = { 10000, 600000 },
	[REBIND] = { 10000, 600000 },
};

/* Boot core only. */
static struct dhcp6 {
	struct time_node timer;
	uint8_t sending; /* enum message, 0: nothing */
	bool is_bound;
	uint8_t server_bytes;
	uint8_t server[ID_BYTES_MAX];
	uint32_t transaction; /* 24 bits */
	uint32_t tries, wait_ms, since_ms;
	struct ip6 address;
	uint32_t rebind_ms, end_ms; /* when the address must come from any server, and when it is over */
} client;

static const struct ip6 all_servers = { { 0x000002ff, 0, 0, 0x02000100 } }; /* ff02::1:2 */

static uint32_t random_bits(void)
{
	uint32_t bits;

	cpu_random(&bits, sizeof(bits));
	return bits;
}

static void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

/* ---- out ---- */
static unsigned put_option(uint8_t *at, enum option code, const void *value, unsigned bytes)
{
	put16(at, code);
	put16(at + 2, bytes);
	memcpy(at + OPTION_BYTES, value, bytes);
	return OPTION_BYTES + bytes;
}

/* Our name: a DUID-LL, the Ethernet address [RFC 8415 11.4]. */
static unsigned our_id(uint8_t out[10])
{
	static const uint8_t kind[4] = { 0, 3, 0, 1 };

	memcpy(out, kind, sizeof(kind));
	memcpy(out + sizeof(kind), nic_info()->mac, 6);
	return 10;
}

static unsigned write_message(uint8_t *out)
{
	uint8_t id[10], elapsed[2], ia[IA_BYTES + OPTION_BYTES + ADDRESS_BYTES] = { [3] = OUR_IAID };
	unsigned at = HEAD_BYTES, ia_bytes = IA_BYTES;

	out[0] = client.sending;
	out[1] = (uint8_t)(client.transaction >> 16);
	put16(out + 2, client.transaction & 0xffff);
	put16(elapsed, MIN((net_self.now_ms - client.since_ms) / 10, 0xffffu));
	at += put_option(out + at, CLIENT_ID, id, our_id(id));
	if (client.sending == REQUEST || client.sending == RENEW)
		at += put_option(out + at, SERVER_ID, client.server, client.server_bytes);
	at += put_option(out + at, ELAPSED_TIME, elapsed, sizeof(elapsed));
	if (client.sending != SOLICIT) {
		uint8_t address[ADDRESS_BYTES] = { 0 };

		memcpy(address, &client.address, sizeof(client.address));
		ia_bytes += put_option(ia + IA_BYTES, IA_ADDRESS, address, sizeof(address));
	}
	return at + put_option(out + at, IA_NA, ia, ia_bytes);
}

static void send_message(void)
{
	const struct ip6 *from = ip6_source(&all_servers);
	uint8_t message[MESSAGE_MAX], *udp;
	unsigned bytes = write_message(message);
	struct buf *b = from ? ip6_new(from, &all_servers, UDP_BYTES + bytes, 1u << 8 | IP_PROTOCOL_UDP << 16) : NULL;

	if (!b)
		return;
	udp = b->data + ICMP6_AT;
	put16(udp, DHCP6_CLIENT_PORT);
	put16(udp + 2, SERVER_PORT);
	put16(udp + 4, UDP_BYTES + bytes);
	memcpy(udp + UDP_BYTES, message, bytes);
	ip6_send(b, IP_PROTOCOL_UDP, ICMP6_AT, NULL);
}

/* Sends now, and again later each time [RFC 8415 15]. */
static void on_due(struct time_node *node)
{
	uint32_t longest = repeats[client.sending].longest_ms;

	if (client.is_bound && net_self.now_ms - client.end_ms < UINT32_MAX / 2)
		client.is_bound = false; /* it has ended by itself: from the beginning */
	if (!client.is_bound && (client.sending >= RENEW || client.tries == REQUESTS_MAX) &&
	    client.sending != SOLICIT) {
		client.sending = SOLICIT;
		client.tries = 0;
	} else if (client.sending == RENEW && net_self.now_ms - client.rebind_ms < UINT32_MAX / 2) {
		client.sending = REBIND;
		client.tries = 0;
	}
	if (!client.tries++) {
		client.transaction = random_bits() & 0xffffff;
		client.since_ms = net_self.now_ms;
		client.wait_ms = repeats[client.sending].first_ms;
	}
	send_message();
	time_arm(node, net_self.now_tick + TICKS_OF_MS(client.wait_ms - client.wait_ms / 10 +
						       random_bits() % (client.wait_ms / 5)));
	client.wait_ms = MIN(2 * client.wait_ms, longest);
}

static void begin(enum message message, uint32_t in_ms)
{
	client.sending = (uint8_t)message;
	client.tries = 0;
	time_arm(&client.timer, net_self.now_tick + TICKS_OF_MS(in_ms));
}

/* ---- in ---- */
/* The option @code among @bytes of options. Return: its value, NULL if there is none or they are malformed. */
static const uint8_t *find_option(const uint8_t *options, unsigned bytes, enum option code, unsigned *value_bytes)
{
	while (bytes >= OPTION_BYTES) {
		unsigned size = (unsigned)options[2] << 8 | options[3];

		if (size > bytes - OPTION_BYTES)
			return NULL;
		if (((unsigned)options[0] << 8 | options[1]) == code) {
			*value_bytes = size;
			return options + OPTION_BYTES;
		}
		options += OPTION_BYTES + size;
		bytes -= OPTION_BYTES + size;
	}
	return NULL;
}

struct lease {
	struct ip6 address;
	uint32_t t1_s, t2_s, preferred_s, valid_s;
};

static bool is_refused(const uint8_t *options, unsigned bytes)
{
	unsigned size;
	const uint8_t *status = find_option(options, bytes, STATUS, &size);

	return status && (size < 2 || status[0] || status[1]);
}

/* The first address of our IA. Return: false if there is none. */
static bool read_lease(const uint8_t *options, unsigned bytes, struct lease *l)
{
	unsigned ia_bytes, size;
	const uint8_t *ia = find_option(options, bytes, IA_NA, &ia_bytes), *a;

	if (is_refused(options, bytes) || !ia || ia_bytes < IA_BYTES || word_at(ia) != OUR_IAID ||
	    is_refused(ia + IA_BYTES, ia_bytes - IA_BYTES))
		return false;
	a = find_option(ia + IA_BYTES, ia_bytes - IA_BYTES, IA_ADDRESS, &size);
	if (!a || size < ADDRESS_BYTES)
		return false;
	memcpy(&l->address, a, sizeof(l->address));
	l->preferred_s = word_at(a + 16);
	l->valid_s = word_at(a + 20);
	l->t1_s = word_at(ia + 4);
	l->t2_s = word_at(ia + 8);
	return l->preferred_s <= l->valid_s && (l->t1_s <= l->t2_s || !l->t2_s) && ip6_is_host(&l->address) &&
	       !ip6_is_link_local(&l->address);
}

static uint32_t ms_of(uint32_t seconds)
{
	return MIN(seconds, 1000000u) * 1000; /* renewed at least every eleven days */
}

static void take_lease(const struct lease *l)
{
	uint32_t t1_s = l->t1_s ? l->t1_s : l->preferred_s / 2, t2_s = l->t2_s ? l->t2_s : l->preferred_s / 5 * 4;

	setup6_address(&l->address, ORIGIN_DHCP, l->preferred_s, l->valid_s);
	client.address = l->address;
	client.is_bound = l->valid_s != 0;
	client.rebind_ms = net_self.now_ms + ms_of(MIN(t2_s, l->valid_s));
	client.end_ms = net_self.now_ms + ms_of(l->valid_s);
	if (client.is_bound)
		begin(RENEW, MAX(ms_of(MIN(t1_s, l->valid_s)), 1000u));
	else
		begin(SOLICIT, 1000);
}

/* Return: false if it is no answer to what we have sent last. */
static bool is_answer(const uint8_t *message, const uint8_t *options, unsigned bytes)
{
	uint8_t wanted = client.sending == SOLICIT ? ADVERTISE : REPLY, id[10];
	unsigned size, server_bytes;
	const uint8_t *our = find_option(options, bytes, CLIENT_ID, &size);
	const uint8_t *server = find_option(options, bytes, SERVER_ID, &server_bytes);

	if (!client.tries || message[0] != wanted || (word_at(message) & 0xffffff) != client.transaction || !our ||
	    size != our_id(id) || memcmp(our, id, sizeof(id)) != 0 || !server || !server_bytes ||
	    server_bytes > ID_BYTES_MAX)
		return false;
	if (client.sending != SOLICIT && client.sending != REBIND)
		return server_bytes == client.server_bytes && !memcmp(server, client.server, server_bytes);
	return true;
}

static void take_server(const uint8_t *options, unsigned bytes)
{
	unsigned size = 0;
	const uint8_t *server = find_option(options, bytes, SERVER_ID, &size);

	if (!server || size > sizeof(client.server)) /* is_answer() has looked */
		return;
	memcpy(client.server, server, size);
	client.server_bytes = (uint8_t)size;
}

void dhcp6_input(const uint8_t *ip, const uint8_t *udp, unsigned bytes)
{
	unsigned length = bytes >= UDP_BYTES ? (unsigned)udp[4] << 8 | udp[5] : 0;
	const uint8_t *message = udp + UDP_BYTES, *options = message + HEAD_BYTES;
	struct lease l;

	if (length < UDP_BYTES + HEAD_BYTES || length > bytes ||
	    checksum_fold((uint64_t)checksum_pseudo_ip6(ip, IP_PROTOCOL_UDP, length) + port_chksum(udp, (int)length)) !=
		    0xffff)
		return;
	length -= UDP_BYTES + HEAD_BYTES;
	if (!is_answer(message, options, length) || !read_lease(options, length, &l))
		return;
	if (client.sending == SOLICIT) {
		if (!l.valid_s)
			return;
		take_server(options, length);
		client.address = l.address;
		begin(REQUEST, 0);
		return;
	}
	take_server(options, length);
	take_lease(&l);
}

void dhcp6_core0_init(void)
{
	time_node_init(&client.timer, on_due);
}

void dhcp6_want(void)
{
	if (client.sending)
		return;
	begin(SOLICIT, random_bits() % 1000); /* [RFC 8415 18.2.1] */
}
