/* SPDX-License-Identifier: MIT */
/* The other end of a connection, byte by byte. */
#include "kernel/net/checksum.h"
#include "test/unit/net/world.h"

static void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}
static void put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v & 0xffff);
}
static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* Ethernet and IP header, as of the world's family. Return: where the next one begins. */
static unsigned put_ip(uint8_t *frame, const struct peer *p, unsigned protocol, unsigned l4_bytes)
{
	static const uint8_t ethernet[14] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 9, 8, 0 };
	uint8_t *ip = frame + 14;

	memset(frame, 0, 54);
	memcpy(frame, ethernet, 14);
	if (world.is_ip6) {
		put16(frame + 12, 0x86dd);
		ip[0] = 0x60;
		ip[1] = (uint8_t)(p->tos << 4);
		put16(ip + 4, l4_bytes);
		ip[6] = (uint8_t)protocol;
		ip[7] = 64;
		world_ip6(ip + 8, p->address);
		world_ip6(ip + 24, WORLD_ADDRESS);
		return 54;
	}
	ip[0] = 0x45;
	ip[1] = p->tos;
	put16(ip + 2, 20 + l4_bytes);
	ip[6] = 0x40;
	ip[8] = 64;
	ip[9] = (uint8_t)protocol;
	put32(ip + 12, p->address);
	put32(ip + 16, WORLD_ADDRESS);
	put16(ip + 10, be16((uint16_t)~port_chksum(ip, 20)));
	return 34;
}

static void put_checksum(uint8_t *frame, unsigned l4_bytes, unsigned field)
{
	unsigned at = world_l4_at(frame);
	uint64_t sum;

	if (world.is_csum_unchecked)
		return;
	if (at == 54)
		sum = checksum_pseudo_ip6(frame + 14, frame[20], l4_bytes);
	else
		sum = checksum_pseudo(be32(get32(frame + 26)), be32(get32(frame + 30)), frame[23], l4_bytes);
	sum += port_chksum(frame + at, (int)l4_bytes);
	put16(frame + at + field, be16((uint16_t)~checksum_fold(sum)));
}

void peer_send_at(struct peer *p, uint32_t seq, unsigned flags, const void *data, unsigned bytes)
{
	/* MSS 1460, window scale 3, SACK permitted */
	static const uint8_t options[12] = { 2, 4, 5, 0xb4, 1, 3, 3, 3, 1, 1, 4, 2 };
	static const uint8_t unknown[4] = { 253, 4, 0, 0 }; /* [RFC 4727] */
	unsigned fixed = (flags & SYN ? 32 : 20) + (world.is_padded ? 4 : 0);
	unsigned sacks = flags & SYN ? 0 : p->sack_count, before_sacks = fixed + (p->has_ts ? 12 : 0);
	unsigned header = before_sacks + (sacks ? 4 + 8 * sacks : 0);
	static uint8_t frame[54 + 60 + 65500]; /* a host may merge as much */
	unsigned at = put_ip(frame, p, 6, header + bytes);
	uint8_t *tcp = frame + at;

	memset(tcp, 0, 20);
	put16(tcp, p->port);
	put16(tcp + 2, p->our_port);
	put32(tcp + 4, seq);
	put32(tcp + 8, flags & ACK ? p->ack : 0);
	tcp[12] = (uint8_t)(header / 4 << 4);
	tcp[13] = (uint8_t)flags;
	put16(tcp + 14, flags & SYN ? MIN(p->window, 0xffffu) : p->window >> 3);
	memset(tcp + 20, 1, fixed - 20);
	if (flags & SYN)
		memcpy(tcp + 20, options, sizeof(options));
	if ((flags & SYN) && world.is_padded)
		memcpy(tcp + 32, unknown, sizeof(unknown));
	if (flags & SYN && world.mss)
		put16(tcp + 22, world.mss);
	if ((flags & SYN) && p->has_no_sack)
		memset(tcp + 30, 1, 2);
	if (sacks)
		put32(tcp + before_sacks, 0x01010500 + 2 + 8 * sacks);
	for (unsigned i = 0; i < sacks; i++) {
		put32(tcp + before_sacks + 4 + 8 * i, p->sacks[i][0]);
		put32(tcp + before_sacks + 8 + 8 * i, p->sacks[i][1]);
	}
	if (p->has_ts) {
		static const uint8_t aligned[4] = { 1, 1, 8, 10 };

		memmove(tcp + 32, tcp + 20, fixed - 20);
		memcpy(tcp + 20, aligned, 4);
		put32(tcp + 24, p->ts);
		put32(tcp + 28, p->ts_echo);
	}
	if (bytes)
		memcpy(tcp + header, data, bytes);
	put_checksum(frame, header + bytes, 16);
	world_receive(frame, MAX(at + header + bytes, 60u));
}

void peer_send(struct peer *p, unsigned flags, const void *data, unsigned bytes)
{
	peer_send_at(p, p->seq, flags, data, bytes);
	p->seq += bytes + !!(flags & SYN) + !!(flags & FIN);
}

