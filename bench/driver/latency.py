# SPDX-License-Identifier: MIT
"""Work `latency`: how long a 64 B request takes at a load that does not wait for replies, from little to more than a guest can do."""
from driver.counted import SETTLE_S, both, settle
from driver.results import print_table, ratio, shown

MESSAGE_BYTES = 64
CONNECTIONS = 64
PROFILED = (CONNECTIONS, MESSAGE_BYTES)
LOADS = (10, 25, 50, 75, 90, 100, 150)      # percent of what the Linux guest does in the closed loop of the same run
MORE_LOADS = (300, 500, 700)                # of ix alone
QUANTILES = ('p50_us', 'p90_us', 'p99_us', 'p999_us', 'max_us')


class Plan:
    """Two rounds with a seed each, or a look at a few loads."""

    def __init__(self, is_quick):
        self.warm_s, self.window_s, self.rounds = (0.5, 1.5, 1) if is_quick else (1, 4, 2)
        self.settle_s = SETTLE_S / 2 if is_quick else SETTLE_S
        self.loads, self.more_loads = ((25, 75, 150), (500,)) if is_quick else (LOADS, MORE_LOADS)


def params(load):
    return {'load_percent': load, 'connections': CONNECTIONS, 'message_bytes': MESSAGE_BYTES, 'cores': 1, 'app': 'echo'}


def measure(bench, is_quick, out):
    plan = Plan(is_quick)
    for seed in range(1, plan.rounds + 1):
        full = None
        for kind in bench.peers.of('latency'):      # Linux first: the loads are shares of its own
            with kind(bench) as guest:
                settle(guest, plan.settle_s)
                got = guest.load(CONNECTIONS, MESSAGE_BYTES, plan.warm_s, plan.window_s)
                rate = got['requests'] / got['seconds']
                full = full or rate
                add(out, guest, got, rate, rate, params('closed loop'))
                for load in plan.loads + (plan.more_loads if guest.peer == 'ix' else ()):
                    got = guest.load(CONNECTIONS, MESSAGE_BYTES, plan.warm_s, plan.window_s, rate=full * load / 100, seed=seed)
                    add(out, guest, got, got['offered_per_s'], got['achieved_per_s'], params(load))
                    for name in ('sent_late', 'unsent', 'unanswered'):
                        out.add(guest.peer, f'requests_{name}_percent', 100 * got[name] / got['due'], '%', **params(load))


def add(out, guest, got, offered, achieved, where):
    out.add(guest.peer, 'requests_offered_per_second', offered, '1/s', **where)
    out.add(guest.peer, 'requests_per_second', achieved, '1/s', **where)
    for q in QUANTILES:
        out.add(guest.peer, f'latency_{q}', got[q], 'us', **where)


def show(out):
    rows = []
    for load in ('closed loop', *LOADS, *MORE_LOADS):
        def of(metric, load=load):
            return both(out, metric, load_percent=load)

        offered, achieved, waited = of('requests_offered_per_second'), of('requests_per_second'), of('requests_sent_late_percent')
        if offered[0] is None:
            continue
        tails = [' / '.join(shown(out.median(peer, f'latency_{q}', load_percent=load)) for q in ('p50_us', 'p99_us', 'p999_us'))
                 for peer in ('ix', 'linux')]
        p99 = of('latency_p99_us')
        rows.append([load if isinstance(load, str) else f'{load} %', shown(offered[0]), *(shown(v) for v in achieved), *tails,
                     ratio(*p99), *(shown(v, 1) for v in waited)])
    print_table(f'64 B requests by an open loop (Poisson) on {CONNECTIONS} connections, latency from when they were due, in us; under '
                'emulation: shape and ratio only',
                ['of linux at most', 'offered ix', 'done ix', 'linux', 'ix p50/p99/p99.9', 'linux', 'p99 linux/ix', '% late ix', 'linux'],
                rows)
