/* SPDX-License-Identifier: MIT */
/* Where everything lies on a host. Each is made by who is named; a guest's name in a path has passed name_check(). */
#pragma once

#define PATHS_RUN "/run/ix"                /* host setup; 0755 */
#define PATHS_SOCKET "/run/ix/ixd.sock"    /* ixd; 0660, group ix */
#define PATHS_IXD_PID "/run/ix/ixd.pid"    /* ixd */
#define PATHS_OVS_RUN "/run/ix/ovs"        /* host setup, without systemd: sockets and pid files of our own OVS */
#define PATHS_STATE "/var/lib/ix"          /* host setup; 0750 */
#define PATHS_HOST "/var/lib/ix/host.json" /* host setup: what it chose */
#define PATHS_GUESTS "/var/lib/ix/guests"  /* ixd: a folder a guest */
#define PATHS_LOG "/var/log/ix"            /* host setup; 0750 */
#define PATHS_GROUP "ix"                   /* who may talk to ixd */
#define PATHS_HTTP_PORT 9177               /* of ixd, on 127.0.0.1 */

/**
 * paths_of_guest() - "FOLDER/NAME" or, with @file, "FOLDER/NAME/FILE", on the heap; ends the program without memory
 * @folder: PATHS_RUN, PATHS_GUESTS or PATHS_LOG
 */
char *paths_of_guest(const char *folder, const char *name, const char *file);

/** paths_page() - "/dev/shm/ix-NAME", on the heap. */
char *paths_page(const char *name);
