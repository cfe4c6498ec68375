# SPDX-License-Identifier: MIT
"""Work `elastic`: what a client sees when a guest that serves gets a core more and gives it back, by the same call of libvirt for IX
and for Linux. Which core answers is said by the answers themselves (bench/which). On `ovs` guests are emulated, on a switch of
the work's own; on `tap` they have KVM, in the machine of test/lib/nested.py."""
import contextlib
import json
import os
import subprocess
import sys

from driver.guest import Failure
from driver.results import print_table, ratio, shown
from driver.wire import lab
import nested                       # of test/lib, where wire has shown the way
from report import Failed

BACKENDS = ('ovs', 'tap')
ACCEL = {'ovs': 'tcg', 'tap': 'kvm'}
# In turn. The number of queues that a Linux guest uses: of its vCPUs, as its own driver and `ethtool -L` have it; or as many as
# the card has, always, as IX does.
LINUX = ('linux', 'linux_fixed_queues')
GUESTS = (*LINUX, 'ix')
BY_IXCTL = 'ix_scale'               # under ixd, by `ixctl scale`: emulated alone, and for itself
SHOWN_AS = {'ix': 'ix', BY_IXCTL: 'ix, ixctl scale', 'linux_fixed_queues': 'linux, all queues', 'linux': 'linux, a queue a CPU'}
CONNECTIONS, RATE, MESSAGE_BYTES, CORES = 64, 500, 64, '1 to 2'
PLAN = {'tcg': {'boots': 2, 'cycles': 4, 'settle_s': 3, 'window_s': 4, 'rest_s': 1},
        'kvm': {'boots': 2, 'cycles': 3, 'settle_s': 5, 'window_s': 4, 'rest_s': 2}}
QUICK = {'boots': 1, 'cycles': 2}
NESTED_S, NESTED_CPU, BROKEN = 600, 1, 1
NICE = -15
AIM = 5
LIBVIRT = '/usr/lib/x86_64-linux-gnu/libvirt/connection-driver/libvirt_driver_qemu.so'
# metric, step, what it is called in the table, whether the aim is of it
SHOWN = (('first_service_ms', 'grow', 'call to the first answer of the new core', True),
         ('first_service_after_call_ms', 'grow', 'of that, after the call has returned', False),
         ('stall_ms_max', 'grow', 'longest stall of any connection, a core more', True),
         ('drain_ms', 'shrink', 'call until the core is given back', False),
         ('last_service_ms', 'shrink', 'call to the last answer of that core', False),
         ('stall_ms_max', 'shrink', 'longest stall of any connection, a core less', True),
         ('stall_ms_max', 'none', 'longest stall when nothing changes', False))


# What elastic_run.py calls it: metric, unit.
METRICS = {'first_service_ms': ('first_service_ms', 'ms'), 'after_ms': ('first_service_after_call_ms', 'ms'),
           'share': ('new_core_share', 'of the answers'), 'last_service_ms': ('last_service_ms', 'ms'), 'call_ms': ('call_ms', 'ms'),
           'told_ms': ('drain_ms', 'ms'), 'stall_ms': ('stall_ms_max', 'ms'), 'errors': ('errors', 'requests')}
RENAMED = {('told_ms', 'grow'): 'vcpu_taken_ms'}


class OwnWire:
    """The guests' wire is made where they are."""

    def __init__(self, backend):
        self.backend = backend

    def __call__(self, cpu):
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        """Nothing to undo."""


WIRES = {backend: OwnWire(backend) for backend in BACKENDS}


@contextlib.contextmanager
def first_in_line():
    """Guests, switch and client before the other programs of this host, whose turns would be stalls."""
    before = os.getpriority(os.PRIO_PROCESS, 0)
    os.setpriority(os.PRIO_PROCESS, 0, min(before, NICE))
    try:
        yield
    finally:
        os.setpriority(os.PRIO_PROCESS, 0, before)


def plan_of(bench, is_quick):
    """What driver/elastic_run.py is told."""
    accel = ACCEL[bench.wire.backend]
    is_kvm = accel == 'kvm'
    guests = [peer for peer in GUESTS if peer.removesuffix('_fixed_queues') in names(bench)]
    plan = {**PLAN[accel], **(QUICK if is_quick else {}), 'is_kvm': is_kvm, 'connections': CONNECTIONS, 'rate': RATE,
            'cpu': NESTED_CPU if is_kvm else bench.cpu, 'guests': guests}
    if bench.pace < 1:
        plan['cycles'] = max(2, round(plan['cycles'] * bench.pace))
    return plan


def names(bench):
    return [kind.peer for kind in bench.peers.of('elastic')]


def here(bench, plan):
    """The lines of elastic_run.py on this host."""
    words = [sys.executable, os.path.join(os.path.dirname(os.path.realpath(__file__)), 'elastic_run.py'), bench.build, json.dumps(plan)]
    done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
                          env={**os.environ, 'PYTHONDONTWRITEBYTECODE': '1'}, preexec_fn=lab.die_with_parent)
    return done.returncode, done.stdout


