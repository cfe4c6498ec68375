/* SPDX-License-Identifier: MIT */
/*
 * pvpanic as a PCI device [QEMU docs/specs/pvpanic]: one byte behind BAR 0, whose bits say what happened. libvirt's
 * <panic model='pvpanic'/>; the ISA port of <panic model='isa'/> needs nobody to find it (kernel/cpu/power.c).
 */
#include "kernel/cpu/start.h"
#include "kernel/ctl/ctl.h"
#include "kernel/mem/map.h"
#include "kernel/pci/pci.h"

#define VENDOR_QEMU 0x1b36
#define DEVICE_PVPANIC 0x0011
#define PVPANIC_BAR 0u
#define CAN_PANIC 1u /* what the device takes can be read */

void ctl_find_panic(void)
{
	static const uint16_t ids[] = { DEVICE_PVPANIC };
	volatile uint8_t *events;
	struct pci_dev dev;
	uint64_t bytes;
	pa_t pa;

	if (!pci_find(VENDOR_QEMU, ids, 1, 0, &dev) || pci_bar(&dev, PVPANIC_BAR, &pa, &bytes))
		return;
	pci_enable(&dev);
	events = map_device(pa, bytes);
	if (events && (*events & CAN_PANIC))
		power_pvpanic(events);
}
