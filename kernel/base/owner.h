/* SPDX-License-Identifier: MIT */
/*
 * Which core an object belongs to, asserted in the checked build and nowhere else: in the others the
 * stamp has no bytes and the functions no code.
 */
#pragma once
#include "kernel/base/assert.h"
#include "kernel/base/percore.h"

#ifdef IX_CHECKED
struct owner_stamp {
	uint32_t core; /* + 1; 0: nobody's, between two cores */
};

static inline void owner_take(struct owner_stamp *s)
{
	kassert(!s->core);
	s->core = core_id() + 1;
}

static inline void owner_check(const struct owner_stamp *s)
{
	kassert(s->core == core_id() + 1);
}

static inline void owner_leave(struct owner_stamp *s)
{
	owner_check(s);
	s->core = 0;
}
#else
struct owner_stamp {
};

static inline void owner_take(struct owner_stamp *s)
{
	(void)s;
}
static inline void owner_check(const struct owner_stamp *s)
{
	(void)s;
}
static inline void owner_leave(struct owner_stamp *s)
{
	(void)s;
}
#endif
