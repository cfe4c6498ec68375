/* SPDX-License-Identifier: MIT */
/*
 * The page that a guest and its control plane share: the memory of an ivshmem-plain device (BAR 2)
 * [QEMU docs/specs/ivshmem-spec]. What happens goes from guest to host as numbers under a sequence counter,
 * what is wanted goes the other way as one command at a time; the bell (a byte on the second UART) only says
 * "look". Each area has one writer. Whoever reads believes nothing: values are copied once, then checked.
 *
 * Sequence counter: the writer adds 1 (odd), writes, adds 1 (even). A copy is whole if the counter was even
 * and the same before and after. Numbers are little-endian.
 */
#pragma once
#include <stdint.h>

#define IX_PAGE_MAGIC 0x0065676150584978ull /* "xIXPage" */
#define IX_PAGE_VERSION 2
#define IX_PAGE_BYTES (1u << 20)
#define IX_PAGE_CORES_MAX 64u
#define IX_PAGE_GROUPS_MAX 128u
#define IX_PAGE_BELL 0x42 /* the byte on the second UART; any byte means the same */

/* Where each area lies. */
#define IX_PAGE_AT_HEAD 0x0u       /* struct ix_page_head; host, before the guest starts */
#define IX_PAGE_AT_COMMAND 0x1000u /* struct ix_page_command; host */
#define IX_PAGE_AT_GUEST 0x2000u   /* struct ix_page_guest; guest, boot core */
#define IX_PAGE_AT_ANSWER 0x3000u  /* struct ix_page_answer; guest, boot core */
#define IX_PAGE_AT_GROUPS 0x4000u  /* struct ix_page_groups; guest, boot core */
#define IX_PAGE_AT_RESIZE 0x5000u  /* struct ix_page_resize; guest, boot core */
#define IX_PAGE_AT_CORES 0x10000u  /* struct ix_page_core, one every IX_PAGE_CORE_STRIDE; guest, each its core */
#define IX_PAGE_CORE_STRIDE 0x1000u
#define IX_PAGE_AT_CRASH 0x80000u /* struct ix_page_crash; guest, boot core */

struct ix_page_head {
	uint64_t magic; /* IX_PAGE_MAGIC, written last */
	uint32_t version, bytes;
	uint8_t id[16]; /* chosen anew for each start of the guest */
};

enum ix_page_state {
	IX_PAGE_BOOTING = 0,
	IX_PAGE_READY = 1,    /* has an address, and the application serves all ports of the manifest */
	IX_PAGE_DRAINING = 2, /* new connections are not taken any more */
	IX_PAGE_STOPPING = 3, /* the application was told to stop */
	IX_PAGE_FAULTED = 4,  /* the partition is down; the dataplane answers ARP and ping */
	IX_PAGE_ENDED = 5,    /* exit_how holds; power goes off next */
	IX_PAGE_STATE_NR
};

struct ix_page_guest {
	uint32_t sequence;
	uint32_t state; /* enum ix_page_state */
	uint8_t id[16]; /* of ix_page_head, as found: what follows belongs to this start */
	uint64_t beat;  /* grows at least once a second while the boot core turns */
	uint64_t up_us; /* since the kernel was entered, at that beat */
	uint64_t tsc_khz;
	uint32_t cores;                /* that run a loop now */
	uint32_t cores_min, cores_max; /* of the manifest */
	uint32_t cores_present;        /* vCPUs that are there, whether they run a loop, wait for one or are parked */
	uint32_t cores_wanted; /* that may run a loop, IX_PAGE_SET_CORES; of those that are there, the lowest do */
	uint32_t groups;       /* flow groups */
	uint32_t queue_pairs;
	uint32_t restarts; /* of the partition so far */
	uint32_t exit_how; /* enum ix_exit: 0..100 the application's own; valid in IX_PAGE_ENDED */
	uint32_t reserved; /* 0 */
	uint8_t mac[6];
	uint8_t address[4]; /* IPv4, all zero: none yet */
	uint8_t address6[16];
	uint8_t prefix, prefix6;
	uint32_t connections_max;
	uint32_t buffers_total;
};

