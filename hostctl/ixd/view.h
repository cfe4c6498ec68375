/* SPDX-License-Identifier: MIT */
/* A copy of what is known, to write it out without holding ixd.lock. Private to hostctl/ixd. */
#pragma once
#include "hostctl/ixd/ixd.h"

struct view_core {
	unsigned number;
	struct ix_page_core core;
};

struct view_guest {
	char name[33];
	enum health health;
	bool has_guest; /* `guest` and `cores` hold */
	struct ix_page_guest guest;
	struct domain_info domain;
	struct sw_state port;
	struct scale_state scale;
	struct elastic_state elastic;
	int64_t beat_age_ms;
	unsigned long page_bad;
	unsigned core_count; /* that are not absent */
	struct view_core *cores;
};

struct view {
	unsigned count;
	struct view_guest *guest; /* by name */
	size_t history_bytes;
	int64_t now_ms; /* monotonic */
};

/** view_take() - of all guests, on the heap. Takes the lock. */
struct view *view_take(void);
void view_free(struct view *v);

/** view_names() - of all guests, sorted, on the heap; *@count of them. Takes the lock. */
char (*view_names(unsigned *count))[33];
