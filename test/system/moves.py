#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Flow groups hop between four cores, several at once, while 64 connections carry known bytes both ways, others sit there
with nothing but a timer armed, and more come and go. Not one byte, event, timer or connection may be missing, doubled or
out of order. The kernel is the checked one: it asserts the owner of each connection at every entry, and takes orders from
the second UART.

Usage: moves.py [--long]
"""
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
import lab  # noqa: E402  pylint: disable=wrong-import-position
from guest import Guest  # noqa: E402  pylint: disable=wrong-import-position
from report import Report, check  # noqa: E402  pylint: disable=wrong-import-position

IMAGE = 'test/images/move.ix'
CORES = 4
STREAMS = 64
IDLE = 16
AT_ONCE = 12
PERIOD = 65536
OURS = 1000  # the guest's stream begins so much further on
PATTERN = bytes((i * 7 + (i >> 8)) & 255 for i in range(PERIOD)) * 3
TRAILER = struct.Struct('<QQ')
PIECE = 16384


class Orders:
    """The second UART: orders out, answers in."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.socket.setblocking(False)
        self.buffered = b''
        self.waiting = 0
        self.done = self.hops = self.connections = self.forced = 0
        self.groups = len(self.ask('owners').split()) - 1

    def fileno(self):
        """For select()."""
        return self.socket.fileno()

    def ask(self, line):
        """One command and its answer, with nothing under way."""
        self.socket.sendall(line.encode() + b'\n')
        deadline = time.monotonic() + 10
        while b'\n' not in self.buffered:
            check(select.select([self.socket], [], [], max(0, deadline - time.monotonic()))[0], f'no answer to "{line}"')
            self.buffered += self.socket.recv(4096)
        answer, _, self.buffered = self.buffered.partition(b'\n')
        return answer.decode()

    def move(self, group, core):
        """An order; its answer comes to take()."""
        self.socket.sendall(f'move {group} {core}\n'.encode())
        self.waiting += 1

    def take(self):
        """Answers that have come."""
        self.buffered += self.socket.recv(65536)
        while b'\n' in self.buffered:
            line, _, self.buffered = self.buffered.partition(b'\n')
            words = line.decode().split()
            check(len(words) == 6 and words[0] == 'move' and words[3] == 'ok', f'an order was answered "{line.decode()}"')
            self.waiting -= 1
            self.done += 1
            self.connections += int(words[4])
            self.hops += int(words[4]) > 0
            self.forced += int(words[5])


class Stream:
    """A connection that carries the pattern both ways."""

    def __init__(self, rng):
        self.seed = rng.randrange(PERIOD)
        self.socket = lab.connect()
        self.socket.sendall(struct.pack('<HBB', self.seed, ord('S'), 0))
        self.socket.setblocking(False)
        self.sent = self.got = 0
        self.tail = b''
        self.is_finished = self.is_ended = False

    def fileno(self):
        """For poll()."""
        return self.socket.fileno()

    def write(self):
        """As much as it takes now, or the end."""
        at = (self.seed + self.sent) % PERIOD
        try:
            self.sent += self.socket.send(PATTERN[at:at + PIECE])
        except BlockingIOError:
            pass

    def finish(self):
        """Nothing more from us."""
        self.is_finished = True
        self.socket.shutdown(socket.SHUT_WR)

    def read(self):
        """What is there, compared; the last bytes may be the trailer."""
        try:
            data = self.tail + self.socket.recv(65536)
        except BlockingIOError:
            return
        if len(data) == len(self.tail):
            self.is_ended = True
            received, errors = TRAILER.unpack(data)
            check(received == self.sent and not errors,
                  f'the guest got {received} bytes of {self.sent}, {errors} of them others')
            return
        self.tail = data[-TRAILER.size:]
        data = data[:-TRAILER.size]
        at = (self.seed + OURS + self.got) % PERIOD
        check(data == PATTERN[at:at + len(data)], f'other bytes after {self.got} from the guest')
        self.got += len(data)


