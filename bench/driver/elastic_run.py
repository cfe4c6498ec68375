# SPDX-License-Identifier: MIT
"""Runs in a place where libvirt's files are nobody else's: guests that libvirtd starts, a client that asks them at a steady rate,
and `virsh setvcpus` meanwhile. On this host it makes that place itself (test/lib/hostlab.py) and guests are emulated, on a switch; in
the machine of test/lib/nested.py they have KVM, on a tap.

python3 elastic_run.py BUILD '{"is_kvm": ..., "cpu": ..., "guests": [peer, ...], "boots": ..., "cycles": ..., "connections": ...,
                               "rate": ..., "settle_s": ..., "window_s": ..., "rest_s": ...}'
A line "measured: {...}" for each boot, "failed: {...}" for one that was not measured to its end.
"""
import json
import os
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), '..'))
from driver import answers, libvirt  # noqa: E402  pylint: disable=wrong-import-position
from driver.guest import Bench, Failure, IxGuest, LinuxGuest  # noqa: E402  pylint: disable=wrong-import-position
from driver.wire import GUEST, HOST, PREFIX, SwitchWire, TapWire  # noqa: E402  pylint: disable=wrong-import-position
import hostlab  # noqa: E402  of test/lib, where wire has shown the way  pylint: disable=wrong-import-position
import ovs  # noqa: E402  pylint: disable=wrong-import-position

# The number of queues that a Linux guest uses: of its vCPUs, or as many as the card has, always.
LINUX = {'linux': 'follow', 'linux_fixed_queues': 'fixed'}
FEW, MANY = 1, 2            # vCPUs
NEW = {1}                   # the cores that come and go: numbered as the vCPUs are
OST = {'slot-type': 'CPU', 'status': 0}     # of ACPI_DEVICE_OST: done
INSERTED, EJECTED = {**OST, 'source': 1}, {**OST, 'source': 3}
PATIENCE_S = 30                # how long a guest may take to give a vCPU back


class SharedSwitch(SwitchWire):
    """As on a host whose PMD thread sleeps when it finds nothing: it, the vCPUs and the client float over all host CPUs."""

    def settings(self):
        return dict(ovs.SETTINGS)


def boot_elements(bench, peer):
    """What is booted, as libvirt has it."""
    if peer in LINUX:
        words = (f'console=ttyS0 quiet panic=-1 net.ifnames=0 no_timer_check {LinuxGuest.how_started} bench.ip={GUEST} '
                 f'bench.agent={LINUX[peer]} bench.threads={MANY}')
        return (f"<kernel>{bench.part('linux', 'kernel', 'vmlinuz')}</kernel><initrd>{bench.part('linux', 'which.cpio')}</initrd>"
                f'<cmdline>{words}</cmdline>')
    words = f'net.address={GUEST}/{PREFIX} net.gateway={HOST} cores.min={FEW} cores.max={MANY}'
    return f"<kernel>{bench.part('which.ix')}</kernel><cmdline>{words}</cmdline>"


def files_of(bench, peer):
    """Seed and log of a guest."""
    files = {'seed': bench.file('seed'), 'log': bench.file(f'{peer}.log')}
    with open(files['seed'], 'wb') as f:
        f.write(os.urandom(32))
    open(files['log'], 'wb').close()
    return files


def tail(path):
    with open(path, encoding='utf-8', errors='replace') as f:
        return '\n'.join(f'  | {line}' for line in f.read().splitlines()[-12:])


class Boot:
    """One guest from its start to its end."""

    def __init__(self, bench, virt, peer, plan):
        self.bench, self.virt, self.peer, self.plan, self.steps = bench, virt, peer, plan, []
        self.files = files_of(bench, peer)

    def measure(self):
        """What is printed of it."""
        self.virt.start(libvirt.domain(self.bench.wire, boot_elements(self.bench, self.peer), self.files, FEW, MANY,
                                       self.plan['is_kvm']))
        try:
            with answers.Client(self.bench, self.plan['connections'], self.plan['rate']) as client:
                time.sleep(self.plan['settle_s'])
                for _ in range(self.plan['cycles']):
                    self.cycle()
                end, record = client.finish()
        except Failure as e:
            raise Failure(f'{e}\n{tail(self.files["log"])}') from e
        finally:
            self.virt.stop()
        return {'peer': self.peer, 'errors': answers.errors(record), 'first_error': end['first_error'], 'answers': end['answers'],
                'steps': [judged(step, record) for step in self.steps]}

    def cycle(self):
        """A while without a change, a core more, a core less."""
        begin = time.time_ns()
        time.sleep(self.plan['window_s'])
        self.steps.append({'step': 'none', 'begin': begin, 'end': time.time_ns()})
        self.step('grow', MANY, INSERTED)
        self.step('shrink', FEW, EJECTED)

    def step(self, name, cores, done):
        """One call, and what follows within window_s."""
        begin, returned, is_late = self.virt.set_vcpus(cores)
        end = begin + int(self.plan['window_s'] * 1e9)
        time.sleep(max(0, end - time.time_ns()) / 1e9)
        at, deadline = None, begin + PATIENCE_S * 10**9
        while (at := self.virt.told('ACPI_DEVICE_OST', begin, **done)) is None and name == 'shrink':
            if time.time_ns() > deadline:
                raise Failure(f'the guest did not say within {PATIENCE_S} s that it has given back the vCPU')
            time.sleep(0.05)
        self.steps.append({'step': name, 'begin': begin, 'end': max(end, at or 0), 'returned': returned, 'told': at, 'is_late': is_late})
        if is_late:
            self.virt.set_vcpus(cores)
        time.sleep(self.plan['rest_s'])


def judged(step, record):
    """The figures of a step; None where there is none."""
    begin, end = step['begin'], step['end']
    out = {'step': step['step'], 'stall_ms': answers.stall_ns(record, begin, end) / 1e6, 'errors': answers.errors(record, begin, end)}
    if step['step'] != 'none':
        out |= {'told_ms': since(step['told'], begin), 'call_ms': since(step['returned'], begin), 'is_late': step['is_late']}
    if step['step'] == 'grow':
        out |= {'first_service_ms': since(answers.first_by(record, NEW, begin, end), begin),
                'share': answers.share_of(record, NEW, end - 10**9, end)}
    if step['step'] == 'shrink':
        out |= {'last_service_ms': since(answers.last_by(record, NEW, begin, end), begin)}
    return out


def since(at, begin):
    """Milliseconds, None if it was not."""
    return None if at is None else (at - begin) / 1e6


def main():
    build, plan = sys.argv[1], json.loads(sys.argv[2])
    if plan['is_kvm']:
        os.makedirs('/run/netns', exist_ok=True)
    else:
        hostlab.enter()
    with tempfile.TemporaryDirectory(prefix='ix-elastic.') as folder, (TapWire if plan['is_kvm'] else SharedSwitch)(plan['cpu']) as wire:
        bench = Bench(build, wire, plan['cpu'], folder)
        with libvirt.Libvirt(bench) as virt:
            for _ in range(plan['boots']):
                for peer in plan['guests']:
                    wire.ready(MANY)
                    try:
                        print('measured:', json.dumps(Boot(bench, virt, peer, plan).measure()), flush=True)
                    except Failure as e:
                        print('failed:', json.dumps({'peer': peer, 'why': str(e)}), flush=True)


main()