/*
 * What each core counts and measures: X(NAME, name, kind, unit, text). Counters never get smaller during one start;
 * gauges are what is now. `_fast` and `_slow` are moving averages over about 10 ms and 1 s.
 */
#define IX_PAGE_VALUES(X)                                                                                   \
	X(TURNS, turns, COUNTER, "", "turns of the loop")                                                   \
	X(BUSY_NS, busy_ns, COUNTER, "ns", "time in turns that found work")                                 \
	X(POLL_NS, poll_ns, COUNTER, "ns", "time in turns that found none")                                 \
	X(HALT_NS, halt_ns, COUNTER, "ns", "time asleep")                                                   \
	X(BATCHES, batches, COUNTER, "", "turns that took frames")                                          \
	X(FRAMES_IN, frames_in, COUNTER, "", "frames taken")                                                \
	X(EVENTS, events, COUNTER, "", "events written for ring 3")                                         \
	X(CALLS, calls, COUNTER, "", "batched calls executed")                                              \
	X(SEGMENTS_IN, segments_in, COUNTER, "", "TCP segments received")                                   \
	X(SEGMENTS_OUT, segments_out, COUNTER, "", "TCP segments sent")                                     \
	X(RETRANSMITS, retransmits, COUNTER, "", "TCP segments sent again")                                 \
	X(TIMEOUTS, timeouts, COUNTER, "", "retransmission timers that fired")                              \
	X(RESETS_SENT, resets_sent, COUNTER, "", "RST sent")                                                \
	X(ACCEPTED, accepted, COUNTER, "", "connections accepted")                                          \
	X(UDP_IN, udp_in, COUNTER, "", "datagrams received")                                                \
	X(UDP_OUT, udp_out, COUNTER, "", "datagrams sent")                                                  \
	X(DROPPED_BUFFER, dropped_buffer, COUNTER, "", "frames dropped: no receive buffer left")            \
	X(DROPPED_MEMORY, dropped_memory, COUNTER, "", "frames or segments dropped: no memory")             \
	X(DROPPED_BACKLOG, dropped_backlog, COUNTER, "", "SYNs dropped: backlog full")                      \
	X(DROPPED_BAD, dropped_bad, COUNTER, "", "frames dropped: malformed or wrong checksum")             \
	X(DROPPED_UDP, dropped_udp, COUNTER, "", "datagrams dropped: socket full")                          \
	X(DROPPED_WALK, dropped_walk, COUNTER, "", "segments of other cores' connections beyond the limit") \
	X(COOKIES_SENT, cookies_sent, COUNTER, "", "SYN cookies sent")                                      \
	X(EVICTED, evicted, COUNTER, "", "connections reset for the memory they held")                      \
	X(HANDED_OVER, handed_over, COUNTER, "", "frames handed to another core")                           \
	X(WAKES, wakes, COUNTER, "", "wake-ups sent to other cores")                                        \
	X(MOVED, moved, COUNTER, "", "connections that moved away")                                         \
	X(CONNECTIONS, connections, GAUGE, "", "established connections")                                   \
	X(BUFFERS_FREE, buffers_free, GAUGE, "", "receive buffers left in the pool")                        \
	X(MEMORY_USED, memory_used, GAUGE, "bytes", "memory blocks in use, all cores")                      \
	X(BATCH_FAST, batch_fast, GAUGE, "1/256", "frames a batch")                                         \
	X(BATCH_SLOW, batch_slow, GAUGE, "1/256", "frames a batch")                                         \
	X(DELAY_FAST, delay_fast, GAUGE, "ns", "time that frames waited in the queue, at most")             \
	X(DELAY_SLOW, delay_slow, GAUGE, "ns", "time that frames waited in the queue, at most")             \
	X(IDLE_FAST, idle_fast, GAUGE, "ppm", "share of time without work")                                 \
	X(IDLE_SLOW, idle_slow, GAUGE, "ppm", "share of time without work")                                 \
	X(LOOP_FAST, loop_fast, GAUGE, "ns", "length of a turn that found work")                            \
	X(LOOP_SLOW, loop_slow, GAUGE, "ns", "length of a turn that found work")                            \
	X(DEPTH_FAST, depth_fast, GAUGE, "1/256", "frames in the queue when a turn took its batch")         \
	X(DEPTH_SLOW, depth_slow, GAUGE, "1/256", "frames in the queue when a turn took its batch")         \
	X(FIRST_FRAME, first_frame, GAUGE, "ns", "when it took its first frame since it came, after the start")

