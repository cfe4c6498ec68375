/* SPDX-License-Identifier: MIT */
/*
 * kernel/ctl between two fakes: a host that owns the page (a file, so that the host's own half can read it, too) and a guest
 * whose network, partition and interrupts are what a test says.
 */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>
#include "kernel/abi/page.h"
#include "kernel/acpi/acpi.h"
#include "kernel/conf/conf.h"
#include "kernel/ctl/ctl.h"
#include "kernel/net/net.h"
#include "kernel/nic/nic.h"
#include "kernel/order/order.h"
#include "kernel/user/user.h"
#include "test/fake/pci_space.h"

#define WORLD_PAGE_PA 0xfe000000u
#define WORLD_MS 1000000u /* of the fake clock */

struct world {
	uint8_t *page;
	int fd; /* its file */
	struct conf conf;
	struct acpi_info acpi;
	/* the guest */
	struct net_who who;
	struct net_stats stats;
	bool is_draining, is_ending, is_rung;
	struct user_end end;
	unsigned groups;
	uint8_t owner[IX_PAGE_GROUPS_MAX];
	/* cores */
	enum ix_page_core_state core_state;
	uint64_t present;
	uint32_t wanted;
	struct ix_page_resize resize; /* has changed each time that it is asked for */
	/* orders */
	struct order order; /* the last one submitted */
	unsigned orders;
	int order_status; /* what order_submit() returns */
	void (*on_answer)(const struct order_answer *answer);
	/* hooks that were left */
	void (*on_exit)(unsigned how);
	void (*on_fault)(const struct trap_frame *frame, uint32_t how, bool is_reported);
	volatile uint8_t *pvpanic;
	struct ix_event_array events;
};
extern struct world world;

/** world_begin() - a guest with a control page that is fresh, and its device; ctl_init() is still to be called. */
void world_begin(void);
void world_end(void);
/** world_start() - ctl_init() and the boot core's block. */
void world_start(void);
/** world_turn() - a millisecond and a bit later, one turn of this core without frames. */
void world_turn(void);

/** world_head() - the head as a host would write it; the test may spoil it. */
struct ix_page_head *world_head(void);
struct ix_page_guest *world_guest(void);
struct ix_page_core *world_core(unsigned core);
struct ix_page_answer *world_answer(void);
struct ix_page_groups *world_groups(void);
struct ix_page_crash *world_crash(void);

/** world_say() - leave command @op with the next sequence; its sum is right. Return: its sequence. */
uint32_t world_say(uint32_t op, uint64_t arg0, uint64_t arg1);
/** world_command() - the area; world_seal(): make its sum right. */
struct ix_page_command *world_command(void);
void world_seal(struct ix_page_command *c);
/** world_ask() - world_say(), and turns until it is answered. Return: the answer's status. */
int32_t world_ask(uint32_t op, uint64_t arg0, uint64_t arg1);