def files(bench):
    """What elastic_run.py needs in the machine with KVM, at the same places to each other as here."""
    packed = nested.Files()
    for program in ('sysctl', 'virsh'):
        packed.program(program)
    packed.program('libvirtd', '/usr/sbin/libvirtd')
    packed.links.update({'usr/sbin': 'bin', 'var/run': '../run'})
    packed.add(LIBVIRT, LIBVIRT)
    packed.libraries(LIBVIRT)
    packed.add('usr/share/libvirt/cpu_map', '/usr/share/libvirt/cpu_map')
    packed.text('etc/passwd', 'root:x:0:0:root:/:/bin/sh\nlibvirt-qemu:x:64055:104:::/bin/sh\n')
    packed.text('etc/group', 'root:x:0:\nkvm:x:104:\nlibvirt-qemu:x:64055:\n')
    packed.add('build/bench/answers', bench.part('answers'))
    packed.libraries(bench.part('answers'))
    packed.add('build/bench/which.ix', bench.part('which.ix'))
    for part in (('which.cpio',), ('kernel', 'vmlinuz')):
        packed.add(os.path.join('build/bench/linux', *part), bench.part('linux', *part))
    packed.add('bench/driver', os.path.dirname(os.path.realpath(__file__)))
    packed.add('test/lib', lab.TOP / 'test' / 'lib')
    return packed


def in_the_machine(bench, plan):
    """The same in a machine with KVM. What was measured before the machine broke down stays."""
    said = []
    try:
        return nested.run(bench.part('linux', 'kernel'), files(bench),
                          f"exec python3 /bench/driver/elastic_run.py /build '{json.dumps(plan)}'", NESTED_S, said.append)
    except Failed as e:
        return BROKEN, '\n'.join([*said, f'the machine with KVM: {str(e).splitlines()[0]}'])


def measure(bench, is_quick, out):
    plan = plan_of(bench, is_quick)
    if plan['is_kvm']:              # a machine each: it does not always live long
        calls = [[peer] for peer in plan['guests']]
    else:
        calls = [plan['guests'], [BY_IXCTL] if 'ix' in plan['guests'] else []]
    failures = []
    for guests in filter(None, calls):
        try:
            measure_some(bench, {**plan, 'guests': guests}, out)
        except Failure as e:
            failures.append(f'{", ".join(guests)}: {e}')
    if failures:
        raise Failure('\n'.join(failures))


def measure_some(bench, plan, out):
    """All boots of one call of elastic_run.py. What was measured stays if another boot fails."""
    with first_in_line():
        status, said = (in_the_machine if plan['is_kvm'] else here)(bench, plan)
    lines = [line.split(' ', 1) for line in said.splitlines() if line.startswith(('measured: ', 'failed: '))]
    boots = [json.loads(text) for _, text in lines]
    for boot in boots:
        if 'steps' in boot:
            add_boot(out, boot, plan)
    failures = [boot for boot in boots if boot.get('why')]
    if failures:
        raise Failure('\n'.join(f'{f["peer"]}: {f["why"]}' for f in failures))
    if status or len(lines) != plan['boots'] * len(plan['guests']):
        raise Failure(f'status {status}\n' + '\n'.join(said.splitlines()[-20:]))


def add_boot(out, boot, plan):
    """The rows of a boot."""
    where = {'connections': plan['connections'], 'requests_per_second': plan['rate'], 'message_bytes': MESSAGE_BYTES, 'app': 'which',
             'cores': CORES, 'accelerator': 'kvm' if plan['is_kvm'] else 'tcg'}
    peer = boot['peer']
    out.add(peer, 'errors', boot['errors'], 'requests', **where, step='all')
    out.add(peer, 'requests_counted', boot['answers'], 'requests', **where)
    for n, step in enumerate(boot['steps']):
        if step['step'] == 'grow' and step['first_service_ms'] is None:
            raise Failure(f'{peer}: the new core did not answer within {plan["window_s"]} s (step {n} of its boot)')
        if step['step'] == 'grow' and peer != BY_IXCTL:
            step = {**step, 'after_ms': step['first_service_ms'] - step['call_ms']}
        for key, (metric, unit) in METRICS.items():
            if step.get(key) is not None:
                out.add(peer, RENAMED.get((key, step['step']), metric), round(step[key], 3), unit, **where, step=step['step'])


def show(out):
    rows = []
    for metric, step, text, has_aim in SHOWN:
        medians = {peer: out.median(peer, metric, step=step) for peer in SHOWN_AS}
        worst = {peer: max(out.values(peer, metric, step=step), default=None) for peer in SHOWN_AS}
        ratios = [ratio(medians['ix'], medians[peer]) for peer in reversed(LINUX)]
        rows.append([text, *(f'{shown(medians[peer], 1)} / {shown(worst[peer], 1)}' for peer in SHOWN_AS), *ratios,
                     str(AIM) if has_aim else ''])
    print_table('a core more and a core less while 64 connections are served, ms: median / worst',
                ['', *SHOWN_AS.values(), 'all queues / ix', 'a queue a CPU / ix', 'aim'], rows)
    for peer, text in SHOWN_AS.items():
        resizes = len(out.values(peer, 'first_service_ms'))
        print(f'  {text}: {resizes} times; {sum(out.values(peer, "errors", step="all"))} errors in '
              f'{sum(out.values(peer, "requests_counted")):,} requests')
