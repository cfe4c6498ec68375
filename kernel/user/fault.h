/* SPDX-License-Identifier: MIT */
/* What the operator reads when ring 3 cannot go on. Private to kernel/user. */
#pragma once
#include "kernel/cpu/trap.h"

/** fault_report() - an exception in ring 3: registers and backtrace with the application's symbols. */
void fault_report(const struct trap_frame *f);
/** fault_report_watchdog() - ring 3 stayed too long; @f: where it was. */
void fault_report_watchdog(const struct trap_frame *f);
/** fault_report_return() - a system call whose return address is not ring 3's. */
void fault_report_return(uint64_t rip);
