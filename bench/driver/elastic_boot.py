# SPDX-License-Identifier: MIT
"""One guest of work `elastic` from its start to its end: served by a client at a steady rate while it gets a core more and gives it
back, several times; and what the client's record says of each of these steps."""
import os
import time

from driver import answers, libvirt
from driver.guest import Failure, LinuxGuest
from driver.wire import GUEST, HOST, PREFIX

# The number of queues that a Linux guest uses: of its vCPUs, or as many as the card has, always.
LINUX = {'linux': 'follow', 'linux_fixed_queues': 'fixed'}
FEW, MANY = 1, 2            # vCPUs
NEW = {1}                   # the cores that come and go: numbered as the vCPUs are
OST = {'slot-type': 'CPU', 'status': 0}     # of ACPI_DEVICE_OST: done
INSERTED, EJECTED = {**OST, 'source': 1}, {**OST, 'source': 3}
PATIENCE_S = 30             # how long a guest may take to give a vCPU back


class Boot:
    """What there is of it whoever starts and resizes it; `with` starts and ends it."""
    address, log = GUEST, None

    def __init__(self, bench, peer, plan):
        self.bench, self.peer, self.plan, self.steps = bench, peer, plan, []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        raise NotImplementedError

    def resize(self, name, cores):
        """One call; begin, returned and told of it (CLOCK_REALTIME, ns; told: when the guest had done it, None: not known)."""
        raise NotImplementedError

    def measure(self):
        """What is printed of it: of a boot that fails the steps before that, and why."""
        why = ''
        with answers.Client(self.bench, self.plan['connections'], self.plan['rate'], self.address) as client:
            time.sleep(self.plan['settle_s'])
            try:
                for _ in range(self.plan['cycles']):
                    self.cycle()
            except Failure as e:
                why = f'{e}\n{tail(self.log)}\n{self.last_words()}'
            end, record = client.finish()
        if why:                     # it may have been lost in a step already
            last = max((a.done for a in record), default=0)
            self.steps = [step for step in self.steps if step['end'] <= last]
            until = self.steps[-1]['end'] if self.steps else 0
            record = [a for a in record if a.due < until]
        return {'peer': self.peer, 'errors': answers.errors(record), 'first_error': end['first_error'],
                'answers': sum(a.core != answers.NO_CORE for a in record), 'steps': [judged(step, record) for step in self.steps],
                'why': why}

    def last_words(self):
        """What more there is to be said of a guest that failed."""
        return ''

    def cycle(self):
        """A while without a change, a core more, a core less."""
        begin = time.time_ns()
        time.sleep(self.plan['window_s'])
        self.steps.append({'step': 'none', 'begin': begin, 'end': time.time_ns()})
        for name, cores in ('grow', MANY), ('shrink', FEW):
            step = self.resize(name, cores)
            end = step['begin'] + int(self.plan['window_s'] * 1e9)
            time.sleep(max(0, end - time.time_ns()) / 1e9)
            step['told'] = self.told(step)
            self.steps.append({**step, 'step': name, 'end': max(end, step['told'] or 0)})
            self.settle(step, cores)
            time.sleep(self.plan['rest_s'])

    def told(self, step):
        """When the guest had done it; None if that is not known, of a core more."""
        return step['told']

    def settle(self, step, cores):
        """What has to be done before the next step."""


class VirshBoot(Boot):
    """By `virsh setvcpus`, IX and Linux alike."""

    def __init__(self, bench, peer, plan, virt):
        super().__init__(bench, peer, plan)
        self.virt, self.log, seed = virt, bench.file(f'{peer}.log'), bench.file('seed')
        with open(seed, 'wb') as f:
            f.write(os.urandom(32))
        open(self.log, 'wb').close()
        self.files = {'seed': seed, 'log': self.log}

    def __enter__(self):
        self.virt.start(libvirt.domain(self.bench.wire, self.boot_elements(), self.files, FEW, MANY, self.plan['is_kvm']))
        return self

    def __exit__(self, *_):
        self.virt.stop()

    def last_words(self):
        return self.virt.last_words()

    def boot_elements(self):
        """What is booted, as libvirt has it."""
        if self.peer in LINUX:
            words = (f'console=ttyS0 quiet panic=-1 net.ifnames=0 no_timer_check {LinuxGuest.how_started} bench.ip={GUEST} '
                     f'bench.agent={LINUX[self.peer]} bench.threads={MANY}')
            return (f"<kernel>{self.bench.part('linux', 'kernel', 'vmlinuz')}</kernel>"
                    f"<initrd>{self.bench.part('linux', 'which.cpio')}</initrd><cmdline>{words}</cmdline>")
        words = f'net.address={GUEST}/{PREFIX} net.gateway={HOST} cores.min={FEW} cores.max={MANY}'
        return f"<kernel>{self.bench.part('which.ix')}</kernel><cmdline>{words}</cmdline>"

    def resize(self, name, cores):
        begin, returned, is_late = self.virt.set_vcpus(cores)
        return {'name': name, 'begin': begin, 'returned': returned, 'is_late': is_late, 'told': None}

    def told(self, step):
        done, deadline = INSERTED if step['name'] == 'grow' else EJECTED, step['begin'] + PATIENCE_S * 10**9
        while (at := self.virt.told('ACPI_DEVICE_OST', step['begin'], **done)) is None and step['name'] == 'shrink':
            if time.time_ns() > deadline:
                raise Failure(f'the guest did not say within {PATIENCE_S} s that it has given back the vCPU')
            time.sleep(0.05)
        return at

    def settle(self, step, cores):
        if step['is_late']:
            self.virt.set_vcpus(cores)


def tail(path):
    """The last lines of a guest's console."""
    if not path or not os.path.exists(path):
        return ''
    with open(path, encoding='utf-8', errors='replace') as f:
        return '\n'.join(f'  | {line}' for line in f.read().splitlines()[-12:])


def judged(step, record):
    """The figures of a step; None where there is none."""
    begin, end = step['begin'], step['end']
    out = {'step': step['step'], 'stall_ms': answers.stall_ns(record, begin, end) / 1e6, 'errors': answers.errors(record, begin, end)}
    if step['step'] != 'none':
        out |= {'told_ms': since(step['told'], begin), 'call_ms': since(step['returned'], begin)}
    if step['step'] == 'grow':
        out |= {'first_service_ms': since(answers.first_by(record, NEW, begin, end), begin),
                'share': answers.share_of(record, NEW, end - 10**9, end)}
    if step['step'] == 'shrink':
        out |= {'last_service_ms': since(answers.last_by(record, NEW, begin, end), begin)}
    return out


def since(at, begin):
    """Milliseconds, None if it was not."""
    return None if at is None else (at - begin) / 1e6
