# SPDX-License-Identifier: MIT
"""Work `churn`: what a connection of one 64 B request costs a guest, from SYN to the FIN of each side, beside Linux."""
from driver.counted import SETTLE_S, STAGES, add_exits, add_instructions, both, others, settle
from driver.results import print_table, ratio, shown

MESSAGE_BYTES = 64
CONNECTIONS = (1, 16, 64)           # at a time; the client closes first
PROFILED = (64, MESSAGE_BYTES)
PROFILED_HOW = {'is_churn': True}


class Plan:
    """The full figures, or a look in under a minute."""

    def __init__(self, is_quick):
        self.warm_s, self.window_s, self.rounds = (0.3, 0.8, 1) if is_quick else (1.0, 2.5, 2)
        self.settle_s = SETTLE_S / 2 if is_quick else SETTLE_S
        self.exit_connections = (64,) if is_quick else CONNECTIONS


def params(connections):
    return {'connections': connections, 'message_bytes': MESSAGE_BYTES, 'cores': 1, 'app': 'echo'}


def each_window(bench, plan, plugin, connections):
    for kind in bench.peers.of('churn'):
        with kind(bench, plugin=plugin) as guest:
            settle(guest, plan.settle_s)
            for n in connections:
                yield guest, n, guest.load(n, MESSAGE_BYTES, plan.warm_s, plan.window_s, is_churn=True)


def measure(bench, is_quick, out):
    plan = Plan(is_quick)
    for guest, n, got in each_window(bench, plan, [], CONNECTIONS):
        add_instructions(out, guest, got, params(n))
    for guest, n, got in each_window(bench, plan, ['mmio=1'], plan.exit_connections):
        add_exits(out, guest, got, params(n))
    for _ in range(plan.rounds):
        for guest, n, got in each_window(bench, plan, None, CONNECTIONS):
            out.add(guest.peer, 'requests_per_second', got['requests'] / got['seconds'], '1/s', **params(n))
            for q in ('p50_us', 'p99_us'):
                out.add(guest.peer, f'latency_{q}', got[q], 'us', **params(n))


def show(out):
    rows, (names, more) = [], others(out)
    for n in CONNECTIONS:
        ix, linux = both(out, 'instructions_per_request', connections=n)
        exits = both(out, 'vm_exits_per_request', connections=n, kind='all')
        rates = both(out, 'requests_per_second', connections=n)
        rows.append([str(n), shown(ix), shown(linux), ratio(ix, linux), *more(connections=n),
                     *(shown(v) for v in both(out, 'bytes_stored_by_string_ops', connections=n)),
                     *(shown(v, 2) for v in exits), ratio(rates[1], rates[0])])
    print_table('guest instructions per connection of one 64 B request, both sides closed by FIN, all of one vCPU',
                ['at a time', 'ix', 'linux', 'linux/ix', *names, 'rep bytes ix', 'linux', 'exits ix', 'linux', 'rate ix/linux'],
                rows)
    rows = [[name, *(shown(out.median('ix', 'instructions_per_request_in_stage', connections=n, stage=name))
                     for n in CONNECTIONS)] for name in STAGES.values()]
    print_table('ix by stage', ['stage', *(f'{n} at a time' for n in CONNECTIONS)], rows)
