/* SPDX-License-Identifier: MIT */
/* The client of the native port against a server that the test plays, frame by frame: what it accepts, and what ends it. */
#include <arpa/inet.h>
#include <net/ethernet.h>
#include <netinet/if_ether.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "bench/load/client.h"
#include "bench/native/client/tcp.h"
#include "bench/native/client/wire.h"

#define CLIENT 0x0a4e0001u
#define SERVER 0x0a4e0002u
#define BYTES 100u
#define SERVER_ISN 5000u
#define STRAY_ACK 77u
#define STEP_NS 100000u

struct segment {
	struct ether_header ether;
	struct iphdr ip;
	struct tcphdr tcp;
	uint8_t rest[];
} __attribute__((packed));

static uint64_t now_ns;
static jmp_buf dead;
static char why[200];

static struct {
	uint8_t out[WIRE_FRAME_MAX];
	uint8_t in[WIRE_BURST][WIRE_FRAME_MAX]; /* answers not yet taken */
	uint32_t in_bytes[WIRE_BURST];
	unsigned in_count;
	unsigned strays; /* SYNs still to be answered by an earlier connection's FIN, which acknowledges STRAY_ACK */
	unsigned disowned;
	unsigned refusals;  /* SYNs still to be answered by RST */
	unsigned acks_only; /* segments of the client without data, after its SYN */
	uint32_t snd_nxt;
	/* What is done to the next answer. */
	unsigned wrong_byte; /* 1.. of the data, 0: none */
	bool is_split, is_repeated, has_gap, has_wrong_sum, has_wrong_ack, is_reset;
} server;

uint64_t clock_ns(void)
{
	return now_ns += STEP_NS;
}

void die(const char *format, ...)
{
	va_list a;

	va_start(a, format);
	(void)vsnprintf(why, sizeof(why), format, a);
	va_end(a);
	longjmp(dead, 1);
}

/* ---- the server ---- */

