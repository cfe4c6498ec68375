/* SPDX-License-Identifier: MIT */
/* The one place where lwIP's headers come in. Two functions have other names in this build, as kernel/mem has them too. */
#pragma once
#define mem_init lwip_mem_init
#define mem_free lwip_mem_free
#include "lwip/dhcp.h"
#include "lwip/icmp.h"
#include "lwip/init.h"
#include "lwip/ip.h"
#include "lwip/ip4.h"
#include "lwip/ip4_frag.h"
#include "lwip/ip6.h"
#include "lwip/nd6.h"
#include "lwip/mem.h"
#include "lwip/netif.h"
#include "lwip/pbuf.h"
#include "lwip/sys.h"
#include "lwip/priv/tcp_priv.h"
#include "lwip/prot/ip4.h"
#include "lwip/prot/tcp.h"
#include "lwip/tcp.h"
#include "lwip/udp.h"
#undef mem_init
#undef mem_free
