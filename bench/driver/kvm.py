# SPDX-License-Identifier: MIT
"""Runs in the machine of test/lib/nested.py: the same guests and client as on the host, with KVM, whose tracepoints and statistics
stand where the counting plugin would be.

python3 kvm.py BUILD '{"guests": [{"name": ..., "peer": ..., "options": {...}}, ...], "cells": [[connections, warm_s, window_s], ...],
                       "cpu": ..., "settle_s": ..., "message_bytes": ...}'
A line "counted: {...}" for each guest and cell.
"""
import json
import os
import re
import signal
import socket
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), '..'))
from driver.guest import Bench, IxGuest, LinuxGuest  # noqa: E402  pylint: disable=wrong-import-position
from driver.wire import TapWire  # noqa: E402  pylint: disable=wrong-import-position

EVENTS = '/sys/kernel/debug/tracing/events/kvm'
STATISTICS = '/sys/kernel/debug/kvm'
# Of the tracepoints, by what their hits are told apart.
KEYS = {'kvm_exit': 'exit_reason', 'kvm_msr': 'ecx', 'kvm_mmio': 'type,gpa'}
HIT = re.compile(r'\{ (.*?) *\} hitcount: +(\d+)')
DROPPED = re.compile(r'Dropped: (\d+)')
# [AMD64 APM 2 appendix C]
MSR, NESTED_PAGE_FAULT = 0x7c, 0x400
REASONS = {0x60: 'host', 0x64: 'window', 0x72: 'cpuid', 0x78: 'halt', 0x7b: 'port', 0x81: 'cpuid'}
# What an MSR is to the plugin; the local APIC's others are `register`.
MSRS = {0x6e0: 'timer', 0x838: 'timer', 0x80b: 'interrupt', 0x830: 'ipi'}
READ_UNSATISFIED, READ, WRITE = range(3)    # of kvm_mmio; the first is followed by the second when QEMU has answered
NOTIFY = 0x3000                             # of QEMU's 16 KiB virtio BAR, its last page
CHIPSET = range(0xfe000000, 0x100000000)    # I/O APIC, HPET, local APIC: no BARs here
STATISTICS_SHOWN = ('exits', 'io_exits', 'mmio_exits', 'irq_exits', 'halt_exits', 'irq_window_exits', 'irq_injections')


def put(path, text):
    with open(path, 'w', encoding='ascii') as f:
        f.write(text)


def get(path):
    with open(path, encoding='ascii') as f:
        return f.read()


def hits(event):
    """{(value of each key, ...): hits} of a tracepoint."""
    text = get(f'{EVENTS}/{event}/hist')
    dropped = DROPPED.search(text)
    if dropped and int(dropped[1]):
        raise RuntimeError(f'the kernel did not keep all of {event}')
    found = {}
    for keys, count in HIT.findall(text):
        values = tuple(int(key.split(':')[1].strip(), 16) for key in keys.split(','))
        found[values] = found.get(values, 0) + int(count)
    return found


class Counters:
    """What KVM counts of one process, at the socket of loadgen's marks."""

    def __init__(self, path):
        for event, keys in KEYS.items():
            put(f'{EVENTS}/{event}/trigger', 'hist:keys=' + ','.join(f'{key}.hex' for key in keys.split(',')) + ':size=1024')
        self.before, self.process = None, None
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen()
        threading.Thread(target=self.serve, daemon=True).start()

    def read(self):
        """The machine stands still meanwhile: to read them takes as long as many requests."""
        os.kill(self.process, signal.SIGSTOP)
        try:
            while any(state != 'T' for state in self.states()):
                time.sleep(0.001)
            now = {(event, *keys): count for event in KEYS for keys, count in hits(event).items()}
            now.update({(name,): int(get(f'{STATISTICS}/{name}')) for name in STATISTICS_SHOWN})
        finally:
            os.kill(self.process, signal.SIGCONT)
        return now

    def states(self):
        """Of each thread of the machine."""
        for thread in os.listdir(f'/proc/{self.process}/task'):
            yield get(f'/proc/{self.process}/task/{thread}/stat').rsplit(')', 1)[1].split()[0]

    def serve(self):
        while True:
            with self.listener.accept()[0] as s:
                for line in s.makefile('r'):
                    if line == 'begin\n':
                        self.before = self.read()
                        s.sendall(b'ok\n')
                    else:
                        s.sendall(json.dumps(self.since()).encode() + b'\n')

    def since(self):
        """What was counted since the window began."""
        delta = {key: count - self.before.get(key, 0) for key, count in self.read().items()}
        return {'exits': kinds(delta), 'statistics': {name: delta[name,] for name in STATISTICS_SHOWN}}


def kinds(counted):
    """Exits by the kinds of the plugin, and those that only a KVM knows: `window`, for an interrupt that waits until it is let in;
    `host`, an interrupt of the host's; `memory`, nested page faults that are no device access; `other`."""
    out = {'all': 0}

    def add(kind, count):
        out[kind] = out.get(kind, 0) + count
    for key, count in counted.items():
        if key[0] == 'kvm_exit':
            add('all', count)
            if key[1] not in (MSR, NESTED_PAGE_FAULT):
                add(REASONS.get(key[1], 'other'), count)
        elif key[0] == 'kvm_msr':
            add(MSRS.get(key[1], 'register'), count)
        elif key[0] == 'kvm_mmio' and key[1] == READ:
            add('read', count)
        elif key[0] == 'kvm_mmio' and key[1] == WRITE:
            add('kick' if key[2] & NOTIFY == NOTIFY and key[2] not in CHIPSET else 'register', count)
    out['memory'] = 2 * out['all'] - sum(out.values())
    return out


class Kvm:
    """Before IxGuest or LinuxGuest: with KVM."""
    accel, processor = 'kvm', 'host'


class IxOnKvm(Kvm, IxGuest):
    """IX."""


class LinuxOnKvm(Kvm, LinuxGuest):
    """Linux."""


PEERS = {'ix': IxOnKvm, 'linux': LinuxOnKvm}


def main():
    build, plan = sys.argv[1], json.loads(sys.argv[2])
    os.makedirs('/run/netns', exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, TapWire(plan['cpu']) as wire:
        bench = Bench(build, wire, plan['cpu'], folder)
        marks = bench.file('marks')
        counters = Counters(marks)
        for spec in plan['guests']:
            with PEERS[spec['peer']](bench, **spec['options']) as guest:
                guest.marks, counters.process = marks, guest.process.pid
                guest.pin()
                time.sleep(plan['settle_s'])
                for connections, warm_s, window_s in plan['cells']:
                    got = guest.load(connections, plan['message_bytes'], warm_s, window_s)
                    print('counted:', json.dumps({'name': spec['name'], 'connections': connections, 'requests': got['requests'],
                                                  'seconds': got['seconds'], **got['counted']}), flush=True)


main()
