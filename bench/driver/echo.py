# SPDX-License-Identifier: MIT
"""Work `echo`: what a 64 B request costs a guest, beside Linux and the floor."""
from driver.counted import EXITS, SETTLE_S, STAGES, add_exits, add_instructions, both, others, settle
from driver.results import print_table, ratio, shown

MESSAGE_BYTES = 64
CONNECTIONS = (1, 16, 64)
PROFILED = (64, MESSAGE_BYTES)      # connections and message of --profile


class Plan:
    """How long and how often: the full figures, or a look in under a minute."""

    def __init__(self, is_quick):
        self.warm_s, self.window_s, self.rounds = (0.3, 0.6, 1) if is_quick else (1.0, 2.0, 2)
        self.settle_s = SETTLE_S / 2 if is_quick else SETTLE_S
        self.exit_connections = (64,) if is_quick else CONNECTIONS


def params(connections, guest):
    return {'connections': connections, 'message_bytes': MESSAGE_BYTES, 'cores': 1, 'app': 'echo',
            'protocol': 'udp' if guest.is_udp else 'tcp'}


def count_instructions(bench, plan, out):
    for kind in bench.peers.of('echo'):
        with kind(bench, plugin=[]) as guest:
            settle(guest, plan.settle_s)
            for n in CONNECTIONS:
                got = guest.load(n, MESSAGE_BYTES, plan.warm_s, plan.window_s)
                add_instructions(out, guest, got, params(n, guest))


def count_exits(bench, plan, out):
    for kind in bench.peers.of('echo'):
        with kind(bench, plugin=['mmio=1']) as guest:
            settle(guest, plan.settle_s)
            for n in plan.exit_connections:
                got = guest.load(n, MESSAGE_BYTES, plan.warm_s, plan.window_s)
                add_exits(out, guest, got, params(n, guest))


def time_both(bench, plan, out):
    """Interleaved and without the plugin, with all on one CPU."""
    for _ in range(plan.rounds):
        for kind in bench.peers.of('echo'):
            with kind(bench) as guest:
                settle(guest, plan.settle_s)
                for n in CONNECTIONS:
                    got = guest.load(n, MESSAGE_BYTES, plan.warm_s, plan.window_s)
                    out.add(guest.peer, 'requests_per_second', got['requests'] / got['seconds'], '1/s', **params(n, guest))
                    for q in ('p50_us', 'p99_us'):
                        out.add(guest.peer, f'latency_{q}', got[q], 'us', **params(n, guest))


def measure(bench, is_quick, out):
    plan = Plan(is_quick)
    count_instructions(bench, plan, out)
    count_exits(bench, plan, out)
    time_both(bench, plan, out)


def show(out):
    rows, (names, more) = [], others(out)
    for n in CONNECTIONS:
        ix, linux = both(out, 'instructions_per_request', connections=n)
        idle = out.median('ix', 'instructions_per_request_in_stage', connections=n, stage=STAGES[15])
        halts = [shown(v, 2) for v in both(out, 'halts_per_request', connections=n)]
        stored = [shown(v) for v in both(out, 'bytes_stored_by_string_ops', connections=n)]
        rows.append([str(n), shown(ix), shown(linux), ratio(ix, linux), *more(connections=n), shown(idle), *halts, *stored])
    print_table('guest instructions per 64 B request, all of one vCPU (nothing: spent on polls that found nothing)',
                ['connections', 'ix', 'linux', 'linux/ix', *names, 'nothing', 'halts ix', 'linux', 'rep bytes ix', 'linux'], rows)

    rows = [[name, *(shown(out.median('ix', 'instructions_per_request_in_stage', connections=n, stage=name), 1)
                     for n in CONNECTIONS)] for name in STAGES.values()]
    print_table('ix by stage', ['stage', *(f'{n} conn.' for n in CONNECTIONS)], rows)

    rows = []
    for n in CONNECTIONS:
        for peer in ('ix', 'linux', *names):
            values = [out.median(peer, 'vm_exits_per_request', connections=n, kind=k) for k in (*EXITS, 'all')]
            if values[0] is not None:
                rows.append([f'{n} {peer}', *(shown(v, 3) for v in values)])
    print_table('would-be VM exits per request (all device accesses observed: 3 times slower)',
                ['connections', *EXITS, 'all'], rows)

    rows = []
    for n in CONNECTIONS:
        ix, linux = both(out, 'requests_per_second', connections=n)
        p50, p99 = both(out, 'latency_p50_us', connections=n), both(out, 'latency_p99_us', connections=n)
        rows.append([str(n), ratio(linux, ix, 2), *(f'{shown(a)} / {shown(b)}' for a, b in zip(p50, p99))])
    print_table('requests per second under emulation: the ratio only',
                ['connections', 'ix/linux', 'p50/p99 us ix', 'linux'], rows)