class Idle:
    """A connection on which only a timer of the guest's says something: a byte that counts up, ten times a second."""

    def __init__(self):
        self.socket = lab.connect()
        self.socket.sendall(struct.pack('<HBB', 0, ord('T'), 0))
        self.socket.setblocking(False)
        self.since = time.monotonic()
        self.count = 0

    def fileno(self):
        """For poll()."""
        return self.socket.fileno()

    def read(self):
        """The next numbers."""
        for tick in self.socket.recv(4096):
            check(tick == self.count % 256, f'tick {tick} instead of {self.count % 256}')
            self.count += 1

    def check_rate(self):
        """The guest makes up for what is late, so only those that are due may be missing."""
        due = (time.monotonic() - self.since) * 10
        check(due - 60 <= self.count <= due + 1, f'{self.count} ticks in {due / 10:.1f} s')


def ask_guest():
    """The service's own counters."""
    with lab.connect() as s:
        s.sendall(struct.pack('<HBB', 0, ord('?'), 0))
        words = lab.receive(s, 1000).decode().split()
    return dict(zip(words[::2], map(int, words[1::2])))


def settled_counters():
    """The same when nothing is between two cores; a connection may follow its segments at any time."""
    for _ in range(50):
        counters = ask_guest()
        if counters['left'] == counters['came']:
            break
        time.sleep(0.1)
    return counters


def short_one(rng):
    """A connection that comes and goes."""
    seed, bytes_ = rng.randrange(PERIOD), rng.randrange(1, 30000)
    with lab.connect() as s:
        s.sendall(struct.pack('<HBB', seed, ord('S'), 0) + PATTERN[seed:seed + bytes_])
        s.shutdown(socket.SHUT_WR)
        data = b''.join(iter(lambda: s.recv(65536), b''))
    received, errors = TRAILER.unpack(data[-TRAILER.size:])
    check(received == bytes_ and not errors, f'a short connection: {received} bytes of {bytes_}, {errors} errors')
    at = (seed + OURS) % PERIOD
    ours = data[:-TRAILER.size]
    check(len(ours) % PIECE == 0 and all(ours[i] == PATTERN[(at + i) % PERIOD] for i in range(0, len(ours), 97)),
          'a short connection: other bytes')


class Traffic:
    """All connections and the orders, in one loop."""

    def __init__(self, orders, rng):
        self.orders = orders
        self.rng = rng
        self.streams = [Stream(rng) for _ in range(STREAMS)]
        self.idle = [Idle() for _ in range(IDLE)]
        self.poll = select.poll()
        self.of = {}
        for s in self.streams:
            self.watch(s, select.POLLIN | select.POLLOUT)
        for one in (*self.idle, orders):
            self.watch(one, select.POLLIN)

    def watch(self, one, events):
        """For turn()."""
        self.poll.register(one, events)
        self.of[one.fileno()] = one

    def turn(self):
        """Whatever can be read or written now."""
        for fd, events in self.poll.poll(100):
            one = self.of[fd]
            if isinstance(one, Orders):
                one.take()
                continue
            if events & (select.POLLIN | select.POLLHUP | select.POLLERR):
                one.read()
            if isinstance(one, Stream) and events & select.POLLOUT and not one.is_finished:
                one.write()
            if isinstance(one, Stream) and one.is_ended:
                self.poll.unregister(one)

    def give_orders(self):
        """Several at once, to any core, so that they also meet in opposite directions."""
        while self.orders.waiting < AT_ONCE:
            self.orders.move(self.rng.randrange(self.orders.groups), self.rng.randrange(CORES))

    def finish(self):
        """All streams come to their ends."""
        for s in self.streams:
            s.finish()
            self.poll.modify(s, select.POLLIN)
        # One that is given hundreds of MB a second from the guest may be long in getting rid of what it has itself.
        deadline = time.monotonic() + 180
        while not all(s.is_ended for s in self.streams) or self.orders.waiting:
            check(time.monotonic() < deadline, f'{sum(not s.is_ended for s in self.streams)} streams do not end')
            self.turn()


