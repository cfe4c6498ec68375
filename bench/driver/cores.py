# SPDX-License-Identifier: MIT
"""Work `echo --cores`: what a 64 B request costs a guest of several cores, on a tap and on a switch that polls."""
from driver.counted import EXITS, STAGES, add_exits, add_instructions, settle
from driver.guest import IxGuest
from driver.results import print_table, shown

MESSAGE_BYTES = 64
PER_CORE = 64                       # connections of a core, beside 64 in all


class Work:
    """`cores`: how many the guests have."""

    def __init__(self, cores):
        self.cores = cores
        self.plan = (1.2, 2.5)

    def measure(self, bench, is_quick, out):
        self.plan = (0.5, 1.0) if is_quick else (1.2, 3.0)
        for n in self.cores:
            self.count(bench, out, n)

    def count(self, bench, out, n):
        """Two boots: instructions by the plain plugin, exits by the one that sees every access."""
        for plugin, add in ([], add_instructions), (['mmio=1'], add_exits):
            with IxGuest(bench, plugin=plugin, cores=n) as ix:
                settle(ix)
                for connections in sorted({PER_CORE, PER_CORE * n}):
                    got = ix.load(connections, MESSAGE_BYTES, *self.plan)
                    add(out, ix, got, {'connections': connections, 'message_bytes': MESSAGE_BYTES, 'cores': n,
                                       'app': 'echo'})

    def show(self, out):
        """Against one core where that was measured."""
        rows, exits = [], []
        cells = sorted({(r['params']['backend'], r['params']['cores'], r['params']['connections']) for r in out.rows},
                       key=lambda cell: (cell[0] != 'tap', *cell[1:]))
        for backend, n, connections in cells:
            where = {'backend': backend, 'cores': n, 'connections': connections}
            value = out.median('ix', 'instructions_per_request', **where)
            idle = out.median('ix', 'instructions_per_request_in_stage', **where, stage=STAGES[15])
            one = out.median('ix', 'instructions_per_request', backend=backend, cores=1, connections=PER_CORE)
            one_idle = out.median('ix', 'instructions_per_request_in_stage', backend=backend, cores=1, connections=PER_CORE,
                                  stage=STAGES[15])
            change = '-' if one is None else f'{(value - idle) / (one - one_idle) - 1:+.1%}'
            name = f'{backend}, {n} cores, {connections}'
            rows.append([name, shown(value), shown(idle), shown(value - idle), change])
            exits.append([name, *(shown(out.median('ix', 'vm_exits_per_request', **where, kind=k), 3) for k in (*EXITS, 'all'))])
        print_table(f'guest instructions per {MESSAGE_BYTES} B request, all vCPUs (nothing: polls that found nothing)',
                    ['backend, cores, connections', 'all', 'nothing', 'rest', 'to one core'], rows)
        print_table('would-be VM exits per request', ['backend, cores, connections', *EXITS, 'all'], exits)
