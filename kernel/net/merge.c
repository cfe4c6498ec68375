/* SPDX-License-Identifier: MIT */
/*
 * A device that hands over every segment as a frame leaves it to us to see that they follow each other: long ones of one
 * connection, next to each other in a batch, with nothing but number and data that differs, run through TCP as one, which
 * is then as one that the device merged [virtio-1.2 5.1.6.4]. Only what sums up is added. [RFC 9293 3.1]
 */
#include "kernel/net/merge.h"

#include "kernel/base/bytes.h"
#include "kernel/net/checksum.h"
#include "kernel/net/output.h"
#include "kernel/net/rx_buf.h"
#include "kernel/net/tuple.h"
#include "kernel/net/word.h"

#define PLAIN_BYTES 20u   /* of a TCP header, */
#define STAMPED_BYTES 32u /* with a timestamp and nothing else */
#define FLAG_PSH 8u
#define FLAG_ACK 16u

static inline const uint8_t *tcp_of(const struct frame *f)
{
	return f->b->data + f->b->off + TCP4_AT;
}

/* A long data segment over IPv4 in a buffer of its own, and nothing behind it. */
static inline bool is_plain(const struct frame *f, const uint8_t *tcp)
{
	const struct buf *b = f->b;

	return f->kind == FRAME_TCP && !f->tuple.is_ip6 && f->ip_bytes == IP4_BYTES && !b->next &&
	       !(b->flags & ~BUF_CSUM_GOOD) && b->segments == 1 && b->len == TCP4_AT + f->l4_bytes &&
	       (tcp[12] == PLAIN_BYTES << 2 || tcp[12] == STAMPED_BYTES << 2) && (tcp[13] & ~FLAG_PSH) == FLAG_ACK;
}

/* Both are plain. Acknowledgement, window, length of the header, options and type of service are the same. */
static bool is_like(const struct frame *a, const struct frame *b)
{
	const uint8_t *one = tcp_of(a), *two = tcp_of(b);

	return tuple_is_equal(&a->tuple, &b->tuple) && one[12] == two[12] && word_at(one + 8) == word_at(two + 8) &&
	       half_at(one + 14) == half_at(two + 14) && a->b->data[a->b->off + 15] == b->b->data[b->b->off + 15] &&
	       (one[12] == PLAIN_BYTES << 2 ||
		(word_at(one + 20) == word_at(two + 20) && word_at(one + 24) == word_at(two + 24) &&
		 word_at(one + 28) == word_at(two + 28)));
}

static void append(struct merge *m, struct frame *f, uint32_t header)
{
	struct buf *b = f->b, *first = m->lead->b;
	uint32_t bytes = f->l4_bytes - header;

	b->off = (uint16_t)(b->off + TCP4_AT + header);
	b->len = (uint16_t)bytes;
	m->tail->next = b;
	m->tail = b;
	first->frame_bytes += bytes;
	first->segments++;
	first->count++;
	m->lead->l4_bytes = (uint16_t)(m->lead->l4_bytes + bytes);
	m->next += bytes;
}

void merge_end(struct merge *m)
{
	struct frame *f = m->lead;
	uint16_t total, sum = 0;
	uint8_t *ip;

	m->lead = NULL;
	if (!f || f->b->segments == 1)
		return;
	ip = f->b->data + f->b->off + ETH_BYTES; /* for whoever looks at it again */
	total = be16((uint16_t)(IP4_BYTES + f->l4_bytes));
	memcpy(ip + 2, &total, sizeof(total));
	memcpy(ip + 10, &sum, sizeof(sum));
	sum = (uint16_t)~port_chksum(ip, IP4_BYTES);
	memcpy(ip + 10, &sum, sizeof(sum));
}

/* Whether its checksum is right; the data's is kept with the buffer, for whoever sends it on. */
static bool is_sum_good(const struct frame *f, const uint8_t *tcp, uint32_t header)
{
	uint16_t data = port_chksum(tcp + header, (int)(f->l4_bytes - header));
	uint64_t sum = tuple_checksum(&f->tuple, IP_PROTOCOL_TCP, f->l4_bytes) + data, words[4] = { 0 };

	memcpy(words, tcp, PLAIN_BYTES);
	if (header == STAMPED_BYTES)
		memcpy(words, tcp, STAMPED_BYTES);
	for (unsigned i = 0; i < ARRAY_COUNT(words); i++)
		sum += (words[i] & 0xffffffff) + (words[i] >> 32);
	if (!(f->b->flags & BUF_CSUM_GOOD) && checksum_fold(sum) != 0xffff)
		return false;
	f->b->flags |= BUF_CSUM_GOOD | BUF_SUMMED;
	rx_of(f->b)->sum = data;
	return true;
}

bool merge_add_long(struct merge *m, struct frame *f)
{
	const uint8_t *tcp = tcp_of(f);
	uint32_t header;

	if (!is_plain(f, tcp) || !is_sum_good(f, tcp, tcp[12] >> 2)) {
		merge_end(m);
		return false;
	}
	header = tcp[12] >> 2;
	if (m->lead && word_at(tcp + 4) == m->next && is_like(m->lead, f)) {
		bool is_last = tcp[13] & FLAG_PSH;

		append(m, f, header);
		if (is_last)
			merge_end(m);
		return true;
	}
	merge_end(m);
	if (!(tcp[13] & FLAG_PSH))
		*m = (struct merge){ .lead = f, .tail = f->b, .next = word_at(tcp + 4) + f->l4_bytes - header };
	return false;
}
