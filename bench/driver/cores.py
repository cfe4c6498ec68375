# SPDX-License-Identifier: MIT
"""Work `echo --cores`: what a 64 B request costs a guest of several cores, each with a queue pair, beside a Linux guest that has
as many. All vCPUs share one host CPU."""
from driver.counted import STAGES, add_exits, add_instructions, both, settle
from driver.results import print_table, ratio, shown

MESSAGE_BYTES = 64
PER_CORE = 64                       # connections of a core, beside 64 in all
EXITS_SHOWN = ('kick', 'interrupt', 'ipi', 'all')


class Work:
    """`cores`: how many the guests have."""

    def __init__(self, cores):
        self.cores = cores
        self.plan = (1.0, 2.5)

    def measure(self, bench, is_quick, out):
        self.plan = (0.5, 1.0) if is_quick else (1.0, 2.5)
        for n in self.cores:
            for kind in bench.peers.of('cores'):
                self.count(bench, out, kind, n)

    def count(self, bench, out, kind, n):
        """Three boots: instructions by the plain plugin, exits by the one that sees every access, the rate without any."""
        for plugin, add in ([], add_instructions), (['mmio=1'], add_exits), (None, add_rate):
            with kind(bench, plugin=plugin, cores=n) as guest:
                settle(guest)
                for connections in sorted({PER_CORE, PER_CORE * n}):
                    got = guest.load(connections, MESSAGE_BYTES, *self.plan)
                    add(out, guest, got, {'connections': connections, 'message_bytes': MESSAGE_BYTES, 'cores': n, 'app': 'echo'})

    def show(self, out):
        """Against one core where that was measured."""
        rows, exits = [], []
        for n in self.cores:
            for connections in sorted({PER_CORE, PER_CORE * n}):
                where = {'cores': n, 'connections': connections}
                cell = of_cell(out, where)
                if cell is None:
                    continue
                name = f'{n} cores, {connections}'
                one = of_cell(out, {'cores': 1, 'connections': PER_CORE})
                rest, one_rest = cell['rest'], one['rest'] if one else (None, None)
                rows.append([name, *(shown(v) for v in (*cell['all'], cell['nothing'], *rest)), ratio(*cell['all']),
                             *(f'{v / first - 1:+.1%}' if first else '-' for v, first in zip(rest, one_rest)),
                             shown(cell['batch'], 1), ratio(cell['rate'][1], cell['rate'][0])])
                exits.append([name] + [f'{shown(a, 3)} / {shown(b, 3)}' for a, b in (
                    both(out, 'vm_exits_per_request', **where, kind=kind) for kind in EXITS_SHOWN)])
        print_table(f'guest instructions per {MESSAGE_BYTES} B request, all vCPUs (nothing: polls of ix that found nothing)',
                    ['cores, connections', 'ix', 'linux', 'nothing', 'ix: rest', 'linux', 'linux/ix', 'to one core: ix', 'linux',
                     'requests a turn of ix', 'rate ix/linux'], rows)
        print_table('would-be VM exits per request, ix / linux', ['cores, connections', *EXITS_SHOWN], exits)


def add_rate(out, guest, got, params):
    out.add(guest.peer, 'requests_per_second', got['requests'] / got['seconds'], '1/s', **params)


def of_cell(out, where):
    """Medians of ix and linux; None if it was not measured. `rest`: without polls that found nothing, which Linux has none of."""
    ix, linux = both(out, 'instructions_per_request', **where)
    if ix is None or linux is None:
        return None
    nothing = out.median('ix', 'instructions_per_request_in_stage', **where, stage=STAGES[15])
    turns = out.median('ix', 'turns_per_request', **where, kind='busy')
    return {'all': (ix, linux), 'nothing': nothing, 'rest': (ix - nothing, linux), 'batch': 1 / turns if turns else None,
            'rate': both(out, 'requests_per_second', **where)}
