/* SPDX-License-Identifier: MIT */
/*
 * A core's TCP/IP with everything around it faked: a clock that the test moves, a device that keeps what
 * it was given, and a peer on the wire that speaks TCP as bytes.
 */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>
#include "kernel/abi/call.h"
#include "kernel/abi/event.h"
#include "kernel/abi/status.h"
#include "kernel/buf/buf.h"
#include "kernel/conf/conf.h"
#include "kernel/net/net.h"
#include "kernel/nic/nic.h"

#define WORLD_ADDRESS 0x0a000001u /* 10.0.0.1/8 */
#define PEER_ADDRESS 0x0a000002u
#define WORLD_IP6 0x10000u /* with the offloads: peers come by IPv6, from fd00:: with their address in the last word */
#define WORLD_GATEWAY6 0x40000u /* fe80::1 is the manifest's gateway */
#define WORLD_DHCP 0x80000u     /* nor of IPv4: a server is asked */
#define WORLD_SLAAC 0x20000u    /* no IPv6 address of our own: routers are asked; from the first test of a program on */
#define SENT_MAX 4096u
#define WORLD_SPECIAL_PORT 71u /* has options of its own: a floor of 5 ms, and */
#define WORLD_BACKLOG 3u
#define WORLD_HALF_OPEN 4u
#define HANDED_MAX 256u
#define WAITING_MAX 256u
#ifndef WORLD_OFFLOADS
#define WORLD_OFFLOADS 0 /* enum nic_offload; some tests are built a second time with another value */
#endif

#define FIN 1u
#define SYN 2u
#define RST 4u
#define PSH 8u
#define ACK 16u

/* A frame that the device was given, put together. */
struct sent {
	uint16_t bytes;
	uint16_t flags; /* enum nic_tx_flags */
	uint16_t mss;
	uint16_t csum_start, csum_offset;
	uint8_t data[2048];
	uint32_t full_bytes; /* of a merged frame, whose first bytes only are in data[] */
};

/* A frame that this core handed to another: the test's, to receive again or to free. */
struct handed {
	struct buf *first;
	uint32_t core;
};

struct world {
	bool cuts_nothing; /* before world_begin(): trains only where the device cuts them */
	struct sent sent[SENT_MAX];
	unsigned sent_count, taken; /* recorded, and of them looked at by peer_take() */
	unsigned arp_requests;      /* and neighbour solicitations */
	struct sent control;        /* the last message of neighbour discovery or MLD: sent[] has none of them */
	unsigned control_count;
	bool is_ip6;
	uint64_t now_us;
	bool has_more;          /* more frames wait than a turn takes */
	bool is_full;           /* the device's queue takes nothing */
	bool is_holding;        /* it gives nothing back */
	bool has_addresses;     /* neighbours' Ethernet addresses end as their IPv4 addresses; else all have one */
	bool is_arp_silent;     /* nobody answers ARP or neighbour discovery */
	uint32_t answers_below; /* nobody at this address or above does, 0: all do */
	bool is_losing;         /* frames vanish: they are given back and not recorded */
	bool is_cutting;        /* the device cuts what is too long for a frame; else it is recorded as it was given */
	bool is_csum_unchecked; /* frames from the test carry no checksum, as from a host's own memory */
	uint32_t rx_offset;     /* bytes before a received frame in its buffer */
	uint16_t mss;           /* in the test's SYNs, 0: 1460 */
	bool is_padded;         /* the test's TCP headers end with options that say nothing */
	unsigned segments;      /* that a received frame was merged from, 0: one */
	unsigned pieces;        /* received frames are cut into buffers of this many bytes, 0: not */
	struct handed handed[HANDED_MAX];
	unsigned handed_count;
	bool is_hand_full;      /* the rings to other cores are */
	bool is_spread;         /* flow groups belong to the cores in turn, else to whoever asks */
	bool is_queue_group;    /* only the back end knows which queue a flow comes to */
	unsigned resets_wanted; /* of the device */
	struct ix_event_array events;
	struct conf conf;
};
extern struct world world;
extern struct nic_info world_nic;