void peer_udp(const struct peer *p, const void *data, unsigned bytes)
{
	static uint8_t frame[54 + 8 + 1472];
	unsigned at = put_ip(frame, p, 17, 8 + bytes);
	uint8_t *udp = frame + at;

	memset(udp, 0, 8);
	put16(udp, p->port);
	put16(udp + 2, p->our_port);
	put16(udp + 4, 8 + bytes);
	memcpy(udp + 8, data, bytes);
	put_checksum(frame, 8 + bytes, 6);
	world_receive(frame, MAX(at + 8 + bytes, 60u));
}

void peer_icmp(unsigned type, unsigned code, unsigned mtu, const void *quote, unsigned bytes)
{
	struct peer router = { .address = 0x0a0000feu };
	uint8_t frame[54 + 8 + 64], *icmp = frame + put_ip(frame, &router, world.is_ip6 ? 58 : 1, 8 + bytes);

	memset(icmp, 0, 8);
	icmp[0] = (uint8_t)type;
	icmp[1] = (uint8_t)code;
	put16(icmp + 6, mtu);
	memcpy(icmp + 8, quote, bytes);
	if (world.is_ip6)
		put_checksum(frame, 8 + bytes, 2);
	else
		put16(icmp + 2, be16((uint16_t)~port_chksum(icmp, (int)(8 + bytes))));
	world_receive(frame, MAX((unsigned)(icmp - frame) + 8 + bytes, 60u));
}

const struct sent *peer_take(struct peer *p)
{
	while (world.taken < world.sent_count) {
		const struct sent *s = &world.sent[world.taken++];
		unsigned at = world_l4_at(s->data);
		const uint8_t *tcp = s->data + at;

		if (s->data[at == 54 ? 20 : 23] != 6 || get32(tcp - 4) != p->address || tcp[2] != p->port >> 8 ||
		    tcp[3] != (p->port & 0xff))
			continue;
		if (p->has_ts && seg_ts(s))
			p->ts_echo = seg_ts(s);
		if (seg_flags(s) & SYN)
			p->ack = seg_seq(s) + 1;
		else if (seg_seq(s) == p->ack)
			p->ack += seg_bytes(s) + !!(seg_flags(s) & FIN);
		return s;
	}
	return NULL;
}

ix_handle_t peer_knock(struct peer *p, uint16_t our_port)
{
	static uint16_t port = 20000;
	const struct sent *s;

	if (!p->address)
		p->address = PEER_ADDRESS;
	if (!p->port)
		p->port = ++port;
	if (!p->seq)
		p->seq = 1000000u * port;
	if (!p->window)
		p->window = 65535;
	p->our_port = our_port;
	while (peer_take(p))
		;
	peer_send(p, SYN | p->syn_flags, NULL, 0);
	world_turn();
	world_turn(); /* ARP may have come first */
	s = peer_take(p);
	assert_non_null(s);
	assert_int_equal(seg_flags(s) & 0x3f, SYN | ACK);
	p->syn_answer = (uint8_t)seg_flags(s);
	assert_int_equal(seg_ack(s), p->seq);
	peer_send(p, ACK, NULL, 0);
	world_turn();
	assert_non_null(world_event(IX_EV_KNOCK, 0));
	return world_event(IX_EV_KNOCK, 0)->handle;
}

ix_handle_t peer_open(struct peer *p, uint16_t our_port, uint64_t cookie)
{
	ix_handle_t handle = peer_knock(p, our_port);

	assert_int_equal(net_accept(handle, cookie), IX_OK);
	world_turn();
	return handle;
}

/* Where the value of the timestamp option is, NULL: there is none. */
static const uint8_t *find_ts(const struct sent *s)
{
	const uint8_t *tcp = s->data + world_l4_at(s->data), *at = tcp + 20, *end = tcp + (tcp[12] >> 4) * 4;

	while (at < end && *at && *at != 8)
		at += *at == 1 ? 1 : at[1];
	return at < end && *at == 8 ? at + 2 : NULL;
}
uint32_t seg_ts(const struct sent *s)
{
	return find_ts(s) ? get32(find_ts(s)) : 0;
}
uint32_t seg_ts_echo(const struct sent *s)
{
	return find_ts(s) ? get32(find_ts(s) + 4) : 0;
}
static const uint8_t *tcp_of(const struct sent *s)
{
	return s->data + world_l4_at(s->data);
}
unsigned seg_tos(const struct sent *s)
{
	return s->data[14] >> 4 == 4 ? s->data[15] & 15u : s->data[15] >> 4;
}
unsigned seg_flags(const struct sent *s)
{
	return tcp_of(s)[13];
}
uint32_t seg_seq(const struct sent *s)
{
	return get32(tcp_of(s) + 4);
}
uint32_t seg_ack(const struct sent *s)
{
	return get32(tcp_of(s) + 8);
}
uint32_t seg_window(const struct sent *s)
{
	return (uint32_t)(tcp_of(s)[14] << 8 | tcp_of(s)[15]);
}
unsigned seg_bytes(const struct sent *s)
{
	return s->full_bytes - world_l4_at(s->data) - (tcp_of(s)[12] >> 4) * 4u;
}
const uint8_t *seg_data(const struct sent *s)
{
	return tcp_of(s) + (tcp_of(s)[12] >> 4) * 4;
}
