#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Memory that outsiders can make a guest hold is bounded: thousands of slow connections, single bytes, floods out of order, peers
that never read and a program that never does. Meanwhile an honest connection is served, and afterwards everything has come back.
--ip6: out of order and full windows over IPv6."""
import pathlib
import random
import re
import resource
import select
import socket
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'lib'))
import frame as fr  # noqa: E402  pylint: disable=wrong-import-position
import lab  # noqa: E402  pylint: disable=wrong-import-position
from guest import Guest  # noqa: E402  pylint: disable=wrong-import-position
from peer import RawPeer  # noqa: E402  pylint: disable=wrong-import-position
from report import Report, check  # noqa: E402  pylint: disable=wrong-import-position

ECHO, HOARDER = 7, 14  # test/guest/manners.c
STATS = re.compile(r'stats core 0: (\d+) connections, (\d+) half-open, (\d+) waiting; buffers (\d+) of (\d+), (\d+) out of order; '
                   r'slab (\d+) KiB;')
LONG = '--long' in sys.argv
IS_IP6 = lab.Family.use(sys.argv)
SLOW = 10000 if LONG else 1500
HOARDERS = 2000 if LONG else 300
DEAF = 300 if LONG else 60
OOSEQ = 200 if LONG else 40


class Stats:
    """A line of the guest's counters."""

    def __init__(self, match):
        (self.connections, self.half_open, self.waiting, self.buffers, self.total, self.ooseq,
         self.slab_kib) = (int(v) for v in match.groups())


def stats(guest):
    """The next line of them."""
    match = guest.wait_line(STATS.pattern, start=guest.mark(), timeout=60)
    check(match, f'no line of statistics; console:\n{guest.text()[-2000:]}')
    return Stats(match)


class Honest(threading.Thread):
    """Uses a connection of its own all the time, and opens a new one now and then."""

    def __init__(self):
        super().__init__(daemon=True)
        self.stopped, self.failure, self.rounds, self.slowest = False, None, 0, 0.0

    def run(self):
        data = random.Random(2).randbytes(3000)
        try:
            with lab.connect(timeout=LIMIT) as s:
                while not self.stopped:
                    began = time.monotonic()
                    s.sendall(data)
                    check(lab.receive(s, len(data)) == data, 'another answer')
                    if self.rounds % 50 == 0:
                        with lab.connect(timeout=LIMIT) as young:
                            young.sendall(b'new')
                            check(lab.receive(young, 3) == b'new', 'another answer')
                    self.slowest = max(self.slowest, time.monotonic() - began)
                    self.rounds += 1
                    time.sleep(0.01)
        except Exception as e:  # pylint: disable=broad-except
            self.failure = f'after {self.rounds} rounds: {type(e).__name__}: {e}'


LIMIT = 20  # seconds that the honest one waits at most


def attacked(guest, attack):
    """Runs @attack(guest) beside an honest connection; what it holds is closed again, and all memory must come back."""
    before = stats(guest)
    honest = Honest()
    honest.start()
    sockets, text = attack(guest)
    rounds = honest.rounds
    deadline = time.monotonic() + LIMIT
    while honest.rounds < rounds + 20 and not honest.failure and time.monotonic() < deadline:
        time.sleep(0.1)
    now = stats(guest)
    served = honest.rounds - rounds
    honest.stopped = True
    honest.join(2 * LIMIT)
    check(not honest.failure, f'{text}; honest connection {honest.failure}')
    check(served >= 20, f'{text}; only {served} rounds of the honest connection in {LIMIT} s')
    check(guest.is_running() and not guest.panicked(), guest.text()[-2000:])
    for s in sockets:
        s.close()
    after = settle(guest, before)
    return (f'{text}; {now.total - now.buffers} of {now.total} buffers and {now.slab_kib - before.slab_kib} KiB more were held; '
            f'{honest.rounds} honest rounds, the slowest {honest.slowest * 1000:.0f} ms; {after}')


def settle(guest, before):
    """Until what was held has come back."""
    began = time.monotonic()
    while True:
        now = stats(guest)
        if now.buffers >= before.buffers - 64 and now.connections <= before.connections + 8 and not now.ooseq:
            return f'all back after {time.monotonic() - began:.0f} s'
        check(time.monotonic() - began < 90, f'{now.connections} connections, {now.buffers} of {now.total} buffers, '
              f'{now.ooseq} out of order are still held')


