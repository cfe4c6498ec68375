# SPDX-License-Identifier: MIT
"""Work `policy` with a real guest: under ixd, on a switch, in the lab of test/lib/hostlab.py. The same load twice, once with all cores that
the guest may have and once with those that the policy gives it."""
import json
import os
import subprocess
import sys

from driver.elastic import OwnWire
from driver.guest import Failure
from driver.results import print_table, shown
from driver.wire import WIRES as ALL_WIRES, lab

SHAPES = ('steps', 'triangle', 'quick triangle', 'sine and noise')     # of bench/policy/shape.c
SECONDS, QUICK_SECONDS, QUICK_SHAPES = 60, 20, SHAPES[:1]
CONNECTIONS, CORES_MAX = 512, 4
WORK_NS = 1_000_000         # mean of a request
BOUND_TIMES = 50            # of that: the bound of p99, 500 us where a request takes 10 [TOCS 2016]
PEAK = 0.6                  # of what all cores could do if a request cost nothing but its work
BIN_S = 2                   # of what is drawn: mean of cores and load, largest p99
POLICIES = {'fixed': 'all cores', 'ix': 'policy'}
WIRES = {'tap': ALL_WIRES['tap'], 'ovs': OwnWire('ovs')}   # of the work: the simulation's guest is on the tap


def plan_of(is_quick, pace=1):
    """What driver/policy_run.py is told. A vCPU more is only more processor where the host has one: no more vCPUs than it has CPUs."""
    cores = min(CORES_MAX, len(os.sched_getaffinity(0)))
    return {'shapes': QUICK_SHAPES if is_quick else SHAPES, 'seconds': QUICK_SECONDS if is_quick else round(SECONDS * pace), 'cores': cores,
            'connections': CONNECTIONS, 'peak': round(PEAK * cores * 1e9 / WORK_NS), 'work_ns': WORK_NS,
            'bound_us': BOUND_TIMES * WORK_NS / 1000}


def held(samples, begin_ns, seconds):
    """Mean of each second after @begin_ns of [(ns, value)], each of which stands until the next one; the first one before that, too."""
    means, steps = [], [(max(at, begin_ns), value) for at, value in samples]
    if not steps:
        raise Failure('nobody looked how many cores it has')
    for second in range(seconds):
        low, high = begin_ns + second * 10**9, begin_ns + (second + 1) * 10**9
        area, value, at = 0, steps[0][1], low
        for when, then in steps:
            if when >= high:
                break
            if when > low:
                area += value * (when - at)
                at = when
            value = then
        means.append((area + value * (high - at)) / 10**9)
    return means


def add_run(out, got, plan):
    """Totals of a run, and for the figures its seconds."""
    peer, seconds = got['policy'], got['seconds']
    params = {'shape': got['shape'], 'cores': plan['cores'], 'seconds': len(seconds), 'connections': plan['connections'],
              'work_ns': plan['work_ns'], 'accelerator': plan['accelerator']}
    cores = held(got['samples'], got['begins_ns'], len(seconds))
    out.add(peer, 'core_seconds', round(sum(cores), 2), 'core s', **params)
    for key in 'p50_us', 'p99_us', 'p999_us', 'max_us':
        out.add(peer, f'latency_{key}', got[key], 'us', **params)
    out.add(peer, 'bound_us', got['bound_us'], 'us', **params)
    out.add(peer, 'requests_counted', got['due'], 'requests', **params)
    out.add(peer, 'errors', got['unanswered'] + got['unsent'], 'requests', **params)
    out.add(peer, 'requests_beyond_bound_percent', 100 * got['beyond'] / max(1, got['due']), '%', **params)
    out.add(peer, 'seconds_beyond', sum(s[1] > got['bound_us'] for s in seconds), 's', **params)
    out.add(peer, 'changes', len(got['changes']), '', **params)
    for change in got['changes']:
        if change['to'] > change['from']:
            took = sum(change['steps'].get(step, 0) for step in ('plug_ms', 'unpark_ms'))
            out.add(peer, 'grow_ms', round(took, 3), 'ms', **params, signal=change['signal'])
    if peer == 'ix':
        for metric, name in ('core_seconds', 'core_seconds_saved_percent'), ('latency_p99_us', 'p99_to_fixed'):
            mine, fixed = (out.values(p, metric, shape=got['shape']) for p in ('ix', 'fixed'))
            if fixed and fixed[-1]:
                part = mine[-1] / fixed[-1]
                out.add(peer, name, *((100 * (1 - part), '%') if name.endswith('percent') else (part, 'ratio')), **params)
    add_seconds(out, got, cores, params)