/* A host that talks to us. */
struct peer {
	uint32_t address; /* host order */
	uint16_t port, our_port;
	uint32_t seq; /* next to send */
	uint32_t ack; /* next expected */
	uint32_t window;
	bool has_ts;        /* it offers timestamps and then sends them */
	bool has_no_sack;   /* it does not offer selective acknowledgements */
	uint8_t syn_flags;  /* of its request, beside SYN */
	uint8_t syn_answer; /* flags of ours to that */
	uint8_t tos;        /* of its packets, four bits */
	uint8_t sack_count; /* blocks that its next segments carry, at most 3 beside a timestamp */
	uint32_t ts;        /* its clock, moved by the test */
	uint32_t ts_echo;
	const uint32_t (*sacks)[2];
};

/** world_begin() - fresh core with address 10.0.0.1 and @offloads (enum nic_offload). */
void world_begin(uint32_t offloads);
/** world_end() - partition end, everything drained; nothing may be left allocated. */
void world_end(void);

/** world_tx(), world_tx_room(), world_tx_reclaim() - the device, as flow_tx(), flow_tx_room() and flow_tx_reclaim() want it. */
bool world_tx(const struct nic_tx *tx);
uint32_t world_tx_room(void);
unsigned world_tx_reclaim(void **tokens, unsigned max);

/** world_receive() - a frame waits for the next turn. */
void world_receive(const void *frame, unsigned bytes);
/** world_receive_buf() - a frame that another core handed over waits for the next turn. */
void world_receive_buf(struct buf *first);
/** world_take_waiting() - frames that wait, at most WAITING_MAX, are the caller's. Return: how many. */
unsigned world_take_waiting(struct buf **out);
/** world_turn() - one turn of the loop; its events are in world.events. */
void world_turn(void);
/** world_events() - what is pending goes into @to, the calling core's array, and is written whole (memcheck). */
void world_events(struct ix_event_array *to);
/** world_pass() - time goes by in turns of a millisecond; events of all but the last turn are lost. */
void world_pass(unsigned ms);
/** world_give_back() - the device is done with the oldest @count frames it holds. */
void world_give_back(unsigned count);
unsigned world_held(void);

/** world_event() - the @nth event of @kind in the last turn, NULL if there is none. */
const struct ix_event *world_event(enum ix_event_kind kind, unsigned nth);
unsigned world_event_count(enum ix_event_kind kind);

/** world_listen() - on TCP @port, any address. */
ix_handle_t world_listen(uint16_t port, uint64_t cookie);

/** peer_send() - a segment waits for the next turn; @p->seq moves on. */
void peer_send(struct peer *p, unsigned flags, const void *data, unsigned bytes);
/** peer_send_at() - the same with a sequence number of its own; @p->seq stays. */
void peer_send_at(struct peer *p, uint32_t seq, unsigned flags, const void *data, unsigned bytes);
/** peer_udp() - a datagram waits for the next turn. */
void peer_udp(const struct peer *p, const void *data, unsigned bytes);
/** peer_icmp() - an ICMP message of a router about @bytes of @quote waits for the next turn. */
void peer_icmp(unsigned type, unsigned code, unsigned mtu, const void *quote, unsigned bytes);
/** peer_take() - take the next recorded segment for @p and follow it. Return: NULL if there is none. */
const struct sent *peer_take(struct peer *p);
/** peer_knock() - handshake; the knock has been written. Return: its handle. */
ix_handle_t peer_knock(struct peer *p, uint16_t our_port);
/** peer_open() - peer_knock() and accept with @cookie. */
ix_handle_t peer_open(struct peer *p, uint16_t our_port, uint64_t cookie);

/** world_ip6() - fd00:: with @address in its last word, 16 bytes. */
void world_ip6(uint8_t out[16], uint32_t address);
/** world_endpoint() - @address and @port as ring 3 names them, of the world's family. */
struct ix_endpoint world_endpoint(uint32_t address, uint16_t port);
/** world_l4_at() - where the TCP or UDP header of a frame of either family begins, without options. */
unsigned world_l4_at(const uint8_t *frame);

/* Of a recorded TCP segment. */
unsigned seg_flags(const struct sent *s);
uint32_t seg_seq(const struct sent *s);
uint32_t seg_ack(const struct sent *s);
uint32_t seg_window(const struct sent *s);
uint32_t seg_ts(const struct sent *s);      /* value of its timestamp option, 0: none */
uint32_t seg_ts_echo(const struct sent *s); /* and what that echoes */
unsigned seg_bytes(const struct sent *s);
unsigned seg_tos(const struct sent *s); /* four bits of it */
const uint8_t *seg_data(const struct sent *s);
