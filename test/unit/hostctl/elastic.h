/* SPDX-License-Identifier: MIT */
/*
 * A machine for tests of scale*.c: a guest with a page, its QEMU, libvirt as it is under emulation and under KVM, and an ixd that can
 * be killed at any moment: all of them but ixd go on then.
 */
#pragma once
#include "hostctl/ixd/scale_run.h"

#define ELASTIC_EVENTS_MAX 64u

/* What goes on when ixd is killed: memory that is shared with it. */
struct elastic {
	/* QEMU */
	uint64_t present;
	int32_t threads[DOMAIN_VCPUS_MAX], pid;
	uint32_t max, made;
	bool is_dead; /* it made one thread too many: the assertion of tcg_register_thread */
	/* libvirt */
	uint32_t count;
	bool is_away;      /* libvirtd does not answer */
	uint32_t timeouts; /* times that it gave up waiting */
	/* the guest's manners */
	bool is_deaf; /* it knows nothing of vCPUs that come and go */
	bool is_busy; /* its application does not let go of a core */
	uint32_t cores, wanted, cores_max, cores_min;
	uint32_t commands;
	/* ixd */
	uint32_t steps, dies_at; /* calls so far; before the one of this number it is killed, 0: never */
	uint32_t away_at;        /* and before this one libvirtd is */
	uint32_t noticed_at;     /* before this one the guest notices what came, if it @is_late */
	bool is_late;
	uint32_t
		plug_in; /* behind so many answers of QEMU and libvirt somebody plugs a vCPU, and it is noticed; 0: not */
	int64_t clock_ms; /* how far now_ms() is ahead of time */
	char events[ELASTIC_EVENTS_MAX][400];
	uint32_t event_count;
};
extern struct elastic *elastic;

/** elastic_begin() - a guest "web" with @min vCPUs of at most @max, whose record is on disk and whose ixd has just begun. */
void elastic_begin(uint32_t min, uint32_t max, bool is_kvm);
void elastic_end(void);

/** elastic_ixd() - ixd begins: it knows what is on disk. */
void elastic_ixd(void);

/** elastic_look() - a second goes by, as in check.c, and what it found is looked after. */
void elastic_look(void);

/** elastic_virsh() - somebody else's `virsh setvcpus`. Return: what virsh says, 0 or -1. */
int elastic_virsh(uint32_t count);

/** elastic_restart() - QEMU begins anew with the vCPUs of the start. */
void elastic_restart(uint32_t vcpus);

/** elastic_count() - vCPUs that QEMU has. elastic_event(): whether the last event has @text in it. */
uint32_t elastic_count(void);
bool elastic_event(const char *text);

/** elastic_take() - somebody has QEMU take its last vCPU away, past libvirt and ixd. */
void elastic_take(void);
