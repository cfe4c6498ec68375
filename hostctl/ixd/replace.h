/* SPDX-License-Identifier: MIT */
/* The steps of a replacement that replace.c and resume.c share. All with the lock of the guest; the record says is_trying. */
#pragma once
#include "hostctl/ixd/ixd.h"

/** replace_drain_set() - the guest takes no new connections from @since_us of its clock on, or takes them again. */
int replace_drain_set(const char *name, bool is_on, uint64_t *since_us, struct err *err);

/* How long each step of a replacement took. */
struct replace_times {
	int64_t drain_ms, end_ms;
	struct deploy_times deploy;
};

/** replace_change() - what runs ends, the image of the record begins; if that fails the one before comes back, and -1. */
int replace_change(struct guest *g, struct request *r, struct replace_times *times, struct err *err);

/** replace_back() - the one before is started again, since the new one failed for @why. Return: -1 with @err. */
int replace_back(struct guest *g, struct request *r, const struct err *why, struct err *err);

/** replace_undo() - the record is of the image before. replace_done(): the new image has come to stay. */
int replace_undo(struct guest *g, struct err *err);
int replace_done(struct guest *g, struct err *err);

/** replace_resume() - resume.c: bring what was begun to an end, one or the other. 0: one of both serves. */
int replace_resume(struct guest *g, struct err *err);
