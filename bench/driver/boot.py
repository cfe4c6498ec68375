# SPDX-License-Identifier: MIT
"""Work `boot`: from the start of QEMU to the first reply, where that time goes as far as the guest says it, and how much memory
and image there is then."""
import os
import re
import statistics

from driver.results import print_table, ratio, shown

# A line of our kernel's console.
SPLIT = re.compile(r'boot: (\d+) us before the kernel, (\d+) us in it(?: \((.*)\))?')


def params(**more):
    return {'cores': 1, 'app': 'echo', **more}


def split_of(guest):
    """Microseconds before the kernel and in it, and the longest steps [(name, us)], or None of a guest that does not say."""
    with open(guest.log, encoding='utf-8', errors='replace') as f:
        found = SPLIT.search(f.read())
    if not found:
        return None
    steps = [step.rsplit(' ', 1) for step in (found.group(3) or '').split(', ') if step]
    return int(found.group(1)), int(found.group(2)), [(name, int(us)) for name, us in steps]


def add_split(out, guest):
    split = split_of(guest)
    if not split:
        return
    before, inside, steps = split
    for part, us in (('before the kernel', before), ('in the kernel', inside)):
        out.add(guest.peer, 'boot_part_s', us / 1e6, 's', **params(part=part))
    for name, us in steps:
        out.add(guest.peer, 'boot_step_s', us / 1e6, 's', **params(step=name))


def measure(bench, is_quick, out):
    """Not pinned, interleaved: boots as a user has them."""
    kinds, seen = bench.peers.of('boot'), set()
    for _ in range(2 if is_quick else 7):
        for kind in kinds:
            with kind(bench) as guest:
                out.add(guest.peer, 'boot_to_first_reply_s', guest.boot_s, 's', **params())
                add_split(out, guest)
                memory = guest.memory()
            out.add(guest.peer, 'resident_memory_bytes', memory['qemu'], 'bytes', **params(part='qemu and guest'))
            if memory['guest'] is not None:
                out.add(guest.peer, 'resident_memory_bytes', memory['guest'], 'bytes', **params(part='guest'))
            if guest.peer not in seen and guest.images():
                out.add(guest.peer, 'image_bytes', sum(os.path.getsize(path) for path in guest.images()), 'bytes', **params())
            seen.add(guest.peer)


def show(out):
    rows, ix = [], out.median('ix', 'boot_to_first_reply_s')
    for peer in dict.fromkeys(r['peer'] for r in out.rows):
        values = out.values(peer, 'boot_to_first_reply_s')
        rows.append([peer, shown(statistics.median(values), 3), shown(min(values), 3), shown(max(values), 3),
                     ratio(ix, statistics.median(values)),
                     *(shown(out.median(peer, 'boot_part_s', part=p), 3) for p in ('before the kernel', 'in the kernel')),
                     mib(out.median(peer, 'image_bytes')), mib(out.median(peer, 'resident_memory_bytes', part='guest')),
                     mib(out.median(peer, 'resident_memory_bytes', part='qemu and guest'))])
    print_table('start of QEMU to the first reply, static address, seconds; memory that is there then, MiB',
                ['', 'median', 'best', 'worst', 'to ix', 'before kernel', 'in it', 'image', 'of the guest', 'with QEMU'], rows)
    names = dict.fromkeys(r['params']['step'] for r in out.rows if r['metric'] == 'boot_step_s' and r['peer'] == 'ix')
    rows = [[name, shown(out.median('ix', 'boot_step_s', step=name) * 1e3, 1)] for name in names]
    if rows:
        print_table('the steps of ix that take long', ['step', 'ms'], rows)


def mib(value):
    return '-' if value is None else f'{value / 2**20:,.1f}'
