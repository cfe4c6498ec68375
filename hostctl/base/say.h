/* SPDX-License-Identifier: MIT */
/* What a host program says to people: one line at a time on stderr, after the program's name. */
#pragma once

/** say() - "ixctl: ..." (the program's name) on stderr, one write, so that it never mixes with another line. */
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
