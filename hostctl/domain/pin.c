/* SPDX-License-Identifier: MIT */
/* On which CPUs of the host QEMU's threads run. */
#include "hostctl/domain/connect.h"
#include <stdlib.h>
#include <string.h>

int domain_pin(struct domains *d, const char *name, int vcpu, const struct domain_cpus *cpus, struct err *err)
{
	virDomain *domain = connect_domain(d, name, err);
	unsigned bytes = VIR_CPU_MAPLEN(cpus->count);
	unsigned char *map;
	int result;

	if (domain == NULL)
		return -1;
	map = calloc(1, bytes + 1);
	if (map == NULL)
		abort();
	for (unsigned i = 0; i < cpus->count; i++)
		if (cpus->bits[i / 64] >> i % 64 & 1)
			VIR_USE_CPU(map, i);
	result = vcpu >= 0 ? virDomainPinVcpuFlags(domain, (unsigned)vcpu, map, (int)bytes, VIR_DOMAIN_AFFECT_LIVE)
			   : virDomainPinEmulator(domain, map, (int)bytes, VIR_DOMAIN_AFFECT_LIVE);
	if (result != 0)
		result = connect_error(err, name);
	free(map);
	connect_put(domain);
	return result;
}