def writable(s, seconds):
    """Whether it can be written to in time; select() does not take so many."""
    poll = select.poll()
    poll.register(s, select.POLLOUT)
    return bool(poll.poll(seconds * 1000))


def many(count, port):
    """So many connections, as fast as they are taken; from several addresses where one has too few ports."""
    made, waiting = [], []
    for n in range(count):
        s = socket.socket(lab.Family.inet)
        s.setblocking(False)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b'\1\0\0\0\0\0\0\0')  # closed by a reset: no TIME_WAIT here
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        s.connect_ex((lab.Family.guest, port))
        waiting.append(s)
        if len(waiting) == 200 or n == count - 1:
            for one in waiting:
                check(writable(one, 30) and not one.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR),
                      f'connection {len(made)} was not made')
                made.append(one)
            waiting = []
    return made


def send_all(sockets, data):
    """To each what it takes now."""
    taken = 0
    for s in sockets:
        try:
            taken += s.send(data)
        except BlockingIOError:
            pass
        except OSError:  # reset by the guest, which may defend itself
            pass
    return taken


def slow(_):
    """Many connections, and now and then a byte of a request that never ends."""
    sockets = many(SLOW, ECHO)
    for _ in range(3):
        send_all(sockets, b'x')
        time.sleep(0.3)
    return sockets, f'{SLOW} slow connections'


def single_bytes(_):
    """The program reads nothing, and every byte comes in a segment of its own."""
    sockets = many(HOARDERS // 3, HOARDER)
    for _ in range(60):
        send_all(sockets, b'y')
    return sockets, f'{len(sockets)} connections of single bytes that nobody reads'


def hoard(_):
    """The program reads nothing, and the peers send what the window takes."""
    sockets = many(HOARDERS, HOARDER)
    for _ in range(6):
        send_all(sockets, bytes(65536))
        time.sleep(0.2)
    return sockets, f'{HOARDERS} full windows that nobody reads'


def deaf(_):
    """Peers that ask for an echo and never take it, in pieces that waste most of a buffer each."""
    sockets = many(DEAF, ECHO)
    end = time.monotonic() + 4
    while time.monotonic() < end:
        send_all(sockets, bytes(300))
    return sockets, f'{DEAF} peers that never read'


def out_of_order(_):
    """Every segment but the first, in pieces with holes between."""
    with fr.Wire(lab.TAP) as wire:
        mac = lab.mac_of(lab.Family.guest)
        raw = RawPeer(wire, mac, lab.Family.other(70))
        opened = []
        for n in range(OOSEQ):
            if raw.open(7000 + n, ECHO, options=b'\x02\x04\x05\xb4\x03\x03\x00\x00'):
                opened.append((raw.sport, raw.snd_nxt, raw.rcv_nxt))
        check(len(opened) >= OOSEQ * 3 // 4, f'only {len(opened)} of {OOSEQ} connections')
        for piece in range(60):
            for raw.sport, raw.snd_nxt, raw.rcv_nxt in opened:
                raw.send(seq=raw.snd_nxt + 1 + piece * 1000, payload=b'z' * (1 if piece % 2 else 900))
            time.sleep(0.01)
        for raw.sport, raw.snd_nxt, raw.rcv_nxt in opened:
            raw.send(flags=fr.RST)
    return [], f'{len(opened)} connections, 60 segments each behind a hole'


def main():
    report = Report()
    resource.setrlimit(resource.RLIMIT_NOFILE, (20000, 20000))
    lab.enter()
    pathlib.Path('/proc/sys/net/ipv4/ip_local_port_range').write_text('10000 60999', encoding='ascii')
    with Guest('test/images/manners.ix', address=None, overrides=[
            'stats_s=1', 'rx_buffers=4096', f'net.address6={lab.GUEST6}/{lab.PREFIX6}']) as guest:
        guest.wait_ready()
        check(lab.Pinger().ping(), 'no answer to ping')
        for attack in (out_of_order, hoard) if IS_IP6 else (slow, single_bytes, out_of_order, deaf, hoard):
            report.run(attack.__name__, attacked, guest, attack)
    report.close()


if __name__ == '__main__':
    main()
