#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Cores are parked, come again, are plugged and unplugged while 64 connections carry known bytes both ways, others sit there with a
timer, and more come and go: not one byte or connection may be missing. The kernel is the checked one and takes orders from the
second UART; vCPUs come and go by QEMU's monitor.

Usage: parking.py [--long]
"""
import json
import pathlib
import random
import select
import shutil
import socket
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'lib'))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import lab  # noqa: E402  pylint: disable=wrong-import-position
import moves  # noqa: E402  pylint: disable=wrong-import-position
from guest import Guest  # noqa: E402  pylint: disable=wrong-import-position
from report import Report, check  # noqa: E402  pylint: disable=wrong-import-position

CORES = 4
SECONDS = 60
INVALID, IN_USE = -2, -8  # kernel/base/err.h


class Monitor:
    """QMP: one command at a time."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.lines = self.socket.makefile('rb')
        self.events = []
        json.loads(self.lines.readline())
        self.ask('qmp_capabilities')
        cpus = [c for c in self.ask('query-hotpluggable-cpus') if c['props']['core-id'] < CORES]
        self.cpus = {c['props']['core-id']: c for c in cpus}

    def ask(self, command, **arguments):
        """Its answer; events that came before are kept."""
        self.socket.sendall(json.dumps({'execute': command, 'arguments': arguments}).encode() + b'\n')
        while True:
            line = json.loads(self.lines.readline())
            if 'event' in line:
                self.events.append(line)
                continue
            check('return' in line, f'{command}: {line}')
            return line['return']

    def plug(self, core):
        """A vCPU more."""
        self.ask('device_add', driver=self.cpus[core]['type'], id=f'core{core}', **self.cpus[core]['props'])

    def unplug(self, core):
        """Asks for it back."""
        self.ask('device_del', id=f'core{core}')

    def count(self):
        """vCPUs that there are."""
        return len(self.ask('query-cpus-fast'))


