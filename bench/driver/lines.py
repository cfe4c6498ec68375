# SPDX-License-Identifier: MIT
"""Work `lines`: cache lines that two cores of one guest write, per 64 B request, and who writes them."""
import os
import subprocess

from driver.counted import settle
from driver.guest import IxGuest
from driver.results import print_table, shown

MESSAGE_BYTES, CONNECTIONS = 64, 64
MACHINES = ((2, 2), (4, 4), (2, 1))     # cores, queues; the last one has to hand frames over, to show what that looks like
PROFILED = (CONNECTIONS, MESSAGE_BYTES)
METRICS = {'changes': 'lines_written_after_another_core', 'fetches': 'lines_read_after_another_core'}
SHOWN = 12                          # lines in the table


class LinesGuest(IxGuest):
    """With the plugin that follows lines instead of the one that counts instructions."""
    counter = 'lines.so'


class Names:
    """Addresses -> names, from the symbols of kernel and application."""

    def __init__(self, bench):
        self.table = []
        for elf in (os.path.join(bench.build, 'kernel.elf'), os.path.join(bench.build, 'apps', 'echo')):
            text = subprocess.run(['nm', '-n', '--defined-only', elf], stdout=subprocess.PIPE, text=True, check=True).stdout
            for line in text.splitlines():
                address, _, name = line.split(maxsplit=2)
                self.table.append((int(address, 16), name))
        self.table.sort()

    def find(self, address):
        """NAME+OFFSET of the symbol before @address, or the address."""
        low, high = 0, len(self.table)
        while low < high:
            middle = (low + high) // 2
            if self.table[middle][0] <= address:
                low = middle + 1
            else:
                high = middle
        if not low or address - self.table[low - 1][0] > 1 << 20:
            return f'{address:#x}'
        return f'{self.table[low - 1][1]}+{address - self.table[low - 1][0]:#x}'


def measure(bench, is_quick, out):
    warm_s, window_s = (0.5, 1) if is_quick else (2, 6)
    names = Names(bench)
    for cores, queues in MACHINES:
        params = {'connections': CONNECTIONS, 'message_bytes': MESSAGE_BYTES, 'cores': cores, 'queues': queues, 'app': 'echo'}
        with LinesGuest(bench, plugin=[], cores=cores, queues=queues) as guest:
            settle(guest)
            got = guest.load(CONNECTIONS, MESSAGE_BYTES, warm_s, window_s)
        for key, metric in METRICS.items():
            out.add('ix', metric, got['counted']['lines'].get(key, 0) / got['requests'], 'lines', **params)
        stores = got['counted']['stores']
        least = min(stores.get(str(core), 0) for core in range(cores)) / sum(stores.values())
        out.add('ix', 'stores_of_least_busy_core', least, 'share', **params)
        out.add('ix', 'requests_counted', got['requests'], 'requests', **params)
        for line in got['counted']['moved']:
            where = names.find(line['va']) if line['va'] else f'physical {line["pa"]:#x}'
            users = ', '.join(sorted({names.find(by['pc']).split('+')[0] for by in line['by']}))
            for key, metric in METRICS.items():
                out.add('ix', metric, line[key] / got['requests'], 'lines', **params, line=where, users=users)


def show(out):
    rows = []
    for cores, queues in MACHINES:
        values = [out.values('ix', m, cores=cores, queues=queues, line=None)[0] for m in METRICS.values()]
        least = out.median('ix', 'stores_of_least_busy_core', cores=cores, queues=queues)
        rows.append([f'{cores}, {queues}', *(shown(v, 4) for v in values), f'{least:.0%}'])
    print_table(f'cache lines per request that another core wrote last, {CONNECTIONS} connections',
                ['cores, queues', 'written', 'read', 'stores of least busy core'], rows)
    for cores, queues in MACHINES:
        found = {}
        for r in out.rows:
            p = r['params']
            if 'line' in p and (p['cores'], p['queues']) == (cores, queues):
                found.setdefault((p['line'], p['users']), {})[r['metric']] = r['value']
        rows = [[line, *(shown(values[m], 4) for m in METRICS.values()), users] for (line, users), values in found.items()]
        rows.sort(key=lambda row: -sum(float(v) for v in row[1:3]))
        print_table(f'{cores} cores, {queues} queues: the lines that move most', ['line', 'written', 'read', 'by'], rows[:SHOWN])
