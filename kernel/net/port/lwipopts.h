/* SPDX-License-Identifier: MIT */
/*
 * How lwIP is configured: one lock-free instance a core, raw API only, timers and demultiplexing from
 * outside (kernel/net/timers.c, demux.c), memory from kernel/mem, receive buffers as custom pbufs.
 */
#pragma once

/* ---- system ---- */
#define NO_SYS 1
#define SYS_LIGHTWEIGHT_PROT 0
#define LWIP_NETCONN 0
#define LWIP_SOCKET 0
#define LWIP_TIMERS 0
#define LWIP_SINGLE_NETIF 1
#define LWIP_STATS 0
#define LWIP_NETIF_LOOPBACK 0
#define LWIP_HAVE_LOOPIF 0
#define LWIP_NETIF_TX_SINGLE_PBUF 0
#ifndef LWIP_NOASSERT
#define LWIP_NOASSERT 1 /* the unit tests build with assertions */
#endif

/* ---- memory: everything from the core-local magazines of kernel/mem ---- */
#define MEM_ALIGNMENT 8
#define MEM_SIZE 1048576
#define MEM_CUSTOM_ALLOCATOR 1
#define MEM_CUSTOM_MALLOC port_malloc
#define MEM_CUSTOM_FREE port_free
#define MEM_CUSTOM_CALLOC port_calloc
#define MEMP_MEM_MALLOC 1
#define PBUF_POOL_SIZE 0
#define PBUF_POOL_FREE_OOSEQ 0 /* else pbuf_alloc() walks all connections */
#define LWIP_SUPPORT_CUSTOM_PBUF 1
#define PBUF_LINK_HLEN 14
#define PBUF_LINK_ENCAPSULATION_HLEN 16 /* room for struct tx_note of kernel/net/output.c */
#define ETH_PAD_SIZE 0

/* ---- protocols: ARP is kernel/net/neighbour.c ---- */
#define LWIP_IPV4 1
#define LWIP_IPV6 1
#define LWIP_IPV6_NUM_ADDRESSES 1 /* not used: our addresses are in net_shared; ip6.c and nd.c stand in for lwIP's */
#define LWIP_IPV6_FRAG 0
#define LWIP_IPV6_REASS 0
#define LWIP_IPV6_SEND_ROUTER_SOLICIT 0
#define LWIP_IPV6_AUTOCONFIG 0
#define LWIP_IPV6_DUP_DETECT_ATTEMPTS 0
#define LWIP_IPV6_MLD 0
#define LWIP_ICMP6 0
#define LWIP_ND6_QUEUEING 0
#define LWIP_ND6_ALLOW_RA_UPDATES 0
#define LWIP_ND6_TCP_REACHABILITY_HINTS 0
#define LWIP_ARP 0
#define LWIP_ETHERNET 0
#define LWIP_ICMP 1
#define LWIP_RAW 0
#define LWIP_IGMP 0
#define LWIP_AUTOIP 0
#define LWIP_UDP 1
#define LWIP_DHCP 1
#define LWIP_ACD 0
#define LWIP_DHCP_DOES_ACD_CHECK 0 /* no wait for an address conflict (README, Limits) */
#define LWIP_DNS 0
#define IP_REASSEMBLY 0 /* fragments are counted and dropped */
#define IP_FRAG 1       /* of our own datagrams */
#define IP_FORWARD 0
#define LWIP_BROADCAST_PING 0
#define LWIP_MULTICAST_PING 0

/* ---- TCP; one tick of lwIP's timers is a millisecond of our clock ---- */
#define LWIP_TCP 1
#define LWIP_EVENT_API 1 /* one lwip_tcp_event() for all: 48 bytes a connection less than six pointers */
#define TCP_TMR_INTERVAL 1
#define TCP_FAST_INTERVAL 1
#define TCP_SLOW_INTERVAL 1
#define LWIP_TCP_RTO_TIME 1000 /* [RFC 6298 2.1] */
#define TCP_MSL 60000UL        /* LAST_ACK lives twice as long; TIME_WAIT is kernel/net/timewait.c */
/* TCP_FIN_WAIT_TIMEOUT and TCP_SYN_RCVD_TIMEOUT are lwIP's: 20 s, and it does not ask. */
#define TCP_MAXRTX 12 /* never reached: kernel/net/timers.c gives up by time */
#define TCP_SYNMAXRTX 12
#define TCP_MSS 1460
#define TCP_CALCULATE_EFF_SEND_MSS 1
#define LWIP_WND_SCALE 1
#define TCP_RCV_SCALE 3
#define TCP_WND 131072
#define TCP_SND_BUF 131072
#define TCP_SND_QUEUELEN 1024
#define TCP_SNDLOWAT 32768
#define TCP_SNDQUEUELOWAT 512
#define TCP_OVERSIZE 0
#define TCP_QUEUE_OOSEQ 1
#define TCP_OOSEQ_MAX_BYTES 65536
#define TCP_OOSEQ_MAX_PBUFS 64
#define LWIP_TCP_SACK_OUT 1
#define LWIP_TCP_MAX_SACK_NUM 3
#define LWIP_TCP_TIMESTAMPS 1
#define LWIP_TCP_KEEPALIVE 1
#define TCP_KEEPINTVL_DEFAULT 10000UL
#define TCP_KEEPCNT_DEFAULT 9U
#define TCP_LISTEN_BACKLOG 0 /* half-open connections are counted in kernel/net/tcp_in.c */
#define LWIP_TCP_PCB_NUM_EXT_ARGS 1

/* ---- checksums: received ones are verified before lwIP; sent ones by the device where it can ---- */
#define LWIP_CHECKSUM_CTRL_PER_NETIF 1
#define LWIP_CHECKSUM_ON_COPY 0
#define LWIP_CHKSUM port_chksum

/* ---- hooks ---- */
#define LWIP_HOOK_FILENAME "ix_hooks.h"
/* As kernel/net/tcp_ts.c and tcp_sack.c need them. */
#define LWIP_HOOK_TCP_INPACKET_PCB(pcb, hdr, bytes, first, second, p) port_tcp_in(pcb, hdr, bytes, first, second)
#define LWIP_HOOK_TCP_OUT_TCPOPT_LENGTH port_tcp_option_bytes
#define LWIP_HOOK_TCP_OUT_ADD_TCPOPTS port_tcp_options
#define LWIP_HOOK_TCP_ISN(local, local_port, remote, remote_port) port_isn(local, local_port, remote, remote_port)
