# SPDX-License-Identifier: MIT
"""Work `exits`: what leaves a virtual machine for a 64 B request, as the plugin counts it on TCG and as KVM itself does, in a machine
that has one (test/lib/nested.py)."""
import json
import os

from driver.counted import EXITS, SETTLE_S, add_exits, settle
from driver.guest import Failure, IxGuest, LinuxGuest
from driver.results import print_table, shown
from driver.wire import lab
import nested                       # of test/lib, where wire has shown the way
from report import Failed

BACKENDS = ('tap',)
MESSAGE_BYTES = 64
PEERS = {'ix': IxGuest, 'linux': LinuxGuest}
# What is compared; two cores with one queue, so that frames are handed over and cores wake each other.
GUESTS = {'ix': ('ix', {'words': 'poll_us=0'}), 'linux': ('linux', {}), 'ix, polls 50 us': ('ix', {'words': 'poll_us=50'}),
          'ix, 2 cores, 1 queue': ('ix', {'words': 'poll_us=0', 'cores': 2, 'queues': 1})}
QUICK = ('ix', 'linux')
BY_THE_CLOCK = ('timer', 'read')
KVM_ONLY = ('window', 'host', 'memory', 'other')
NESTED_CPU = 1                      # of the machine's two, which guest and client share there as on the host
NESTED_S = 400
STATISTICS = {'exits': 'all', 'halt_exits': 'halt', 'irq_window_exits': 'window', 'io_exits': 'port', 'irq_exits': 'host'}


def params(name, connections, counted_by):
    _, options = GUESTS[name]
    return {'connections': connections, 'message_bytes': MESSAGE_BYTES, 'cores': options.get('cores', 1), 'app': 'echo',
            'guest': name, 'counted_by': counted_by}


def count_with_plugin(bench, plan, out):
    for name in plan['names']:
        peer, options = GUESTS[name]
        with PEERS[peer](bench, plugin=['mmio=1'], **options) as guest:
            settle(guest, plan['settle_s'])
            for n, warm_s, window_s in plan['cells']:
                got, where = guest.load(n, MESSAGE_BYTES, warm_s, window_s), params(name, n, 'plugin')
                add_exits(out, guest, got, where)
                add_by_the_clock(out, peer, where, got['requests'] / got['seconds'])


def add_by_the_clock(out, peer, where, requests_per_second):
    """Kinds that come so often a second, whatever is served: a second time, a second, as the machines' speeds are so different."""
    for kind in BY_THE_CLOCK:
        each = out.median(peer, 'vm_exits_per_request', **where, kind=kind)
        out.add(peer, 'vm_exits_per_second', each * requests_per_second, '1/s', **where, kind=kind)


def files(bench):
    """What driver/kvm.py needs there, at the same places to each other as here."""
    packed = nested.Files()
    packed.program('sysctl')
    for part in ('loadgen', 'first_reply'):
        packed.add(f'build/bench/{part}', bench.part(part))
        packed.libraries(bench.part(part))
    for part in (('echo.cpio',), ('kernel', 'vmlinuz')):
        packed.add(os.path.join('build/bench/linux', *part), bench.part('linux', *part))
    packed.add('build/images/echo.ix', bench.built('images', 'echo.ix'))
    packed.add('bench/driver', os.path.dirname(os.path.realpath(__file__)))
    packed.add('test/lib', lab.TOP / 'test' / 'lib')
    return packed


def count_with_kvm(bench, plan, out):
    words = {'cpu': NESTED_CPU, 'settle_s': plan['settle_s'], 'message_bytes': MESSAGE_BYTES, 'cells': plan['cells'],
             'guests': [{'name': name, 'peer': GUESTS[name][0], 'options': GUESTS[name][1]} for name in plan['names']]}
    try:
        status, said = nested.run(bench.part('linux', 'kernel'), files(bench),
                                  f"exec python3 /bench/driver/kvm.py /build '{json.dumps(words)}'", NESTED_S)
    except Failed as e:
        raise Failure(f'the machine with KVM: {e}') from e
    cells = [json.loads(line.split(' ', 1)[1]) for line in said.splitlines() if line.startswith('counted: ')]
    if status or len(cells) != len(plan['names']) * len(plan['cells']):
        raise Failure(f'the machine with KVM: status {status}\n' + '\n'.join(said.splitlines()[-20:]))
    for got in cells:
        add_counted(out, got)


def add_counted(out, got):
    """The rows of one window of KVM's, and those of its statistics that say the same as a kind, a second time."""
    peer, where = GUESTS[got['name']][0], params(got['name'], got['connections'], 'kvm')
    for kind in (*EXITS, *KVM_ONLY, 'all'):
        out.add(peer, 'vm_exits_per_request', got['exits'].get(kind, 0) / got['requests'], 'exits', **where, kind=kind)
    add_by_the_clock(out, peer, where, got['requests'] / got['seconds'])
    for name, kind in STATISTICS.items():
        out.add(peer, 'vm_exits_per_request', got['statistics'][name] / got['requests'], 'exits',
                **{**where, 'counted_by': 'kvm statistics'}, kind=kind)
    out.add(peer, 'interrupts_injected_per_request', got['statistics']['irq_injections'] / got['requests'], 'interrupts', **where)
    out.add(peer, 'requests_counted', got['requests'], 'requests', **where)


def measure(bench, is_quick, out):
    warm_s, window_s = (0.5, 1.5) if is_quick else (1.0, 4.0)
    plan = {'names': QUICK if is_quick else tuple(GUESTS), 'settle_s': SETTLE_S / 2 if is_quick else SETTLE_S,
            'cells': [(n, warm_s, window_s) for n in ((64,) if is_quick else (1, 64))]}
    count_with_plugin(bench, plan, out)
    count_with_kvm(bench, plan, out)


def show(out):
    for n in sorted({r['params']['connections'] for r in out.rows}):
        rows = []
        for name, (peer, _) in GUESTS.items():
            for by in ('plugin', 'kvm', 'kvm statistics'):
                values = [out.median(peer, 'vm_exits_per_request', guest=name, connections=n, counted_by=by, kind=kind)
                          for kind in (*EXITS, *KVM_ONLY, 'all')]
                clock = [out.median(peer, 'vm_exits_per_second', guest=name, connections=n, counted_by=by, kind=kind)
                         for kind in BY_THE_CLOCK]
                injected = out.median(peer, 'interrupts_injected_per_request', guest=name, connections=n, counted_by=by)
                if any(v is not None for v in values):
                    rows.append([f'{name}: {by}', *(shown(v, 3) for v in (*values, injected)), *(shown(v) for v in clock)])
        print_table(f'VM exits per {MESSAGE_BYTES} B request, {n} connection{"s" if n > 1 else ""}',
                    ['', *EXITS, *KVM_ONLY, 'all', 'injected', *(f'{kind}/s' for kind in BY_THE_CLOCK)], rows)
