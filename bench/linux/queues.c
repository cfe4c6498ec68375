/* SPDX-License-Identifier: MIT */
/* By the same ioctl as `ethtool -L`. */
#include "bench/linux/queues.h"

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>

int queues_set(int s, unsigned cpus)
{
	struct ethtool_channels channels = { .cmd = ETHTOOL_GCHANNELS };
	struct ifreq r = { .ifr_name = NIC, .ifr_data = (void *)&channels };
	unsigned now;

	if (ioctl(s, SIOCETHTOOL, &r))
		return -1;
	now = channels.combined_count;
	channels.cmd = ETHTOOL_SCHANNELS;
	channels.combined_count = cpus < channels.max_combined ? cpus : channels.max_combined;
	return channels.combined_count == now ? 0 : ioctl(s, SIOCETHTOOL, &r);
}
