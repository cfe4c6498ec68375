/* SPDX-License-Identifier: MIT */
/* Queue pairs of the Linux guest's network card. */
#pragma once

#define NIC "eth0"

/**
 * queues_set() - one for each of @cpus, if the card has as many
 * The driver has the interrupts of each on a CPU of its own and sends from a CPU on its queue: receive packet steering would
 * have nothing to do. @s: any socket. Return: 0, or -1 with errno.
 */
int queues_set(int s, unsigned cpus);
