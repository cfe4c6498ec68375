/* SPDX-License-Identifier: MIT */
/* Where everything lies on a host. Each is made by who is named; a guest's name in a path has passed name_check(). */
#pragma once

#ifndef PATHS_ROOT /* unit tests have one */
#define PATHS_ROOT ""
#endif

#define PATHS_RUN PATHS_ROOT "/run/ix"                /* host setup; 0755 */
#define PATHS_SOCKET PATHS_ROOT "/run/ix/ixd.sock"    /* ixd; 0660, group ix */
#define PATHS_IXD_PID PATHS_ROOT "/run/ix/ixd.pid"    /* ixd */
#define PATHS_STATE PATHS_ROOT "/var/lib/ix"          /* host setup; 0711: QEMU reads images below */
#define PATHS_HOST PATHS_ROOT "/var/lib/ix/host.json" /* host setup: what it chose */
#define PATHS_GUESTS PATHS_ROOT "/var/lib/ix/guests"  /* ixd: a folder a guest */
#define PATHS_LOG PATHS_ROOT "/var/log/ix"            /* host setup; 0711: QEMU reads images below */
#define PATHS_GROUP "ix"                              /* who may talk to ixd */
#define PATHS_HTTP_PORT 9177                          /* of ixd, on 127.0.0.1 */

/**
 * paths_of_guest() - "FOLDER/NAME" or, with @file, "FOLDER/NAME/FILE", on the heap; ends the program without memory
 * @folder: PATHS_RUN, PATHS_GUESTS or PATHS_LOG
 */
char *paths_of_guest(const char *folder, const char *name, const char *file);

/** paths_page() - "/dev/shm/ix-NAME", on the heap. */
char *paths_page(const char *name);
