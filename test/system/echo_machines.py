#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""images/echo on 1, 2 and 4 CPUs with one queue and with a queue each, what it costs when idle, and an address by DHCP,
router advertisement or DHCPv6."""
import pathlib
import random
import select
import socket
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
ROUTER, ROUTED, FAR = 'fe80::1', 'fd08::', '2001:db8::1'
LEASED6 = 'fd08::99'
ALL_NODES, ALL_NODES_MAC = 'ff02::1', b'\x33\x33\0\0\0\1'
COOKIE = b'\x63\x82\x53\x63'


def use(connections, rounds):
    """Messages over many connections, so that every core gets some; each must come back."""
    rng = random.Random(6)
    open_ones = [lab.connect(timeout=60, address=(lab.GUEST, lab.GUEST6)[i % 2]) for i in range(connections)]
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
        for address in (lab.GUEST, lab.GUEST6):
            check(lab.Pinger(address).ping(), f'no answer to ping at {address}')
        use(32, 20)
        check(not guest.panicked(), guest.text()[-2000:])
    return f'ready after {seconds:.2f} s, 16 connections over each of IPv4 and IPv6'


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


class Router(threading.Thread):
    """Answers who asks for one [RFC 4861 6.2.6]; and so that it can be told from what others send, counts how often."""

    def __init__(self, managed=False):
        super().__init__(daemon=True)
        self.wire = frame.Wire(lab.TAP)
        self.stopped = False
        self.asked = 0
        self.managed = managed

    def run(self):
        while not self.stopped:
            if not select.select([self.wire.socket], [], [], 0.2)[0]:
                continue
            got = self.wire.socket.recv(2048)
            if len(got) > 61 and got[12:14] == b'\x86\xdd' and got[20] == frame.ICMP6 and got[54] == 133:
                self.asked += 1
                flags = 0x80 if self.managed else 0xc0  # on the link, and good for addresses of one's own
                self.advertise(lab.tap_mac(), frame.prefix_option(ROUTED, flags=flags), ROUTER, 1800)
            elif len(got) > 66 and got[12:14] == b'\x86\xdd' and got[20] == frame.UDP and got[56:58] == b'\x02\x23':
                self.lease(got)

    def lease(self, got):
        """What a DHCPv6 server [RFC 8415] answers, after some answers that are none."""
        source, message = socket.inet_ntop(socket.AF_INET6, got[22:38]), got[62:]
        client = message[4:8 + struct.unpack_from('!H', message, 6)[0]]  # it comes first
        address = b'\0\5\0\x18' + frame.address(LEASED6) + struct.pack('!II', 3000, 3600)
        answer = client + b'\0\2\0\x0a\0\3\0\1' + lab.tap_mac() + b'\0\3\0\x28' + struct.pack('!III', 1, 900, 1800) + address
        head = (b'\2' if message[0] == 1 else b'\7') + message[1:4]
        for wrong in (b'', head, head + answer[:20], head + client, b'\7\0\0\0' + answer, head + b'\0\1\xff\xff' + answer[4:],
                      head + answer):
            packet = frame.ipv6(ROUTER, source, frame.UDP, frame.udp(ROUTER, source, 547, 546, wrong))
            self.wire.send(frame.on_wire(got[6:12], lab.tap_mac(), packet))

    def advertise(self, mac, options, source, lifetime):
        """An advertisement to all."""
        body = struct.pack('!BBHII', 64, 0x80 if self.managed else 0, lifetime, 0, 0) + frame.link_option(1, mac) + options
        message = frame.icmp6(source, ALL_NODES, 134, 0, body)
        self.wire.send(frame.on_wire(ALL_NODES_MAC, mac, frame.ipv6(source, ALL_NODES, frame.ICMP6, message, hops=255)))

    def lie(self):
        """What a rogue would say: that it is the router, that the router is none, that all hosts are neighbours."""
        mac = b'\x02\0\0\0\0\x66'
        self.advertise(mac, frame.prefix_option('fd09::') + frame.prefix_option('2000::', bits=3, flags=0x80), 'fe80::66', 9000)
        self.advertise(mac, frame.prefix_option(ROUTED, valid=0, preferred=0), ROUTER, 0)
        self.advertise(mac, b'\x05\x01\0\0' + struct.pack('!I', 1280), 'fe80::67', 9000)


def greet(address):
    """A connection from an address that the guest reaches by its router only."""
    with socket.create_connection((address, 7), timeout=10, source_address=(FAR, 0)) as s:
        s.sendall(b'hello')
        check(lab.receive(s, 5) == b'hello', 'no echo by way of the router')


def test_slaac():
    lab.make_tap(1)
    for address in (f'{ROUTER}/64', f'{ROUTED}1/64', f'{FAR}/128'):
        lab.ip('address', 'add', address, 'dev', lab.TAP, 'nodad')
    router = Router()
    router.start()
    try:
        with Guest('images/echo.ix', cpus=1, address=None, overrides=(f'net.address={lab.GUEST}/{lab.PREFIX}',)) as guest:
            guest.wait_ready()
            line = guest.wait_line(r'net: address (fd08:\S+) by router advertisement', timeout=10)
            check(line, f'no address of a router\'s prefix:\n{guest.text()}')
            address = line.group(1)
            greet(address)
            for _ in range(100):
                router.lie()
                greet(address)
            check('fd09' not in guest.text(), 'a rogue router was followed')
            check(router.asked < 5, f'asked {router.asked} times')
    finally:
        router.stopped = True
        router.join()
    return f'{address}; 300 lies of a rogue router were not believed'


def test_dhcp6():
    lab.make_tap(1)
    for address in (f'{ROUTER}/64', f'{ROUTED}1/64', f'{FAR}/128'):
        lab.ip('address', 'add', address, 'dev', lab.TAP, 'nodad')
    router = Router(managed=True)
    router.start()
    try:
        with Guest('images/echo.ix', cpus=1, address=None, overrides=(f'net.address={lab.GUEST}/{lab.PREFIX}',)) as guest:
            guest.wait_ready()
            check(guest.wait_line(f'net: address {LEASED6} by DHCP', timeout=10), f'no such address:\n{guest.text()}')
            greet(LEASED6)
            check('router advertisement' not in guest.text(), 'an address that the router did not want')
    finally:
        router.stopped = True
        router.join()
    return f'{LEASED6}, in spite of broken answers'


def main():
    report = Report()
    lab.enter(1)
    for cpus, queues in ((1, 1), (2, 1), (2, 2), (4, 1), (4, 4)):
        report.run(f'machine.cpus_{cpus}.queues_{queues}', test_machine, cpus, queues)
    for cpus in (1, 2):
        report.run(f'machine.idle.cpus_{cpus}', test_idle, cpus)
    report.run('machine.dhcp', test_dhcp)
    report.run('machine.slaac', test_slaac)
    report.run('machine.dhcp6', test_dhcp6)
    report.close()


if __name__ == '__main__':
    main()
