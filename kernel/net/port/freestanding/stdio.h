/* SPDX-License-Identifier: MIT */
/* <stdio.h> for lwIP in ring 0: included by its mem.c, nothing of it is used. */
#pragma once
