/* SPDX-License-Identifier: MIT */
/* Offsets and bits of PCI configuration space that this kernel uses. [PCI 3.0 6.1, PCIe 5.0 7.5, 7.7.2] */
#pragma once

/* Header, all types */
#define PCI_VENDOR 0x00  /* 2 R; 0xffff: no function here */
#define PCI_DEVICE 0x02  /* 2 R */
#define PCI_COMMAND 0x04 /* 2 RW */
#define PCI_COMMAND_MEMORY 0x0002
#define PCI_COMMAND_MASTER 0x0004
#define PCI_COMMAND_INTX_OFF 0x0400
#define PCI_STATUS 0x06 /* 2 R */
#define PCI_STATUS_CAPS 0x0010
#define PCI_HEADER_TYPE 0x0e /* 1 R */
#define PCI_HEADER_KIND 0x7f
#define PCI_HEADER_NORMAL 0x00
#define PCI_HEADER_BRIDGE 0x01
#define PCI_HEADER_MULTI 0x80 /* functions 1..7 may exist */
#define PCI_BAR0 0x10         /* 4 RW, six of them; two in a bridge */
#define PCI_CAP_POINTER 0x34  /* 1 R */

/* A base address register */
#define PCI_BAR_IO 0x1u
#define PCI_BAR_TYPE 0x6u
#define PCI_BAR_TYPE_32 0x0u
#define PCI_BAR_TYPE_64 0x4u
#define PCI_BAR_FLAGS 0xfu

/* Header type 1 */
#define PCI_BRIDGE_BUSES 0x18         /* 4 RW: primary, secondary, subordinate, latency */
#define PCI_BRIDGE_MEMORY 0x20        /* 4 RW: base and limit, address bits 31:20 in bits 15:4 of each */
#define PCI_BRIDGE_PREFETCH 0x24      /* 4 RW: the same, bit 0: 64-bit */
#define PCI_BRIDGE_PREFETCH_HIGH 0x28 /* 8 RW: upper halves of base and limit */
#define PCI_BRIDGE_CLOSED 0x0000fff0u /* base above limit */
#define PCI_BRIDGE_GRAIN 0x100000ull

/* Capabilities */
#define PCI_CAP_FIRST 0x40 /* none lies lower */
#define PCI_CAP_MSIX 0x11
#define PCI_MSIX_CONTROL 2      /* 2 RW */
#define PCI_MSIX_ENTRIES 0x07ff /* minus one */
#define PCI_MSIX_MASK_ALL 0x4000
#define PCI_MSIX_ENABLE 0x8000
#define PCI_MSIX_TABLE 4 /* 4 R: offset, BAR in bits 2:0 */
#define PCI_MSIX_BAR 0x7u

/* A row of the MSI-X table, in words */
#define PCI_MSIX_WORDS 4u
#define PCI_MSIX_ADDR_LO 0
#define PCI_MSIX_ADDR_HI 1
#define PCI_MSIX_DATA 2
#define PCI_MSIX_VECTOR_CONTROL 3
#define PCI_MSIX_MASKED 0x1u
