# SPDX-License-Identifier: MIT
"""Work `connections`: what a request costs by the number of connections that are open, what an open one costs in memory, and
what all of them cost while nothing happens, beside Linux. A request of any connection is as likely as of any other."""
import json
import subprocess

from driver.counted import SETTLE_S, add_instructions, per_request, settle
from driver.guest import Failure, IxGuest, LinuxGuest
from driver.results import print_table, ratio, shown

MESSAGE_BYTES = 64
CONNECTIONS = (1, 64, 1000, 10_000, 100_000, 250_000)
BASE, MANY = 1000, 250_000          # the cells that the aim compares
ACTIVE = 64                         # with a request under way
GUEST = {'memory_mib': 1024, 'words': 'connections=250016 heap_mib=80'}
LINUX_GUEST, LINUX_MANY = {'memory_mib': 1536}, 100_000
RESIDENT_FROM = 10_000              # connections from which on what is around them does not count
CACHE = '1 MiB, 16 ways'            # that the plugin has a model of
PROFILED = (MANY, MESSAGE_BYTES)
PROFILED_HOW = {'active': ACTIVE, 'guest_has': GUEST}


class Plan:
    """The whole sweep, or its ends."""

    def __init__(self, is_quick):
        self.warm_s, self.window_s, self.idle_s = (0.5, 1.5, 2) if is_quick else (1, 3, 5)
        self.settle_s = SETTLE_S / 2 if is_quick else SETTLE_S
        self.connections = (64, BASE, MANY) if is_quick else CONNECTIONS


def params(connections):
    return {'connections': connections, 'message_bytes': MESSAGE_BYTES, 'cores': 1, 'app': 'echo'}


def add_memory(bench, out):
    """What the image says of itself, which is what its kernel was built with."""
    words = [bench.built('bin', 'ixctl'), 'image', 'inspect', '--json', bench.built('images', 'echo.ix')]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failure(f'ixctl image inspect: {done.stderr.strip()}')
    for part, value in json.loads(done.stdout)['connection_bytes'].items():
        out.add('ix', 'memory_per_connection_bytes', value, 'bytes', part=part)


def count(bench, plan, out, kind, n):
    """One boot: what a request costs, what a second costs in which nothing is asked, what the connections take."""
    with kind(bench, plugin=[], **(LINUX_GUEST if issubclass(kind, LinuxGuest) else GUEST)) as guest:
        settle(guest, plan.settle_s)
        before = guest.memory()['guest']
        got = guest.load(n, MESSAGE_BYTES, plan.warm_s, plan.window_s, active=ACTIVE, idle_s=plan.idle_s)
        after = guest.memory()['guest']
        add_instructions(out, guest, got, params(n))
        idle = got['idle_counted']
        for name, counters in (('instructions', ('insn_kernel', 'insn_user')), ('wakeups', ('hlt',))):
            out.add(guest.peer, f'{name}_per_second_idle', sum(idle['counters'].get(c, 0) for c in counters) / idle['seconds'],
                    f'{name}/s', **params(n))
        out.add(guest.peer, 'connections_opened_per_second', n / got['open_s'], '1/s', **params(n))
        if n >= RESIDENT_FROM and before is not None and after is not None:
            out.add(guest.peer, 'memory_per_connection_bytes', (after - before) / n, 'bytes', part='resident', **params(n))


def count_cache(bench, plan, out, n):
    with IxGuest(bench, plugin=['cache=1'], **GUEST) as guest:
        settle(guest, plan.settle_s)
        got = guest.load(n, MESSAGE_BYTES, plan.warm_s, plan.window_s, active=ACTIVE)
        out.add('ix', 'cache_lines_missed_per_request', per_request(got, ('cache_miss',)), 'lines', cache=CACHE, **params(n))


def measure(bench, is_quick, out):
    plan = Plan(is_quick)
    add_memory(bench, out)
    for n in plan.connections:
        for kind in bench.peers.of('connections'):
            if n <= LINUX_MANY or not issubclass(kind, LinuxGuest):
                count(bench, plan, out, kind, n)
        count_cache(bench, plan, out, n)


def show(out):
    parts = {r['params']['part']: r['value'] for r in out.rows
             if r['metric'] == 'memory_per_connection_bytes' and 'connections' not in r['params']}
    print_table('memory of an idle connection in the kernel of ix', ['part', 'bytes'], [[k, shown(v)] for k, v in parts.items()])
    rows = []
    for peer in dict.fromkeys(r['peer'] for r in out.rows):
        base = out.median(peer, 'instructions_per_request', connections=BASE)
        for n in CONNECTIONS:
            cells = [out.median(peer, metric, connections=n) for metric in (
                'instructions_per_request', 'cache_lines_missed_per_request', 'instructions_per_second_idle',
                'wakeups_per_second_idle', 'connections_opened_per_second', 'memory_per_connection_bytes')]
            if cells[0] is not None:
                rows.append([f'{n:,} {peer}', shown(cells[0]), ratio(base, cells[0], 2), shown(cells[1], 1), shown(cells[2]),
                             shown(cells[3], 1), shown(cells[4]), shown(cells[5])])
    print_table(f'a 64 B request, of any of the connections, at most {ACTIVE} under way; resident: bytes a connection, as the host sees it',
                ['connections', 'instructions', f'to {BASE:,}', f'lines not in {CACHE}', 'idle: instructions/s',
                 'wake-ups/s', 'opened/s', 'resident'], rows)
