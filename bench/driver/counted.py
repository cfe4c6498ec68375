# SPDX-License-Identifier: MIT
"""What every work counts of a guest: instructions, stages, bytes and would-be exits of a request, and how they are shown."""
import time

from driver.peers import further
from driver.results import shown

SETTLE_S = 1.0                      # after a boot, for what a guest does once it is up
STAGES = {0: 'application', 1: 'transmit reclaim', 2: 'calls', 3: 'timers', 4: 'receive', 5: 'network input',
          6: 'transmit', 7: 'events', 15: 'poll found nothing'}
# What would leave the machine under KVM, and of which counters it is the sum.
EXITS = {'kick': ('mmio_notify',), 'interrupt': ('mmio_eoi', 'msr_eoi'), 'halt': ('hlt',),
         'timer': ('mmio_timer', 'msr_timer'), 'ipi': ('mmio_icr', 'msr_icr'), 'port': ('pio_in', 'pio_out'),
         'read': ('mmio_read',),
         'register': ('mmio_lapic', 'mmio_ioapic', 'mmio_hpet', 'mmio_pci', 'mmio_other'), 'cpuid': ('cpuid', 'vmcall')}
COUNTED = {'halts_per_request': ('hlt',),
           'bytes_stored_by_string_ops': ('rep_bytes_stored',)}


def per_request(answer, names, group='counters'):
    return sum(answer['counted'][group].get(n, 0) for n in names) / answer['requests']


def settle(guest, settle_s=SETTLE_S):
    """From here on guest and client share one host CPU."""
    guest.pin()
    time.sleep(settle_s)


def add_instructions(out, guest, got, params):
    """The rows of one measured window, from a guest with the plugin."""
    out.add(guest.peer, 'instructions_per_request', per_request(got, ('insn_kernel', 'insn_user')), 'instructions',
            **params)
    out.add(guest.peer, 'user_instructions_per_request', per_request(got, ('insn_user',)), 'instructions', **params)
    out.add(guest.peer, 'requests_counted', got['requests'], 'requests', **params)
    for metric, names in COUNTED.items():
        out.add(guest.peer, metric, per_request(got, names), metric.split('_', maxsplit=1)[0], **params)
    if guest.peer == 'ix':
        for stage, name in STAGES.items():
            value = per_request(got, (str(stage),), 'stages')
            out.add('ix', 'instructions_per_request_in_stage', value, 'instructions', **params, stage=name)
        turns, empty = (per_request(got, (n,)) for n in ('turns', 'turns_empty'))
        for kind, value in (('busy', turns - empty), ('empty', empty)):
            out.add('ix', 'turns_per_request', value, 'turns', **params, kind=kind)


def add_exits(out, guest, got, params):
    """The same of a guest whose plugin was started with mmio=1."""
    each = {name: per_request(got, counters) for name, counters in EXITS.items()}
    for name, value in each.items():
        out.add(guest.peer, 'vm_exits_per_request', value, 'exits', **params, kind=name)
    out.add(guest.peer, 'vm_exits_per_request', sum(each.values()), 'exits', **params, kind='all')


def others(out, digits=0, metric='instructions_per_request'):
    """Columns of the peers that are neither ix nor linux: their names, and a function from parameters to a row's cells."""
    names = further(out)
    return names, lambda **params: [shown(out.median(name, metric, **params), digits) for name in names]


def both(out, metric, **params):
    """Medians of a metric: ix, linux."""
    return [out.median(peer, metric, **params) for peer in ('ix', 'linux')]
