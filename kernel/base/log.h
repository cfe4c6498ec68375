/* SPDX-License-Identifier: MIT */
/*
 * Lines for the operator. A sink (the serial console, or stderr on the host) is set once at start;
 * each line is formatted on the stack and given to the sink in one piece.
 */
#pragma once
#include "kernel/base/types.h"

typedef void log_sink_fn(const char *text, size_t bytes);

/** log_init() - set where lines go. Called once, before the first line; lines before it are lost. */
void log_init(log_sink_fn *sink);

/**
 * log_line() - one line, "\n" added; longer than 400 bytes is cut.
 * @fmt: as fmt_va() understands it. Context: any core, any state; never blocks but for the sink.
 */
void log_line(const char *fmt, ...) PRINTF(1, 2);

/** log_write() - bytes as they are (application output). */
void log_write(const char *text, size_t bytes);

/**
 * log_copy() - from now on the calling core's lines go to @out, too, at most @room bytes; NULL: no longer
 * Return: bytes that the last copy got.
 */
size_t log_copy(char *out, size_t room);
