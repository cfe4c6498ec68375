#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Four cores of one partition make random calls at once, with each other's handles and on the same few ports, while flow groups change
cores, cores park and come again, and others send segments and datagrams to those ports. Ring 0 must live through it, and serve
afterwards. The kernel is the checked one and takes orders from the second UART.

Usage: contended.py [--long] [SEED]
"""
import contextlib
import pathlib
import random
import select
import shutil
import socket
import struct
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'lib'))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import lab  # noqa: E402  pylint: disable=wrong-import-position
import moves  # noqa: E402  pylint: disable=wrong-import-position
from guest import Guest  # noqa: E402  pylint: disable=wrong-import-position
from report import Report, check  # noqa: E402  pylint: disable=wrong-import-position

IMAGE = 'test/images/cores-checked.ix'
CORES = 4
PORTS = range(8, 23)  # those of test/guest/random_calls.c
HELD = 8
SECONDS = 120
RANDOM_SECONDS = 20
# Those that nobody knows any more, because they have moved from under the program, shall not use up the rest.
OVERRIDES = ('watchdog_ms=20000', 'connections=16384')
RESET = struct.pack('ii', 1, 0)  # SO_LINGER: a close is a reset


class Orders:
    """To the second UART; what is answered is of no interest while others are under way."""

    def __init__(self, path, rng):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.socket.setblocking(False)
        self.rng = rng
        self.given = self.answered = 0

    def give(self, line):
        """One, if the guest keeps up."""
        self.take()
        if self.given - self.answered < 24:
            self.socket.sendall(line.encode() + b'\n')
            self.given += 1

    def take(self):
        """Count answers."""
        with contextlib.suppress(BlockingIOError):
            self.answered += self.socket.recv(65536).count(b'\n')

    def random(self):
        """Any."""
        if self.rng.randrange(8):
            self.give(f'move {self.rng.randrange(CORES if self.rng.randrange(2) else 128)} {self.rng.randrange(CORES)}')
        else:
            self.give(f'cores {self.rng.randrange(1, CORES + 1)}')

    def all_run(self):
        """Until all cores run again and nothing moves."""
        deadline = time.monotonic() + SECONDS
        while self.answered < self.given:
            check(time.monotonic() < deadline, f'{self.given - self.answered} orders are not answered')
            select.select([self.socket], [], [], 0.1)
            self.take()
        self.socket.setblocking(True)
        self.socket.settimeout(SECONDS)
        self.socket.sendall(f'cores {CORES}\n'.encode())
        answer = b''
        while not answer.endswith(b'\n'):
            answer += self.socket.recv(4096)
        check(answer.startswith(f'cores {CORES} ok {CORES} '.encode()), f'all cores shall run, and the answer is {answer}')
        self.socket.setblocking(False)


class Storm:
    """Datagrams and connections to the ports that the cores fight for."""

    def __init__(self, rng):
        self.rng = rng
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.setblocking(False)
        self.open = []
        self.sent = 0

    def blow(self):
        """A few of each."""
        for _ in range(16):
            with contextlib.suppress(OSError):  # a port nobody listens on
                self.udp.sendto(bytes(self.rng.randrange(200)), (lab.GUEST, self.rng.choice(PORTS)))
                self.sent += 1
        s = socket.socket()
        s.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            s.connect((lab.GUEST, self.rng.choice(PORTS)))
        self.open.append(s)
        for s in self.open:
            with contextlib.suppress(OSError):
                s.send(b'x' * self.rng.randrange(1, 3000))
        while len(self.open) > 24:
            self.end(self.open.pop(self.rng.randrange(len(self.open))))

    def end(self, s):
        """One of them, with or without a word."""
        if self.rng.randrange(2):
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        s.close()

    def close(self):
        """All."""
        for s in self.open:
            self.end(s)
        self.udp.close()


def fight(guest, orders, storm, seed, times):
    """One run of the case, so many times as long as in test/guest/cores.c, then whether all is well."""
    held = []
    for _ in range(HELD):
        s = lab.connect()
        s.sendall(b'hold\n')
        check(lab.receive(s, 5).startswith(b'held'), 'a connection is not held')
        s.sendall(bytes(1000))
        held.append(s)
    mark, begun = guest.mark(), time.monotonic()
    s = lab.connect()
    seed |= times << 32
    s.sendall(f'run random_on_all {seed}\n'.encode())
    done = None
    while not done:
        check(time.monotonic() < begun + SECONDS and guest.is_running(), f'it does not come to an end:\n{guest.text()[-2000:]}')
        if time.monotonic() < begun + RANDOM_SECONDS:
            orders.random()
        else:
            orders.give(f'cores {CORES}')  # one that is parked for good would not come to its end
        storm.blow()
        done = guest.wait_line(rf'^random_on_all {seed}: (.*)', mark, timeout=0.005)
    check(done[1].startswith('PASS'), done[1])
    orders.all_run()
    for s in (*held, s):
        s.close()
    check(not guest.panicked(), guest.text()[-4000:])
    check(lab.Pinger().ping(), 'no answer to ping')
    with lab.connect() as s:
        s.sendall(b'hello\n')
        check(s.recv(100).startswith(b'hello 0'), f'the partition ended:\n{guest.text()[-2000:]}')


def test_fight(queues, seeds, times):
    """One machine."""
    lab.make_tap(queues)
    folder = tempfile.mkdtemp()
    rng = random.Random(seeds[0])
    path = f'{folder}/orders'
    try:
        with Guest(IMAGE, cpus=CORES, overrides=OVERRIDES,
                   qemu=('-serial', f'unix:{path},server=on,wait=off')) as guest:
            guest.wait_ready()
            check(guest.wait_line('^serving'), 'the program does not listen')
            orders, storm = Orders(path, rng), Storm(rng)
            for seed in seeds:
                fight(guest, orders, storm, seed, times)
            storm.close()
            panic = guest.panicked()
            check(not panic, f'{panic}:\n{guest.text()[-4000:]}')
    finally:
        shutil.rmtree(folder)
    return f'{len(seeds)} runs, {orders.answered} orders, {storm.sent} datagrams'


def main():
    report = Report()
    lab.enter(1)
    words = [w for w in sys.argv[1:] if w != '--long']
    count, times = (20, 10) if '--long' in sys.argv else (1, 2)
    first = int(words[0]) if words else 1
    for queues in (1, CORES):
        report.run(f'contended.queues_{queues}', test_fight, queues, range(first, first + count), times)
    report.close()


if __name__ == '__main__':
    main()
