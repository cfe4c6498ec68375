# SPDX-License-Identifier: MIT
"""Work `idle`: what a guest costs the host while nobody asks it anything: instructions, wake-ups, would-be exits, CPU time of QEMU,
memory."""
import json
import os
import socket
import time

from driver.boot import mib
from driver.counted import EXITS, settle
from driver.guest import Failure
from driver.results import print_table, shown

MARKS_S = 10                        # for an answer of the plugin
TICKS = os.sysconf('SC_CLK_TCK')


class Marks:
    """The counting plugin's socket: `begin`, then `end`, which says what was counted between the two."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(MARKS_S)
        try:
            self.socket.connect(path)
        except OSError as e:
            raise Failure(f'the counting plugin does not answer ({e}): was QEMU started with it?') from e

    def ask(self, word):
        """The line that comes back."""
        self.socket.sendall(word.encode() + b'\n')
        with self.socket.makefile(encoding='utf-8') as lines:
            return lines.readline()


def params(**more):
    return {'cores': 1, 'app': 'echo', 'connections': 0, **more}


def count(guest, seconds):
    """What the plugin counted, each name a second."""
    marks = Marks(guest.marks)
    marks.ask('begin')
    time.sleep(seconds)
    counted = json.loads(marks.ask('end'))
    return {name: n / counted['seconds'] for name, n in counted['counters'].items()}


def cpu_seconds(guest):
    """User and system time of the guest's processes, as the host accounts it."""
    total = 0
    for pid in guest.pids():
        with open(f'/proc/{pid}/stat', encoding='ascii', errors='replace') as f:
            fields = f.read().rpartition(')')[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


def measure(bench, is_quick, out):
    quiet_s, window_s = (1, 3) if is_quick else (3, 12 * bench.pace)
    for kind in bench.peers.of('idle'):
        with kind(bench, plugin=[]) as guest:
            settle(guest, quiet_s)
            each = count(guest, window_s)
            out.add(guest.peer, 'instructions_per_second_idle', each.get('insn_kernel', 0) + each.get('insn_user', 0),
                    'instructions/s', **params())
            out.add(guest.peer, 'wakeups_per_second_idle', each.get('hlt', 0), 'wakeups/s', **params())
        with kind(bench, plugin=['mmio=1']) as guest:
            settle(guest, quiet_s)
            each = count(guest, window_s)
            kinds = {name: sum(each.get(c, 0) for c in counters) for name, counters in EXITS.items()}
            for name, value in (*kinds.items(), ('all', sum(kinds.values()))):
                out.add(guest.peer, 'vm_exits_per_second_idle', value, 'exits/s', **params(kind=name))
        with kind(bench) as guest:
            settle(guest, quiet_s)
            begin, before = time.monotonic(), cpu_seconds(guest)
            time.sleep(window_s)
            share = (cpu_seconds(guest) - before) / (time.monotonic() - begin)
            out.add(guest.peer, 'host_cpu_share_idle', share, 's/s', **params())
            for part, value in guest.memory().items():
                if value is not None:
                    out.add(guest.peer, 'resident_memory_bytes', value, 'bytes',
                            **params(part='guest' if part == 'guest' else 'qemu and guest'))


def show(out):
    rows = []
    for peer in dict.fromkeys(r['peer'] for r in out.rows):
        share = out.median(peer, 'host_cpu_share_idle')
        rows.append([peer, shown(out.median(peer, 'instructions_per_second_idle')),
                     shown(out.median(peer, 'wakeups_per_second_idle'), 1),
                     shown(out.median(peer, 'vm_exits_per_second_idle', kind='all'), 1),
                     '-' if share is None else f'{share:.2%}',
                     mib(out.median(peer, 'resident_memory_bytes', part='guest')),
                     mib(out.median(peer, 'resident_memory_bytes', part='qemu and guest'))])
    print_table('a second of a guest that nobody asks anything; memory in MiB',
                ['', 'instructions', 'wake-ups', 'exits', 'host CPU', 'of the guest', 'with QEMU'], rows)
