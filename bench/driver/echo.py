# SPDX-License-Identifier: MIT
"""Work `echo`: what a 64 B request costs a guest, and how soon it answers after its start, beside Linux."""
from driver.counted import EXITS, PEERS, SETTLE_S, STAGES, add_exits, add_instructions, both, settle
from driver.results import print_table, ratio, shown

MESSAGE_BYTES = 64
CONNECTIONS = (1, 16, 64)
PROFILED = (64, MESSAGE_BYTES)      # connections and message of --profile


class Plan:
    """How long and how often: the full figures, or a look in under a minute."""

    def __init__(self, is_quick):
        self.warm_s, self.window_s, self.rounds = (0.3, 0.6, 1) if is_quick else (1.2, 2.5, 3)
        self.settle_s = SETTLE_S / 2 if is_quick else SETTLE_S
        self.exit_connections = (64,) if is_quick else CONNECTIONS


def params(connections):
    return {'connections': connections, 'message_bytes': MESSAGE_BYTES, 'cores': 1, 'app': 'echo'}


def count_instructions(bench, plan, out):
    for kind in PEERS:
        with kind(bench, plugin=[]) as guest:
            settle(guest, plan.settle_s)
            for n in CONNECTIONS:
                got = guest.load(n, MESSAGE_BYTES, plan.warm_s, plan.window_s)
                add_instructions(out, guest, got, params(n))


def count_exits(bench, plan, out):
    for kind in PEERS:
        with kind(bench, plugin=['mmio=1']) as guest:
            settle(guest, plan.settle_s)
            for n in plan.exit_connections:
                got = guest.load(n, MESSAGE_BYTES, plan.warm_s, plan.window_s)
                add_exits(out, guest, got, params(n))


def time_both(bench, plan, out):
    """Interleaved and without the plugin: boots as a user has them, then requests with all on one CPU."""
    for _ in range(plan.rounds):
        for kind in PEERS:
            with kind(bench) as guest:
                out.add(guest.peer, 'boot_to_first_reply_s', guest.boot_s, 's', cores=1, app='echo')
                settle(guest, plan.settle_s)
                for n in CONNECTIONS:
                    got = guest.load(n, MESSAGE_BYTES, plan.warm_s, plan.window_s)
                    out.add(guest.peer, 'requests_per_second', got['requests'] / got['seconds'], '1/s', **params(n))
                    for q in ('p50_us', 'p99_us'):
                        out.add(guest.peer, f'latency_{q}', got[q], 'us', **params(n))


def measure(bench, is_quick, out):
    plan = Plan(is_quick)
    count_instructions(bench, plan, out)
    count_exits(bench, plan, out)
    time_both(bench, plan, out)


def show(out):
    rows = []
    for n in CONNECTIONS:
        ix, linux = both(out, 'instructions_per_request', connections=n)
        idle = out.median('ix', 'instructions_per_request_in_stage', connections=n, stage=STAGES[15])
        halts = [shown(v, 2) for v in both(out, 'halts_per_request', connections=n)]
        stored = [shown(v) for v in both(out, 'bytes_stored_by_string_ops', connections=n)]
        rows.append([str(n), shown(ix), shown(linux), ratio(ix, linux), shown(idle), *halts, *stored])
    print_table('guest instructions per 64 B request, all of one vCPU (nothing: spent on polls that found nothing)',
                ['connections', 'ix', 'linux', 'linux/ix', 'nothing', 'halts ix', 'linux', 'rep bytes ix', 'linux'],
                rows)

    rows = [[name, *(shown(out.median('ix', 'instructions_per_request_in_stage', connections=n, stage=name), 1)
                     for n in CONNECTIONS)] for name in STAGES.values()]
    print_table('ix by stage', ['stage', *(f'{n} conn.' for n in CONNECTIONS)], rows)

    rows = []
    for n in CONNECTIONS:
        for peer in ('ix', 'linux'):
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

    ix, linux = (out.median(peer, 'boot_to_first_reply_s') for peer in ('ix', 'linux'))
    print_table('start of QEMU to the first reply, static address (median, best)', ['', 'ix', 'linux', 'linux/ix'],
                [['seconds', *(f'{shown(m, 3)}, {shown(min(out.values(p, "boot_to_first_reply_s"), default=None), 3)}'
                               for p, m in (('ix', ix), ('linux', linux))), ratio(ix, linux)]])
