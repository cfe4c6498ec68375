/* SPDX-License-Identifier: MIT */
/*
 * The options of a segment, read once where lwIP shows it to us before its own work: what is decided by them
 * is in tcp_ts.c and tcp_recover.c. [RFC 9293 3.1, RFC 7323 2, RFC 2018 3]
 */
#include "kernel/net/tcp_options.h"

#include "kernel/base/bytes.h"
#include "kernel/net/port/ix_hooks.h"
#include "kernel/net/tcp_ecn.h"
#include "kernel/net/tcp_recover.h"
#include "kernel/net/word.h"

#define OPTION_BYTES_MAX 40u
#define OPTION_SACK 5u
#define OPTION_TS 8u
#define OPTION_TS_BYTES 10u

static PERCORE struct tcp_options current;

/* @at: kind, length, then pairs of sequence numbers. */
static void read_sacks(struct tcp_options *o, const uint8_t *at)
{
	for (unsigned i = 2; i + 8 <= at[1] && o->sack_count < SACKS_MAX; i += 8)
		o->sacks[o->sack_count++] = (struct tcp_sack_range){ word_at(at + i), word_at(at + i + 4) };
}

void options_read(struct tcp_options *o, const uint8_t *options, unsigned bytes)
{
	unsigned at = 0;

	o->has_ts = false;
	o->sack_count = 0;
	while (at < bytes && options[at] != LWIP_TCP_OPT_EOL) {
		if (options[at] == LWIP_TCP_OPT_NOP) {
			at++;
			continue;
		}
		if (at + 1 >= bytes || options[at + 1] < 2 || at + options[at + 1] > bytes)
			break;
		if (options[at] == OPTION_TS && options[at + 1] == OPTION_TS_BYTES) {
			o->has_ts = true;
			o->ts_value = word_at(options + at + 2);
			o->ts_echo = word_at(options + at + 6);
		} else if (options[at] == OPTION_SACK) {
			read_sacks(o, options + at);
		}
		at += options[at + 1];
	}
}

const struct tcp_options *options_of_segment(void)
{
	return &current;
}

void options_forget(void)
{
	current.has_ts = false;
	current.sack_count = 0;
}

err_t port_tcp_in(struct tcp_pcb *pcb, struct tcp_hdr *hdr, u16_t option_bytes, u16_t first_bytes, uint8_t *second)
{
	uint8_t options[OPTION_BYTES_MAX];

	if (pcb->state == LISTEN)
		ecn_offered(((const uint8_t *)hdr)[13]);
	if (pcb->state <= SYN_SENT || pcb->state == TIME_WAIT || (TCPH_FLAGS(hdr) & (TCP_RST | TCP_SYN)))
		return ERR_OK;
	first_bytes = MIN(first_bytes, option_bytes);
	memcpy(options, hdr + 1, first_bytes);
	if (second)
		memcpy(options + first_bytes, second, option_bytes - first_bytes);
	options_read(&current, options, option_bytes);
	if ((pcb->flags & TF_TIMESTAMP) && !ts_is_acceptable(conn_of(pcb), hdr, &current))
		return ERR_VAL;
	if (TCPH_FLAGS(hdr) & TCP_ACK)
		recover_before(conn_of(pcb));
	return ERR_OK;
}