enum ix_value {
#define X(NAME, name, kind, unit, text) IX_VALUE_##NAME,
	IX_PAGE_VALUES(X)
#undef X
		IX_VALUE_NR
};

enum ix_page_core_state {
	IX_PAGE_CORE_ABSENT = 0,
	IX_PAGE_CORE_RUNS = 1,
	IX_PAGE_CORE_PARKED = 2,   /* its vCPU is there, asleep, and owns nothing */
	IX_PAGE_CORE_STARTING = 3, /* its vCPU is there, its loop does not turn yet */
	IX_PAGE_CORE_LEAVING = 4,  /* it gives away what it owns */
	IX_PAGE_CORE_STATE_NR
};

struct ix_page_core {
	uint32_t sequence;
	uint32_t state; /* enum ix_page_core_state */
	uint64_t at_us; /* when these were written, as ix_page_guest.up_us */
	uint64_t value[IX_VALUE_NR];
};
_Static_assert(sizeof(struct ix_page_core) <= IX_PAGE_CORE_STRIDE, "ABI");
_Static_assert(IX_PAGE_AT_CORES + IX_PAGE_CORES_MAX * IX_PAGE_CORE_STRIDE <= IX_PAGE_AT_CRASH, "ABI");

struct ix_page_groups {
	uint32_t sequence;
	uint32_t count;
	uint8_t owner[IX_PAGE_GROUPS_MAX]; /* core of each flow group */
};

/* Why a vCPU that the host adds is not used, or one that it takes back is not given. */
enum ix_page_refusal {
	IX_PAGE_REFUSED_NONE = 0,
	IX_PAGE_REFUSED_MINIMUM = 1, /* fewer than cores_min would be left */
	IX_PAGE_REFUSED_BOOT = 2,    /* the boot core stays */
	IX_PAGE_REFUSED_BUSY = 3,    /* the application did not let go of the core within IX_PAGE_LEAVE_MS */
	IX_PAGE_REFUSED_MANY = 4,    /* more than cores_max: the guest has made no room for it */
	IX_PAGE_REFUSED_SILENT = 5,  /* it was started and did not answer */
	IX_PAGE_REFUSED_MEMORY = 6,  /* a group could not be moved, or the core not begin */
	IX_PAGE_REFUSED_NR
};
#define IX_PAGE_LEAVE_MS 4000u /* libvirt waits for 5 s */

/* When a core was where, as up_us; 0: not so far. The latest of each. */
struct ix_page_steps {
	uint64_t inserted_us; /* its vCPU was noticed, or it was to run again after it had been parked */
	uint64_t started_us;  /* its loop turned */
	uint64_t given_us;    /* its share of the flow groups was its own */
	uint64_t leaving_us;  /* it was to give everything away */
	uint64_t parked_us;   /* it had */
	uint64_t ejected_us;  /* its vCPU was given back */
};

