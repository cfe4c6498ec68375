# SPDX-License-Identifier: MIT
"""Work `policy`: cores given out by hostctl/policy beside all cores all the time. On `tap` in a simulation of every request whose service
time is measured first, beside IX's own rule, too; and 1,000 hosts of 50 guests, for how fast it decides and whether it holds
still. On `ovs` with a real guest under ixd (policy_real.py)."""
import json
import subprocess

from driver import policy_real
from driver.counted import settle
from driver.guest import Failure, IxGuest
from driver.idle import cpu_seconds
from driver.results import print_table, shown

BACKENDS = ('tap', 'ovs')
WIRES = policy_real.WIRES
CONNECTIONS, MESSAGE_BYTES = 64, 64
GROUPS = {128: 'RSS or one queue', 8: 'a queue a core'}
SECONDS, QUICK_SECONDS = 240, 60
HOSTS, QUICK_HOSTS = 1000, 20
STEP_S = 5                          # of what is drawn: mean of cores and load, largest p99
CORES = 8
PATIENCE_S = 3600
SHAPES = policy_real.SHAPES
POLICIES = {'fixed': 'all cores', 'ix': 'policy', 'ixcp': "IX's rule"}
TOTALS = {'core_seconds': 'core s', 'p50_us': 'us', 'p99_us': 'us', 'p999_us': 'us', 'max_us': 'us', 'seconds_beyond': 's',
          'changes': '', 'lost': ''}
FLEET = {'decisions_per_second': '1/s', 'changes_per_guest_minute': '1/min', 'reversals_per_guest_minute': '1/min',
         'reversals_of_worst_guest': '1/min', 'steps': '', 'steps_late': '', 'up_s_max': 's', 'down_s_max': 's', 'over_host': '',
         'below_floor': '', 'unfair_s_max': 's', 'uneven_s_max': 's', 'cores_given': 'share', 'served': 'share'}


def service_ns(bench, is_quick):
    """Processor time of QEMU for a request, of a guest of one core that has enough to do: what else this machine does is not in it."""
    warm_s, window_s = (0.5, 2) if is_quick else (2, 8)
    with IxGuest(bench) as guest:
        settle(guest)
        guest.load(CONNECTIONS, MESSAGE_BYTES, warm_s, warm_s)
        before = cpu_seconds(guest)
        got = guest.load(CONNECTIONS, MESSAGE_BYTES, 0, window_s)
        return (cpu_seconds(guest) - before) / got['requests'] * 1e9


def simulate(bench, *words):
    """What the simulator says, line by line."""
    with subprocess.Popen([bench.part('policy_sim'), *map(str, words)], stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            yield json.loads(line)
        if process.wait(PATIENCE_S):
            raise Failure(f'policy_sim {" ".join(map(str, words))} failed')


def add_seconds(out, got, params, ns):
    """A row every STEP_S."""
    seconds = got['seconds']
    for at in range(0, len(seconds) - STEP_S + 1, STEP_S):
        part = seconds[at:at + STEP_S]
        where = {**params, 'at_s': at + STEP_S / 2}
        out.add(got['policy'], 'cores', round(sum(s[1] for s in part) / STEP_S, 3), 'cores', **where)
        out.add(got['policy'], 'second_p99_us', max(s[2] for s in part), 'us', **where)
        if got['policy'] == 'fixed':
            out.add('aim', 'second_p99_us', got['bound_us'], 'us', **where)
            out.add('load', 'cores', round(sum(s[0] for s in part) / STEP_S * ns / 1e9, 3), 'cores', **where)


def add_shape(out, got, ns):
    """Totals of a run, and for the figures its seconds."""
    params = {'shape': got['shape'], 'groups': got['groups'], 'cores': CORES, 'seconds': len(got['seconds'])}
    for key, unit in TOTALS.items():
        out.add(got['policy'], f'latency_{key}' if unit == 'us' else key, got[key], unit, **params)
    out.add(got['policy'], 'requests_beyond_bound_percent', 100 * got['beyond'] / got['requests'], '%', **params)
    out.add(got['policy'], 'bound_us', got['bound_us'], 'us', **params)
    fixed = out.values('fixed', 'core_seconds', **params)
    if got['policy'] != 'fixed' and fixed:
        out.add(got['policy'], 'core_seconds_saved_percent', 100 * (1 - got['core_seconds'] / fixed[-1]), '%', **params)
    if got['groups'] == max(GROUPS):
        add_seconds(out, got, params, ns)


def measure(bench, is_quick, out):
    if bench.wire.backend == 'ovs':
        policy_real.measure(bench, is_quick, out)
        return
    ns = service_ns(bench, is_quick)
    out.add('ix', 'service_ns', ns, 'ns', connections=CONNECTIONS, message_bytes=MESSAGE_BYTES)
    for groups in GROUPS:
        for got in simulate(bench, 'shapes', round(ns), QUICK_SECONDS if is_quick else SECONDS, groups):
            add_shape(out, got, ns)
    for got in simulate(bench, 'fleet', QUICK_HOSTS if is_quick else HOSTS):
        for key, unit in FLEET.items():
            out.add('ix', key, got[key], unit, case=got['case'], hosts=got['hosts'], guests=got['guests'])


def show(out):
    if out.median('ix', 'service_ns') is None:
        policy_real.show(out)
        return
    bound = out.median('ix', 'bound_us')
    for groups, name in GROUPS.items():
        rows = []
        for shape in SHAPES:
            for policy, words in POLICIES.items():
                def of(metric, policy=policy, shape=shape, groups=groups):
                    return out.median(policy, metric, shape=shape, groups=groups)
                rows.append([f'{shape}, {words}', shown(of('core_seconds')), shown(of('core_seconds_saved_percent'), 1),
                             *(shown(of(f'latency_{q}_us')) for q in ('p50', 'p99', 'p999', 'max')),
                             shown(of('requests_beyond_bound_percent'), 2), shown(of('seconds_beyond')), shown(of('changes'))])
        print_table(f'{CORES} cores at most, {groups} flow groups ({name}), a request takes {out.median("ix", "service_ns") / 1000:.1f} us, '
                    f'p99 is to stay below {bound:.0f} us', ['load, cores by', 'core s', 'saved %', 'p50 us', 'p99', 'p999', 'max',
                                                             'beyond %', 'seconds beyond', 'changes'], rows)
    cases = list(dict.fromkeys(r['params']['case'] for r in out.rows if 'case' in r['params']))
    rows = [[case, *(shown(out.median('ix', key, case=case), 3 if unit in ('share', '1/min') else 1 if unit == 's' else 0)
                     for key, unit in FLEET.items())] for case in cases]
    print_table('hosts of 50 guests and 100 cores', ['case', 'decisions/s', 'changes/min', 'back/min', 'worst', 'steps', 'late', 'up s',
                                                     'down s', 'over host', 'below floor', 'unfair s', 'uneven s', 'given', 'served'],
                rows)
