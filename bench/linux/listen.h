/* SPDX-License-Identifier: MIT */
/* How the Linux guest's services begin to listen: all alike, so that they differ in what they do with a connection only. */
#pragma once
#include <stdint.h>

/**
 * listen_on() - a non-blocking listener on TCP @port, one of several (SO_REUSEPORT), whose connections do not wait to send (TCP_NODELAY)
 * Return: its descriptor, or -1 with errno.
 */
int listen_on(uint16_t port);
