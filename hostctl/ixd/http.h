/* SPDX-License-Identifier: MIT */
/* What ixd tells by HTTP on the loopback address. Private to hostctl/ixd. */
#pragma once
#include "hostctl/ixd/ixd.h"

/**
 * http_open() - serve on 127.0.0.1:@port, in a thread of its own; 0: any port that is free
 * Return: the port, or -1 with @err.
 */
int http_open(uint16_t port, struct err *err);
void http_close(void);

/** metrics_text() - all of it in Prometheus's text format, NUL-terminated, on the heap; *@bytes without the NUL. */
char *metrics_text(size_t *bytes);

/** api_guests() - all guests with thinned histories, as JSON on the heap. api_guest(): one with all of its; NULL: none such. */
char *api_guests(void);
char *api_guest(const char *name);

/** status_page - the page itself; status_policy(): its Content-Security-Policy, which allows its own script and style only. */
extern const char status_page[];
extern const char status_page_end[];
const char *status_policy(void);