/* How cores came and went. Counters never get smaller during one start. */
struct ix_page_resize {
	uint32_t sequence;
	uint32_t came, went;                /* loops that began beside those of the start; that were parked */
	uint32_t plugged, ejected;          /* vCPUs */
	uint32_t spurious;                  /* interrupts for a change of vCPUs that told of none */
	uint32_t refused;                   /* times; the last: core, IX_PAGE_CORES_MAX - 1 of any above, and why */
	uint32_t refused_core, refused_why; /* enum ix_page_refusal */
	uint32_t reserved;                  /* 0 */
	uint64_t groups, connections,
		forced; /* moved by that; forced: connections taken from ring 3 that did not release them */
	struct ix_page_steps core[IX_PAGE_CORES_MAX];
};
_Static_assert(IX_PAGE_AT_RESIZE + sizeof(struct ix_page_resize) <= IX_PAGE_AT_CORES, "ABI");

enum ix_page_op {
	IX_PAGE_PING = 1,
	IX_PAGE_STOP = 2, /* tell the application to finish; as the power button does */
	/*
	 * arg 0: 1 take no new connections, 0 take them again. value 1: when that was, as ix_page_core.at_us; each core says
	 * soon what it has, and what it says of a later time holds all connections that came before.
	 */
	IX_PAGE_DRAIN = 3,
	IX_PAGE_MOVE_GROUP = 4, /* arg 0: group, 1: core. value 0: connections moved, 1: of them forced */
	IX_PAGE_CRASH_SEEN =
		5, /* arg 0: 0 the host has what it wants of the crash, the partition may be zeroed; 1 another second */
	/*
	 * arg 0: how many cores may run a loop, cores_min..cores_max. Answered when so many of those present do, or the
	 * next one has come. A vCPU that is plugged lifts it to cores_max. value 0: cores that run, 1: connections moved,
	 * 2: of them forced. IX_IN_USE: a core was not let go within IX_PAGE_LEAVE_MS, and runs on.
	 */
	IX_PAGE_SET_CORES = 6,
	IX_PAGE_OP_NR
};

/* The host writes all but `sequence`, then `sequence`: one more than the last; rings the bell. */
struct ix_page_command {
	uint32_t sequence;
	uint32_t op; /* enum ix_page_op */
	uint64_t arg[4];
	uint32_t crc; /* CRC-32C of sequence, op, arg; a command whose sum is wrong is not obeyed */
	uint32_t reserved;
};

/* The guest writes all but `sequence`, then the command's sequence. */
struct ix_page_answer {
	uint32_t sequence;
	int32_t status; /* 0, or a negative enum ix_status: IX_UNSUPPORTED unknown op, IX_BAD_CALL wrong sum or argument */
	uint64_t value[4];
};

#define IX_PAGE_CRASH_RANGES 64u
#define IX_PAGE_CRASH_TEXT 8192u

/* A stretch of ring 3's memory at the time of the fault. */
struct ix_page_range {
	uint64_t va, pa, bytes;
	uint32_t flags; /* PF_R 4, PF_W 2, PF_X 1, as in ELF */
	uint32_t reserved;
};

/* Registers of a core in ring 3, in the order of struct user_regs_struct of x86-64 Linux, which gdb reads. */
struct ix_page_registers {
	uint64_t r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi, orig_rax, rip, cs, eflags,
		rsp, ss, fs_base, gs_base, ds, es, fs, gs;
};

/* What is kept of a fault while the partition's memory is still as it was. */
struct ix_page_crash {
	uint32_t sequence;
	uint32_t count;   /* of faults so far; 0: none, the rest is not valid */
	uint32_t is_held; /* 1: the partition waits for IX_PAGE_CRASH_SEEN, a second or as long as the host asks */
	uint32_t core;    /* that faulted */
	uint32_t how;     /* enum ix_exit: IX_EXIT_FAULT or IX_EXIT_WATCHDOG */
	uint32_t vector;  /* of the exception */
	uint64_t error, address; /* error code, CR2 */
	struct ix_page_registers registers;
	uint32_t range_count, text_bytes;
	struct ix_page_range range[IX_PAGE_CRASH_RANGES];
	char text[IX_PAGE_CRASH_TEXT]; /* the report as on the console */
};
_Static_assert(IX_PAGE_AT_CRASH + sizeof(struct ix_page_crash) <= IX_PAGE_BYTES, "ABI");
