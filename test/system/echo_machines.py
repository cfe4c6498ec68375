#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""images/echo on 1, 2 and 4 CPUs with one queue and with a queue each, what it costs when idle, and an address by DHCP."""
import pathlib
import random
import select
import struct
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'lib'))
import frame  # noqa: E402  pylint: disable=wrong-import-position
import lab  # noqa: E402  pylint: disable=wrong-import-position
from guest import Guest  # noqa: E402  pylint: disable=wrong-import-position
from report import Report, check  # noqa: E402  pylint: disable=wrong-import-position

IDLE_SECONDS = 5
IDLE_SHARE_MAX = 0.02
LEASED = '10.7.0.99'
COOKIE = b'\x63\x82\x53\x63'


def use(connections, rounds):
    """Messages over many connections, so that every core gets some; each must come back."""
    rng = random.Random(6)
    open_ones = [lab.connect(timeout=60) for _ in range(connections)]
    for _ in range(rounds):
        data = rng.randbytes(rng.choice((64, 3000)))
        for s in open_ones:
            s.sendall(data)
        for s in open_ones:
            check(lab.receive(s, len(data)) == data, 'another answer')
    for s in open_ones:
        s.close()


def test_machine(cpus, queues):
    lab.make_tap(queues)
    with Guest('images/echo.ix', cpus=cpus) as guest:
        seconds = guest.wait_ready()
        check(lab.Pinger().ping(), 'no answer to ping')
        use(32, 20)
        check(not guest.panicked(), guest.text()[-2000:])
    return f'ready after {seconds:.2f} s, 32 connections'


def test_idle(cpus):
    lab.make_tap(cpus)
    with Guest('images/echo.ix', cpus=cpus) as guest:
        guest.wait_ready()
        use(8, 4)
        idle = lab.connect()
        time.sleep(1)
        before, since = guest.cpu_seconds(), time.monotonic()
        time.sleep(IDLE_SECONDS)
        share = (guest.cpu_seconds() - before) / (time.monotonic() - since)
        idle.sendall(b'still here')
        check(lab.receive(idle, 10) == b'still here', 'no answer after the idle time')
    check(share <= IDLE_SHARE_MAX, f'{share:.1%} of a host CPU while idle, {IDLE_SHARE_MAX:.0%} are allowed')
    return f'{share:.2%} of a host CPU while idle, {cpus} CPUs'


class DhcpServer(threading.Thread):
    """Answers one client [RFC 2131], after some answers that are none."""

    def __init__(self):
        super().__init__(daemon=True)
        self.wire = frame.Wire(lab.TAP)
        self.stopped = False
        self.seen = []

    def run(self):
        while not self.stopped:
            if not select.select([self.wire.socket], [], [], 0.2)[0]:
                continue
            got = self.wire.socket.recv(2048)
            if len(got) > 282 and got[12:14] == b'\x08\x00' and got[23] == frame.UDP and got[36:38] == b'\0\x43':
                self.answer(got)

    def answer(self, got):
        bootp = got[42:]
        kind = self.option(bootp[240:], 53)
        if bootp[0] != 1 or bootp[236:240] != COOKIE or kind not in (b'\1', b'\3'):
            return
        self.seen.append(kind[0])
        reply = 2 if kind == b'\1' else 5
        if len(self.seen) == 1:
            for options in (b'', b'\x35', b'\x35\xff\x02', b'\x35\x01\x02' + b'\x36\x04', bytes(400)):
                self.send(bootp, options)
        self.send(bootp, bytes((53, 1, reply)) + b'\x36\x04' + frame.address(lab.HOST) + b'\x33\x04' +
                  struct.pack('!I', 3600) + b'\x01\x04\xff\xff\xff\0' + b'\x03\x04' + frame.address(lab.HOST) + b'\xff')

    @staticmethod
    def option(options, code):
        at = 0
        while at + 1 < len(options) and options[at] != 255:
            if options[at] == 0:
                at += 1
                continue
            if options[at] == code:
                return options[at + 2:at + 2 + options[at + 1]]
            at += 2 + options[at + 1]
        return b''

    def send(self, request, options):
        bootp = bytes((2, 1, 6, 0)) + request[4:8] + bytes(8) + frame.address(LEASED) + frame.address(lab.HOST) + bytes(4)
        bootp += request[28:44] + bytes(192) + COOKIE + options
        packet = frame.ipv4(lab.HOST, '255.255.255.255', frame.UDP, frame.udp(lab.HOST, '255.255.255.255', 67, 68, bootp))
        self.wire.send(frame.ether(frame.BROADCAST, lab.tap_mac(), frame.ETH_IPV4, packet))


def test_dhcp():
    lab.make_tap(1)
    server = DhcpServer()
    server.start()
    try:
        with Guest('images/echo.ix', cpus=1, address=None) as guest:
            seconds = guest.wait_ready()
            check(LEASED in guest.text(), f'the console does not name {LEASED}')
            check(lab.Pinger(LEASED).ping(), 'no answer to ping at the leased address')
            with lab.connect(address=LEASED) as s:
                s.sendall(b'hello')
                check(lab.receive(s, 5) == b'hello', 'no echo at the leased address')
    finally:
        server.stopped = True
        server.join()
    return f'{LEASED} after {seconds:.2f} s, in spite of broken offers'


def main():
    report = Report()
    lab.enter(1)
    for cpus, queues in ((1, 1), (2, 1), (2, 2), (4, 1), (4, 4)):
        report.run(f'machine.cpus_{cpus}.queues_{queues}', test_machine, cpus, queues)
    for cpus in (1, 2):
        report.run(f'machine.idle.cpus_{cpus}', test_idle, cpus)
    report.run('machine.dhcp', test_dhcp)
    report.close()


if __name__ == '__main__':
    main()