def add_seconds(out, got, cores, params):
    """A row every BIN_S."""
    seconds = got['seconds']
    for at in range(0, len(seconds) - BIN_S + 1, BIN_S):
        where, part = {**params, 'at_s': at + BIN_S / 2}, seconds[at:at + BIN_S]
        out.add(got['policy'], 'cores', round(sum(cores[at:at + BIN_S]) / BIN_S, 3), 'cores', **where)
        if any(due for due, _, _ in part):
            out.add(got['policy'], 'second_p99_us', max(p99 for _, p99, _ in part), 'us', **where)
        if got['policy'] == 'fixed':
            out.add('aim', 'second_p99_us', got['bound_us'], 'us', **where)
            out.add('load', 'cores', round(sum(work for _, _, work in part) / BIN_S, 3), 'cores', **where)


def run(bench, plan):
    """The lines of driver/policy_run.py, as they come."""
    words = [sys.executable, os.path.join(os.path.dirname(os.path.realpath(__file__)), 'policy_run.py'), bench.build, json.dumps(plan)]
    said = []
    with subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          env={**os.environ, 'PYTHONDONTWRITEBYTECODE': '1'}, preexec_fn=lab.die_with_parent) as process:
        for line in process.stdout:
            said.append(line)
            kind, _, rest = line.partition(': ')
            if kind in ('host', 'measured', 'failed'):
                yield kind, json.loads(rest)
        if process.wait():
            raise Failure(f'policy_run.py: status {process.returncode}\n' + ''.join(said[-20:]))


def measure(bench, is_quick, out):
    """What was measured before a run that fails stays."""
    plan = plan_of(is_quick, bench.pace)
    for kind, got in run(bench, plan):
        if kind == 'failed':
            raise Failure(got['why'])
        if kind == 'host':
            plan['accelerator'] = got['accelerator']
        else:
            add_run(out, got, plan)


def show(out):
    rows = []
    for shape in SHAPES:
        for policy, words in POLICIES.items():
            def of(metric, policy=policy, shape=shape):
                return out.median(policy, metric, shape=shape)
            if of('core_seconds') is None:
                continue
            rows.append([f'{shape}, {words}', shown(of('core_seconds'), 1), shown(of('core_seconds_saved_percent'), 1),
                         *(shown(of(f'latency_{q}_us')) for q in ('p50', 'p99', 'p999', 'max')), shown(of('p99_to_fixed'), 2),
                         shown(of('requests_beyond_bound_percent'), 2), shown(of('seconds_beyond')), shown(of('changes')),
                         shown(max(out.values(policy, 'grow_ms', shape=shape), default=None)), shown(of('errors'))])
    first = next(r for r in out.rows if r['metric'] == 'core_seconds')['params']
    bound = out.median('fixed', 'bound_us')
    print_table(f'a real guest ({first["accelerator"]}), 1 to {first["cores"]} cores, a request is {first["work_ns"] / 1000:.0f} us of work by the '
                f'clock, p99 is to stay below {bound:,.0f} us', ['load, cores by', 'core s', 'saved %', 'p50 us', 'p99', 'p999', 'max', 'p99 / fixed',
                                                                'beyond %', 'seconds beyond', 'changes', 'longest growth ms', 'errors'], rows)
