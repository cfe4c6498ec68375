#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Four cores of one partition make random calls at once, with each other's handles and on the same few ports, while flow groups change
cores, cores park and come again, and others send segments and datagrams to those ports; or the program falls, on one core or two, and begins
anew. Ring 0 must live through it, and serve afterwards. The kernel is the checked one and takes orders from the second UART.

Usage: contended.py [--long] [SEED]
"""
import contextlib
import pathlib
import random
import shutil
import socket
import struct
import sys
import tempfile
import threading
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
OVERRIDES = ('connections=16384',)
ENDS = ('fault_there', 'fault_both', 'privileged_there', 'fault_there_loop_here')  # of test/guest/cores.c
RESET = struct.pack('ii', 1, 0)  # SO_LINGER: a close is a reset


class Orders:
    """To the second UART. Answers are read at once, whatever the test waits for: the guest waits until it has written them."""

    def __init__(self, path, rng):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.rng = rng
        self.given = 0
        self.answers = []
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        """Until the guest ends."""
        with contextlib.suppress(OSError):
            for line in self.socket.makefile('rb'):
                self.answers.append(line.decode())

    def give(self, line):
        """One, if the guest keeps up."""
        if self.given - len(self.answers) < 24:
            self.socket.sendall(line.encode() + b'\n')
            self.given += 1

    def random(self):
        """Any."""
        if self.rng.randrange(8):
            self.give(f'move {self.rng.randrange(CORES if self.rng.randrange(2) else 128)} {self.rng.randrange(CORES)}')
        else:
            self.give(f'cores {self.rng.randrange(1, CORES + 1)}')

    def settle(self):
        """Until all are answered."""
        deadline = time.monotonic() + SECONDS
        while len(self.answers) < self.given:
            check(time.monotonic() < deadline, f'{self.given - len(self.answers)} orders are not answered')
            time.sleep(0.05)

    def all_run(self):
        """Until all cores run again and nothing moves."""
        self.settle()
        self.give(f'cores {CORES}')
        self.settle()
        check(self.answers[-1].startswith(f'cores {CORES} ok {CORES} '), f'all cores shall run, and the answer is {self.answers[-1]}')


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


def end(guest, orders, storm, name):
    """One end of the partition, until its next life serves."""
    for _ in range(orders.rng.randrange(20)):
        orders.random()
        storm.blow()
        time.sleep(0.005)
    mark, begun, asked, again, asking = guest.mark(), time.monotonic(), 0, None, []
    while not again:
        check(time.monotonic() < begun + SECONDS and guest.is_running(), f'{name}: no next life:\n{guest.text()[-2000:]}')
        if time.monotonic() > asked + 3:  # what a connection that moves away says in that moment the program does not hear
            asked = time.monotonic()
            asking.append(lab.connect())
            asking[-1].sendall(f'run {name} 0\n'.encode())
        orders.random()
        storm.blow()
        again = guest.wait_line('^serving', mark, timeout=0.005)
    for s in asking:
        s.close()
    check(not guest.panicked(), guest.text()[-4000:])


@contextlib.contextmanager
def machine(queues, seed, watchdog_ms):
    """A guest, its orders, and others who send to it; ring 0 has lived when it is left."""
    lab.make_tap(queues)
    folder = tempfile.mkdtemp()
    rng = random.Random(seed)
    path = f'{folder}/orders'
    try:
        with Guest(IMAGE, cpus=CORES, overrides=(*OVERRIDES, f'watchdog_ms={watchdog_ms}'),
                   qemu=('-serial', f'unix:{path},server=on,wait=off')) as guest:
            guest.wait_ready()
            check(guest.wait_line('^serving'), 'the program does not listen')
            storm = Storm(rng)
            yield guest, Orders(path, rng), storm
            storm.close()
            panic = guest.panicked()
            check(not panic, f'{panic}:\n{guest.text()[-4000:]}')
    finally:
        shutil.rmtree(folder)


def test_fight(queues, seeds, times):
    """All cores make random calls."""
    with machine(queues, seeds[0], 20000) as (guest, orders, storm):
        for seed in seeds:
            fight(guest, orders, storm, seed, times)
    return f'{len(seeds)} runs, {len(orders.answers)} orders, {storm.sent} datagrams'


def test_ends(queues, seed, count):
    """The program falls again and again; where core 0 waits for a core that is parked the watchdog ends it."""
    with machine(queues, seed, 2000) as (guest, orders, storm):
        for i in range(count):
            end(guest, orders, storm, ENDS[(seed + i) % len(ENDS)])
        orders.all_run()
        check(lab.Pinger().ping(), 'no answer to ping')
        with lab.connect() as s:
            s.sendall(b'hello\n')
            check(int(s.recv(100).decode().split()[1]) >= count, f'not as many lives as ends:\n{guest.text()[-2000:]}')
    return f'{count} ends, {len(orders.answers)} orders, {storm.sent} datagrams'


def main():
    report = Report()
    lab.enter(1)
    words = [w for w in sys.argv[1:] if w != '--long']
    count, times = (20, 10) if '--long' in sys.argv else (1, 2)
    first = int(words[0]) if words else 1
    for queues in (1, CORES):
        report.run(f'contended.queues_{queues}', test_fight, queues, range(first, first + count), times)
        report.run(f'contended.ends.queues_{queues}', test_ends, queues, first, 4 * count)
    report.close()


if __name__ == '__main__':
    main()