static uint16_t sum_of(const struct segment *s, uint32_t tcp_bytes)
{
	const uint8_t *at = (const uint8_t *)&s->ip.saddr;
	uint32_t sum = IPPROTO_TCP + tcp_bytes, bytes = 8 + tcp_bytes; /* addresses stand right before the TCP header */

	for (uint32_t i = 0; i < bytes; i++)
		sum += i % 2 ? at[i] : (uint32_t)at[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

static uint8_t *new_answer(uint32_t bytes)
{
	assert_true(server.in_count < WIRE_BURST);
	server.in_bytes[server.in_count] = bytes;
	return server.in[server.in_count++];
}

static void answer_segment(uint8_t flags, uint32_t seq, const uint8_t *data, uint32_t bytes)
{
	const struct segment *q = (const struct segment *)server.out;
	uint32_t tcp_bytes = (uint32_t)sizeof(q->tcp) + bytes,
		 asked_bytes = ntohs(q->ip.tot_len) - 20u - q->tcp.th_off * 4u;
	struct segment *a = (struct segment *)new_answer(34 + tcp_bytes);

	memcpy(a->ether.ether_dhost, q->ether.ether_shost, 6);
	memcpy(a->ether.ether_shost, q->ether.ether_dhost, 6);
	a->ether.ether_type = q->ether.ether_type;
	a->ip = (struct iphdr){ .version = 4,
				.ihl = 5,
				.protocol = IPPROTO_TCP,
				.tot_len = htons((uint16_t)(20 + tcp_bytes)),
				.saddr = htonl(SERVER),
				.daddr = htonl(CLIENT) };
	a->tcp = (struct tcphdr){ .th_sport = q->tcp.th_dport,
				  .th_dport = q->tcp.th_sport,
				  .th_seq = htonl(seq),
				  .th_off = 5,
				  .th_ack = htonl(ntohl(q->tcp.th_seq) + asked_bytes +
						  (q->tcp.th_flags & TH_SYN ? 1 : 0) - (server.has_wrong_ack ? 1 : 0)),
				  .th_flags = flags };
	if (bytes)
		memcpy(a->rest, data, bytes);
	a->tcp.th_sum = sum_of(a, tcp_bytes);
	if (server.has_wrong_sum)
		a->tcp.th_sum ^= 1;
}

static void answer_data(const uint8_t *data, uint32_t bytes)
{
	uint8_t echo[BYTES];
	uint32_t half = server.is_split ? bytes / 2 : bytes;

	memcpy(echo, data, bytes);
	if (server.wrong_byte)
		echo[server.wrong_byte - 1] ^= 0x20;
	if (server.is_reset)
		answer_segment(TH_RST, server.snd_nxt, NULL, 0);
	if (server.has_gap)
		server.snd_nxt += 7;
	for (unsigned i = 0; i < 1u + server.is_repeated; i++)
		answer_segment(TH_ACK, server.snd_nxt, echo, half);
	if (half < bytes)
		answer_segment(TH_ACK, server.snd_nxt + half, echo + half, bytes - half);
	server.snd_nxt += bytes;
}

static void serve_arp(const uint8_t *question)
{
	const uint32_t own = htonl(SERVER);
	uint8_t *frame = new_answer(60);
	struct ether_arp a;

	memcpy(frame, question, 60);
	memcpy(&a, frame + sizeof(struct ether_header), sizeof(a));
	a.arp_op = htons(ARPOP_REPLY);
	memcpy(a.arp_tpa, a.arp_spa, 4);
	memcpy(a.arp_spa, &own, 4);
	memset(a.arp_sha, 2, 6);
	memcpy(frame + sizeof(struct ether_header), &a, sizeof(a));
}

/* ---- the wire ---- */

int wire_open(int argc, char **argv, bool has_checksums)
{
	(void)argc, (void)argv, (void)has_checksums;
	return 0;
}

unsigned wire_receive(struct wire_frame *out, unsigned max)
{
	static uint8_t taken[WIRE_BURST][WIRE_FRAME_MAX];
	unsigned n = server.in_count;

	assert_true(n <= max);
	memcpy(taken, server.in, sizeof(taken));
	for (unsigned i = 0; i < n; i++)
		out[i] = (struct wire_frame){ taken[i], server.in_bytes[i] };
	server.in_count = 0;
	return n;
}

uint8_t *wire_room(void)
{
	return server.out;
}

void wire_send(uint32_t bytes)
{
	const struct segment *s = (const struct segment *)server.out;
	uint32_t tcp_bytes, header;

	if (s->ether.ether_type == htons(ETHERTYPE_ARP)) {
		serve_arp(server.out);
		return;
	}
	tcp_bytes = ntohs(s->ip.tot_len) - 20u;
	header = s->tcp.th_off * 4u;
	assert_int_equal(bytes, 34 + tcp_bytes);
	assert_int_equal(sum_of(s, tcp_bytes), 0);
	if (s->tcp.th_flags & TH_SYN && server.strays) {
		struct segment *stray;

		server.strays--;
		answer_segment(TH_FIN | TH_ACK, 1234, NULL, 0);
		stray = (struct segment *)server.in[server.in_count - 1];
		stray->tcp.th_ack = htonl(STRAY_ACK);
		stray->tcp.th_sum = 0;
		stray->tcp.th_sum = sum_of(stray, sizeof(stray->tcp));
	} else if (s->tcp.th_flags == TH_RST) {
		assert_int_equal(ntohl(s->tcp.th_seq), STRAY_ACK);
		server.disowned++;
	} else if (s->tcp.th_flags & TH_SYN && server.refusals) {
		server.refusals--;
		answer_segment(TH_RST | TH_ACK, 0, NULL, 0);
	} else if (s->tcp.th_flags & TH_SYN) {
		answer_segment(TH_SYN | TH_ACK, SERVER_ISN, NULL, 0);
		server.snd_nxt = SERVER_ISN + 1;
	} else if (tcp_bytes > header) {
		answer_data((const uint8_t *)&s->tcp + header, tcp_bytes - header);
	} else {
		server.acks_only++;
	}
}

void wire_flush(void)
{
}

/* ---- tests ---- */

static const struct tcp_config config = {
	.client = CLIENT, .server = SERVER, .port = 7, .connections = 1, .message_bytes = BYTES
};

static int reset_server(void **state)
{
	(void)state;
	memset(&server, 0, sizeof(server));
	why[0] = 0;
	return 0;
}

/* Opens, runs for a while, and says how it ended. */
static uint64_t run(void)
{
	volatile uint64_t answers = 0;

	if (!setjmp(dead)) {
		tcp_open(&config);
		tcp_start();
		answers = tcp_run(0.01);
	}
	tcp_close();
	return answers;
}

static void test_answers_count(void **state)
{
	(void)state;
	assert_true(run() > 10);
	assert_string_equal(why, "");
}

static void test_answer_in_two_segments(void **state)
{
	(void)state;
	server.is_split = true;
	assert_true(run() > 10);
	assert_string_equal(why, "");
}

static void test_repeated_segment_is_acknowledged(void **state)
{
	(void)state;
	server.is_repeated = true;
	assert_true(run() > 10);
	assert_string_equal(why, "");
	assert_true(server.acks_only > 10);
}

static void test_refused_until_somebody_listens(void **state)
{
	(void)state;
	server.refusals = 2;
	assert_true(run() > 10);
	assert_string_equal(why, "");
	assert_int_equal(server.refusals, 0);
}

static void test_earlier_connection_is_disowned(void **state)
{
	(void)state;
	server.strays = 2;
	assert_true(run() > 10);
	assert_string_equal(why, "");
	assert_int_equal(server.disowned, 2);
}

/* Each of these must end the program, with the sentence that belongs to it. */
static void test_wrong_byte(void **state)
{
	(void)state;
	server.wrong_byte = BYTES;
	assert_int_equal(run(), 0);
	assert_non_null(strstr(why, "is wrong"));
}

static void test_missing_bytes(void **state)
{
	(void)state;
	server.has_gap = true;
	assert_int_equal(run(), 0);
	assert_non_null(strstr(why, "a frame is lost"));
}

static void test_wrong_sum(void **state)
{
	(void)state;
	server.has_wrong_sum = true;
	assert_int_equal(run(), 0);
	assert_non_null(strstr(why, "wrong sum"));
}

static void test_wrong_acknowledgement(void **state)
{
	(void)state;
	server.has_wrong_ack = true;
	assert_int_equal(run(), 0);
	assert_non_null(strstr(why, "acknowledgement"));
}

static void test_reset(void **state)
{
	(void)state;
	server.is_reset = true;
	assert_int_equal(run(), 0);
	assert_non_null(strstr(why, "ended by the server"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_answers_count, reset_server),
		cmocka_unit_test_setup(test_answer_in_two_segments, reset_server),
		cmocka_unit_test_setup(test_repeated_segment_is_acknowledged, reset_server),
		cmocka_unit_test_setup(test_refused_until_somebody_listens, reset_server),
		cmocka_unit_test_setup(test_earlier_connection_is_disowned, reset_server),
		cmocka_unit_test_setup(test_wrong_byte, reset_server),
		cmocka_unit_test_setup(test_missing_bytes, reset_server),
		cmocka_unit_test_setup(test_wrong_sum, reset_server),
		cmocka_unit_test_setup(test_wrong_acknowledgement, reset_server),
		cmocka_unit_test_setup(test_reset, reset_server),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