class Machine:
    """A guest under load, its orders and its monitor."""

    def __init__(self, cpus, queues, overrides=(), qemu=(), net=f'tap={lab.TAP}', image=moves.IMAGE):
        self.folder = tempfile.mkdtemp()
        if net == f'tap={lab.TAP}':
            lab.make_tap(queues)
        words = ['-smp', f'{cpus},maxcpus=64', '-serial', f'unix:{self.folder}/orders,server=on,wait=off',
                 '-qmp', f'unix:{self.folder}/qmp,server=on,wait=off', *qemu]
        self.guest = Guest(image, cpus=queues, qemu=words, overrides=overrides, net=net)

    def __enter__(self):
        self.guest.__enter__()
        self.guest.wait_ready()
        self.orders = moves.Orders(f'{self.folder}/orders')
        self.monitor = Monitor(f'{self.folder}/qmp')
        return self

    def __exit__(self, *words):
        self.guest.__exit__(*words)
        shutil.rmtree(self.folder)

    def load(self, seed):
        """Begins it."""
        self.rng = random.Random(seed)
        self.traffic = moves.Traffic(self.orders, self.rng)
        self.traffic.poll.unregister(self.orders)

    def run(self, seconds):
        """Only load."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.traffic.turn()
        moves.short_one(self.rng)

    def running(self):
        """Cores that turn."""
        return [int(word) for word in self.orders.ask('running').split()[1:]]

    def owners(self):
        """Cores that own flow groups."""
        return sorted({int(word) for word in self.orders.ask('owners').split()[1:]})

    def order(self, *counts):
        """Orders, one behind the other without waiting; the answer to the last, those before are superseded or done."""
        for count in counts:
            self.orders.socket.sendall(f'cores {count}\n'.encode())
        answers = b''
        deadline = time.monotonic() + SECONDS
        while answers.count(b'\n') < len(counts):
            check(time.monotonic() < deadline, f'no answer to cores {counts}: {answers}; {self.guest.text()[-1000:]}')
            self.traffic.turn()
            if select.select([self.orders.socket], [], [], 0)[0]:
                answers += self.orders.socket.recv(4096)
        return answers.decode().splitlines()[-1].split()

    def set(self, *counts):
        """As order(); so many run then, and own everything."""
        count = counts[-1]
        words = self.order(*counts)
        check(words[:4] == ['cores', str(count), 'ok', str(count)], f'cores {counts} was answered {words}')
        check(self.running() == list(range(count)), f'{self.running()} run instead of {count}')
        check(self.owners() == list(range(count)), f'groups are owned by {self.owners()} instead of {count}')
        return int(words[4])

    def wait(self, running, cpus):
        """Until exactly these run, own groups, and so many vCPUs are there."""
        deadline = time.monotonic() + SECONDS
        while self.running() != running or self.owners() != running or self.monitor.count() != cpus:
            check(time.monotonic() < deadline, f'{self.running()} run, {self.owners()} own, {self.monitor.count()} vCPUs, not '
                  f'{running}, {cpus}; {self.guest.text()[-1000:]}')
            self.traffic.turn()

    def finish(self):
        """All bytes were there, all connections lived."""
        self.traffic.finish()
        for one in self.traffic.idle:
            one.socket.close()
        counters = moves.settled_counters()
        check(not self.guest.panicked() and self.guest.is_running(), self.guest.text()[-2000:])
        check(counters['misplaced'] == 0, f'{counters["misplaced"]} events on another core than told')
        check(counters['left'] == counters['came'] > 0, f'{counters["left"]} left, {counters["came"]} came')
        mib = sum(s.sent + s.got for s in self.traffic.streams) / 2**20
        return counters, f'{counters["came"]} connections moved; {mib:.0f} MiB verified both ways'


def test_parking(queues, rounds):
    """By order: one after the other, and while the one before is under way."""
    with Machine(CORES, queues) as m:
        m.load(queues)
        for _ in range(rounds):
            for counts in ((1,), (4,), (2,), (3,), (1, 4), (2, 1), (1, 3), (4, 1, 4)):
                m.set(*counts)
                m.run(0.2)
        m.set(1)
        before = moves.ask_guest()
        m.run(1)
        asleep = moves.ask_guest()
        check(all(asleep[f'beats{core}'] == before[f'beats{core}'] for core in range(1, CORES)), f'timers of parked cores: {asleep}')
        check(asleep['beats0'] > before['beats0'], 'no timer on core 0')
        m.set(CORES)
        m.run(1)
        after = moves.ask_guest()
        check(all(after[f'beats{core}'] > asleep[f'beats{core}'] for core in range(CORES)), f'timers do not go on: {after}')
        check(after['leaving'] == after['back'] > 0, f'told {after["leaving"]} times that a core leaves, {after["back"]} that it is back')
        check(all(m.orders.ask(f'cores {n}') == f'cores {n} failed {INVALID}' for n in (0, 5)), 'nonsense is obeyed')
        return m.finish()[1]


def hold(m):
    """The application takes a core other than 0 for longer than ring 0 waits. Return: which, and the connection."""
    for _ in range(200):
        s = lab.connect()
        s.sendall(b'\0\0H\0')
        core = lab.receive(s, 1)[0]
        if core:
            s.sendall(b'x')
            return core, s
        s.close()
    raise AssertionError(f'no connection is on another core than 0: {m.owners()}')


def test_busy():
    """A core that the application does not let go stays, is told of, and goes the next time."""
    with Machine(CORES, 1) as m:
        m.load(5)
        core, s = hold(m)
        words = m.order(1)
        check(words == ['cores', '1', 'failed', str(IN_USE)], f'core {core} is held, and cores 1 was answered {words}')
        check(m.guest.wait_line(f'core {core} stays', timeout=1), m.guest.text()[-1000:])
        m.wait([0, core], CORES)
        m.run(0.3)
        s.close()
        m.set(1)
        m.set(CORES)
        return f'core {core} was held; {m.finish()[1]}'


def test_plug(queues, rounds):
    """vCPUs come, several at once, and go, any of them, and come again into what they left."""
    with Machine(1, queues) as m:
        m.load(7)
        for _ in range(rounds):
            m.monitor.plug(1)
            m.wait([0, 1], 2)
            m.run(0.2)
            m.monitor.plug(3)
            m.monitor.plug(2)
            m.wait([0, 1, 2, 3], 4)
            m.run(0.2)
            m.monitor.unplug(1)
            m.wait([0, 2, 3], 3)
            m.run(0.2)
            m.set(1)  # parked ones are given back at once, and one that runs
            m.monitor.unplug(2)
            m.wait([0], 2)
            m.monitor.plug(1)  # it lifts what is wanted: 3 runs, too
            m.wait([0, 1, 3], 3)
            m.monitor.plug(2)
            m.monitor.unplug(2)
            m.monitor.unplug(3)
            m.monitor.unplug(1)
            m.wait([0], 1)
            m.run(0.2)
        check(m.monitor.ask('query-status')['running'], 'QEMU does not run')
        return m.finish()[1]


def test_restart():
    """The application faults while cores are parked: its next life begins on those that run, and on the others when they come."""
    with Machine(CORES, 1, overrides=('restart.on_fault=true',)) as m:
        m.load(9)
        m.set(2)
        for one in (*m.traffic.streams, *m.traffic.idle):
            one.socket.close()
        mark = m.guest.mark()
        with lab.connect() as s:
            s.sendall(b'\0\0X\0')
            check(m.guest.wait_line('^ready', start=mark), m.guest.text()[-1000:])
        m.load(10)
        m.run(0.3)
        m.set(CORES)
        m.run(0.5)
        counters = moves.ask_guest()
        check(all(counters[f'beats{core}'] for core in range(CORES)), f'the new life does not run on all cores: {counters}')
        m.set(1, 4)
        return m.finish()[1]


def main():
    report = Report()
    lab.enter(1)
    rounds = 20 if sys.argv[1:] == ['--long'] else 1
    for queues in (1, 2, CORES) if rounds > 1 else (1, CORES):
        report.run(f'parking.orders.queues_{queues}', test_parking, queues, rounds)
    report.run('parking.busy', test_busy)
    for queues in (2, CORES):  # of two, one comes and goes with its core, and with it the way of others' frames
        report.run(f'parking.plug.queues_{queues}', test_plug, queues, min(rounds, 8))
    report.run('parking.restart', test_restart)
    report.close()


if __name__ == '__main__':
    main()
