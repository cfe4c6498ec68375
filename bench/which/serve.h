/* SPDX-License-Identifier: MIT */
/* TCP on port 7: 64 bytes come back as they were, but for the last one, which is the number of the core that answers. */
#pragma once

#define WHICH_MESSAGE_BYTES 64

/** which_serve() - serve until the guest ends, as @name if it cannot; @work, if not NULL, is done on each message before its answer. */
int which_serve(const char *name, void (*work)(const unsigned char message[WHICH_MESSAGE_BYTES]));