def hop(orders, rng, hops, seconds):
    """Until groups with connections in them have moved @hops times."""
    traffic = Traffic(orders, rng)
    deadline = time.monotonic() + seconds
    turns = 0
    while orders.hops < hops:
        check(time.monotonic() < deadline, f'{orders.hops} of {hops} hops after {seconds} s, {orders.waiting} under way')
        traffic.give_orders()
        traffic.turn()
        turns += 1
        if turns % 50 == 0:
            short_one(rng)
    traffic.finish()
    before = [one.count for one in traffic.idle]
    since = time.monotonic()
    while time.monotonic() < since + 1.5:
        traffic.turn()
    for one, count in zip(traffic.idle, before):
        check(one.count >= count + 5, f'{one.count - count} ticks in the last 1.5 s')
        one.check_rate()
        one.socket.close()
    return traffic


def test_hops(queues, hops, seconds, seed):
    """One machine."""
    rng = random.Random(seed)
    lab.make_tap(queues)
    folder = tempfile.mkdtemp()
    path = f'{folder}/orders'
    try:
        with Guest(IMAGE, cpus=CORES, qemu=('-serial', f'unix:{path},server=on,wait=off')) as guest:
            guest.wait_ready()
            orders = Orders(path)
            traffic = hop(orders, rng, hops, seconds)
            counters = settled_counters()
            check(not guest.panicked(), guest.text()[-2000:])
            check(guest.is_running(), guest.text()[-2000:])
    finally:
        shutil.rmtree(folder)
    check(counters['misplaced'] == 0, f'{counters["misplaced"]} events on another core than told')
    check(counters['left'] == counters['came'] > 0, f'{counters["left"]} left, {counters["came"]} came')
    check(counters['opened'] - counters['closed'] <= IDLE + 1, f'{counters["opened"]} opened, {counters["closed"]} closed')
    mib = sum(s.sent + s.got for s in traffic.streams) / 2**20
    return (f'{orders.done} moves, {orders.hops} of them with connections, {counters["came"]} connections moved, '
            f'{orders.forced} without ring 3\'s leave; {mib:.0f} MiB verified both ways')


def ping_rude(orders, rng, hops):
    """Connections without manners: each byte comes back, once, whatever they do when they are told to move."""
    held = [(lab.connect(), manner) for manner in b'ndfl' for _ in range(6)]
    for s, manner in held:
        s.sendall(bytes((manner,)))
    for s, manner in held:
        check(s.recv(10) == bytes((manner,)), 'no echo')
    deadline = time.monotonic() + 60
    count = 0
    while orders.hops < hops or orders.waiting:
        check(time.monotonic() < deadline, f'{orders.hops} of {hops} hops, {orders.waiting} under way')
        while orders.waiting < AT_ONCE and orders.hops < hops:
            orders.move(rng.randrange(orders.groups), rng.randrange(CORES))
        if select.select([orders], [], [], 0)[0]:
            orders.take()
        byte = bytes((count % 256,))
        for s, _ in held:
            s.sendall(byte)
        for s, manner in held:
            got = s.recv(10)
            check(got == byte, f'{got} came back on a connection of manner {chr(manner)} instead of {byte}')
        count += 1
    for s, _ in held:
        s.close()
    return count * len(held)


def test_rude(seed):
    """Ring 3 that never releases, releases twice, releases others', and goes on calling."""
    rng = random.Random(seed)
    lab.make_tap(1)
    folder = tempfile.mkdtemp()
    path = f'{folder}/orders'
    try:
        with Guest('test/images/move_rude.ix', cpus=CORES, qemu=('-serial', f'unix:{path},server=on,wait=off')) as guest:
            guest.wait_ready()
            orders = Orders(path)
            pings = ping_rude(orders, rng, 40)
            with lab.connect() as s:
                s.sendall(b'?')
                verdict = lab.receive(s, 100).decode().strip()
            check(not guest.panicked(), guest.text()[-2000:])
    finally:
        shutil.rmtree(folder)
    check(verdict.startswith('wrong 0 '), verdict)
    check(orders.forced > 0, 'every connection was released')
    return f'{orders.hops} hops, {orders.forced} connections taken without their leave, {pings} echoes'


def main():
    report = Report()
    lab.enter(1)
    is_long = sys.argv[1:] == ['--long']
    hops, seconds = (1000, 300) if is_long else (100, 60)
    for queues in (1, CORES):
        report.run(f'moves.queues_{queues}', test_hops, queues, hops if queues == 1 or is_long else hops // 2, seconds, queues)
    report.run('moves.rude', test_rude, 9)
    report.close()


if __name__ == '__main__':
    main()
