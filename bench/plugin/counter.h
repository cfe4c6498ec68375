/* SPDX-License-Identifier: MIT */
/* What the plugin counts: one line a counter, in the order in which it is reported. */
#pragma once
#include <stdint.h>

#define COUNTER_LIST(X)                                                                                    \
	X(insn_kernel)      /* executed at addresses of the upper half */                                  \
	X(insn_user)        /* executed at addresses of the lower half, firmware included */               \
	X(rep)              /* string instructions with a repeat prefix; each counts as one instruction */ \
	X(rep_bytes_loaded) /* bytes that those read */                                                    \
	X(rep_bytes_stored) /* bytes that those wrote */                                                   \
	X(hlt)                                                                                             \
	X(pio_in)                                                                                          \
	X(pio_out)                                                                                         \
	X(cpuid)                                                                                           \
	X(vmcall)                                                                                          \
	X(wrmsr)     /* all of them; the next three are among them */                                      \
	X(msr_eoi)   /* x2APIC end of interrupt */                                                         \
	X(msr_icr)   /* x2APIC inter-processor interrupt */                                                \
	X(msr_timer) /* APIC timer: initial count or TSC deadline */                                       \
	X(rdmsr)                                                                                           \
	X(cr3) /* loads of CR3 */                                                                          \
	X(invlpg)                                                                                          \
	X(wbinvd)                                                                                          \
	X(monitor) /* MONITOR and MWAIT */                                                                 \
	X(pause)                                                                                           \
	X(syscall)                                                                                         \
	X(iret)                                                                                            \
	X(swapgs)                                                                                          \
	X(rdtsc)       /* RDTSCP too */                                                                    \
	X(lock)        /* instructions with a lock prefix */                                               \
	X(xchg_memory) /* locked without a prefix */                                                       \
	X(fence)                                                                                           \
	X(mmio_read) /* reads of any device register; this and the rest with mmio=1 only */                \
	X(mmio_eoi)  /* writes, by register: end of interrupt */                                           \
	X(mmio_icr)                                                                                        \
	X(mmio_timer)                                                                                      \
	X(mmio_lapic) /* other registers of the local APIC */                                              \
	X(mmio_ioapic)                                                                                     \
	X(mmio_hpet)                                                                                       \
	X(mmio_notify) /* virtio doorbell */                                                               \
	X(mmio_pci)    /* other registers of PCI devices */                                                \
	X(mmio_other)                                                                                      \
	X(turns)        /* of the loop, by its markers */                                                  \
	X(turns_empty)  /* those that found nothing */                                                     \
	X(cache_access) /* of RAM; this and the next with cache=1 only */                                  \
	X(cache_miss)   /* whose line was not in the cache of cache.h; prefetches are none */

enum counter {
#define X(name) COUNTER_##name,
	COUNTER_LIST(X)
#undef X
		COUNTER_NR
};
