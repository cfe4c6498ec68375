/* SPDX-License-Identifier: MIT */
/* Manual pages. Private to hostctl/ixctl. */
#pragma once
#include "hostctl/ixctl/verb.h"

/**
 * manual_write() - ixctl.1 and ixctl-VERB.1 of every verb into @folder, which is there
 * @status: the list of exit statuses. Return: 0, or -1 with @err.
 */
int manual_write(const char *folder, const char *status, struct err *err);
