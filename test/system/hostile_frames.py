#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Frames that should not be, at every level, against images/echo; meanwhile and afterwards it must answer ping, serve the
connection it has and take new ones."""
import pathlib
import random
import socket
import struct
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'lib'))
import frame as fr  # noqa: E402  pylint: disable=wrong-import-position
import lab  # noqa: E402  pylint: disable=wrong-import-position
from hostile_ip6 import discovery, extensions, messages, neighbour_scan, packets  # noqa: E402  pylint: disable=wrong-import-position
from guest import Guest  # noqa: E402  pylint: disable=wrong-import-position
from peer import RawPeer  # noqa: E402  pylint: disable=wrong-import-position
from report import Report, check  # noqa: E402  pylint: disable=wrong-import-position

FRAMES = 100000 if '--ip6' not in sys.argv else 30000
BATCH = 250  # after so many the guest must have caught up, or the tap's queue would lose some
STRANGER = '10.7.0.66'
SOURCES = (STRANGER, lab.HOST, '10.7.0.67', '10.7.0.255', '255.255.255.255', '0.0.0.0', lab.GUEST, '127.0.0.1', '224.0.0.1',
           '8.8.8.8', '240.0.0.1')


def stranger(number=66):
    """An address of the family in use, which nobody has."""
    return f'fd07::{number:x}' if lab.Family.is_ip6() else f'10.7.0.{number}'


class Lab:
    """The guest under attack, a wire to attack it over, and a witness that is served all the time."""

    def __init__(self, guest):
        self.guest = guest
        self.wire = fr.Wire(lab.TAP)
        self.pinger = lab.Pinger()
        check(self.pinger.ping(), 'no answer to ping')
        self.mac = lab.mac_of(lab.Family.guest)
        self.own = lab.tap_mac()
        self.witness = lab.connect()
        self.sent = 0

    def alive(self):
        """Ping, the connection there is, a new one, a datagram."""
        check(self.guest.is_running() and not self.guest.panicked(), f'the guest fell: {self.guest.text()[-1500:]}')
        check(self.pinger.ping(), 'no answer to ping')
        for s in (self.witness, lab.connect()):
            s.sendall(b'alive?')
            check(lab.receive(s, 6) == b'alive?', 'no echo')
        s.close()

    def send(self, frames):
        """All of them, in step with the guest."""
        for one in frames:
            self.wire.send(one)
            self.sent += 1
            if self.sent % BATCH == 0:
                check(self.pinger.ping(), f'no answer to ping after {self.sent} frames')
        self.wire.drain()

    def ip(self, packet, **wrong):
        """An IP packet of the family in use, on the wire."""
        kind = fr.ETH_IPV6 if lab.Family.is_ip6() else fr.ETH_IPV4
        return fr.ether(wrong.get('dst', self.mac), wrong.get('src', self.own), kind, packet)


def tcp_from(src, *words, **wrong):
    """A packet with the segment fr.tcp() makes of @words."""
    return fr.packet(src, lab.Family.guest, fr.TCP, fr.tcp(src, lab.Family.guest, *words, **wrong))


def udp_from(src, *words, **wrong):
    """A packet with the datagram fr.udp() makes of @words."""
    return fr.packet(src, lab.Family.guest, fr.UDP, fr.udp(src, lab.Family.guest, *words, **wrong))


def attack(lab_, frames):
    """A list of frames, then a look at who still lives."""
    frames = list(frames)
    lab_.send(frames)
    lab_.alive()
    return f'{len(frames)} frames'


def ethernet(lab_):
    good = lab_.ip(fr.ipv4(STRANGER, lab.GUEST, fr.UDP, fr.udp(STRANGER, lab.GUEST, 5, 7, b'x' * 40)))
    for size in range(14, len(good)):
        yield good[:size]
    for kind in (0, 1, 46, 1500, 0x0801, 0x8100, 0x86dd, 0x88cc, 0xffff):
        for size in (0, 1, 46, 1500):
            yield fr.ether(lab_.mac, lab_.own, kind, bytes(size))
    for dst in (fr.BROADCAST, b'\x01\0\x5e\0\0\1', b'\x02\1\2\3\4\5', bytes(6), lab_.own):
        yield fr.ether(dst, dst, fr.ETH_IPV4, good[14:])


def arp(lab_):
    for op in (0, 1, 2, 3, 8, 65535):
        for src in SOURCES[2:]:
            yield fr.ether(fr.BROADCAST, lab_.own, fr.ETH_ARP, fr.arp(op, lab_.own, src, bytes(6), lab.GUEST))
    for wrong in ({'hardware': 0}, {'hardware': 6}, {'protocol': 0x86dd}, {'hlen': 0}, {'hlen': 255}, {'plen': 16}, {'plen': 0}):
        yield fr.ether(fr.BROADCAST, lab_.own, fr.ETH_ARP, fr.arp(1, lab_.own, STRANGER, bytes(6), lab.GUEST, **wrong))
    whole = fr.ether(fr.BROADCAST, lab_.own, fr.ETH_ARP, fr.arp(1, lab_.own, STRANGER, bytes(6), lab.GUEST))
    for size in range(14, len(whole)):
        yield whole[:size]
    for i in range(3000):  # more strangers than any table has room for
        src = f'10.7.{i >> 8}.{i & 255}'
        if src == lab.HOST:
            continue  # claims() says it of him
        yield fr.ether(fr.BROADCAST, lab_.own, fr.ETH_ARP, fr.arp(1 + i % 2, b'\x02\0\0\0' + struct.pack('!H', i), src,
                                                                  bytes(6), lab.GUEST))


def claim(address, mac, guest_mac):
    """A frame that says unasked that @address is at @mac."""
    if ':' not in address:
        return fr.ether(guest_mac, mac, fr.ETH_ARP, fr.arp(2, mac, address, guest_mac, lab.GUEST))
    message = fr.icmp6(address, lab.GUEST6, 136, 0, b'\x20\0\0\0' + fr.address(address) + fr.link_option(2, mac))
    return fr.on_wire(guest_mac, mac, fr.ipv6(address, lab.GUEST6, fr.ICMP6, message, hops=255))


def claims(lab_):
    """Somebody says all the time that our address, which is the guest's gateway, is his."""
    for i in range(400):
        lab_.wire.send(claim(lab.Family.host, b'\x02\x66' + struct.pack('!I', i % 7), lab_.mac))
        lab_.witness.sendall(b'still you?')
        check(lab.receive(lab_.witness, 10) == b'still you?', 'another answer')
    time.sleep(4.5)  # if he were not known any more, it would show by now
    lab_.alive()
    return '400 claims to the gateway\'s address'


def ipv4(lab_):
    body = fr.udp(STRANGER, lab.GUEST, 5, 7, b'payload of a datagram')
    wrongs = [{'version': v} for v in (0, 5, 6, 15)] + [{'ihl': i} for i in (0, 1, 4, 6, 15)]
    wrongs += [{'total': t} for t in (0, 1, 19, 20, 27, 28, 29, 1500, 65535)] + [{'sum': 0}, {'sum': 0xffff}, {'ttl': 0}]
    wrongs += [{'flags': f} for f in (0x2000, 0x2001, 0x1fff, 0x3fff, 0x4001, 0x8000, 0xffff, 1, 2, 0x1ffe)]
    wrongs += [{'options': o} for o in (bytes(4), b'\x07\x27' + bytes(38), b'\x83\x03\x04\0', b'\x44\x28\x05\0' + bytes(36),
                                        b'\x07\0\0\0', b'\x07\xff\xff\xff', b'\xff' * 40, b'\x01' * 40)]
    for wrong in wrongs:
        for protocol in (fr.UDP, fr.TCP, fr.ICMP, 0, 2, 41, 255):
            yield lab_.ip(fr.ipv4(STRANGER, lab.GUEST, protocol, body, **wrong))
    for src in SOURCES:
        for dst in (lab.GUEST, '255.255.255.255', '10.7.0.255', '224.0.0.1', '127.0.0.1', '10.7.0.3'):
            yield lab_.ip(fr.ipv4(src, dst, fr.UDP, fr.udp(src, dst, 7, 7, b'loop')))
            yield lab_.ip(fr.ipv4(src, dst, fr.TCP, fr.tcp(src, dst, 7, 7, 1, 1, fr.SYN)))
            yield lab_.ip(fr.ipv4(src, dst, fr.ICMP, fr.icmp(8, 0, bytes(4), bytes(20))))


def fragments(lab_):
    rng = random.Random(10)
    for ident in range(400):  # pieces that overlap, miss, repeat, or reach beyond 64 KiB
        for _ in range(rng.randrange(1, 6)):
            offset = rng.choice((0, 1, 2, 185, 370, 8000, 8190, 8191))
            more = rng.choice((0, 0x2000))
            yield lab_.ip(fr.ipv4(STRANGER, lab.GUEST, rng.choice((fr.UDP, fr.TCP, fr.ICMP)), rng.randbytes(rng.choice((8, 24, 1480))),
                                  id=ident, flags=more | offset))


def icmp(lab_):
    inner = fr.ipv4(lab.GUEST, lab.HOST, fr.TCP, fr.tcp(lab.GUEST, lab.HOST, 7, lab_.witness.getsockname()[1], 1, 1, fr.ACK))
    for kind in range(0, 42):
        for code in (0, 1, 4, 15, 255):
            for payload in (b'', inner[:8], inner[:20], inner[:28], inner, bytes(1472)):
                yield lab_.ip(fr.ipv4(lab.HOST, lab.GUEST, fr.ICMP, fr.icmp(kind, code, struct.pack('!HH', 0, 68), payload)))
    for size in range(8):
        yield lab_.ip(fr.ipv4(STRANGER, lab.GUEST, fr.ICMP, bytes((8, 0, 0xf7, 0xff, 0, 0, 0, 0))[:size]))
    yield lab_.ip(fr.ipv4(STRANGER, lab.GUEST, fr.ICMP, fr.icmp(8, 0, bytes(4), b'x', sum=1)))


def udp(lab_):
    for length in (0, 1, 7, 8, 9, 29, 30, 1000, 65535):
        yield lab_.ip(udp_from(stranger(), 5, 7, b'x' * 21, length=length))
    for value in (0, 1, 0xffff):
        yield lab_.ip(udp_from(stranger(), 5, 7, b'x' * 21, sum=value))
    for sport in (0, 7, 9, 19, 53, 67, 65535):
        for dport in (0, 1, 7, 9, 19, 67, 68, 5353, 65535):
            yield lab_.ip(udp_from(stranger(), sport, dport, b'y' * 100))
    for i in range(3000):  # from strangers: each answer needs a neighbour that does not exist
        src = stranger(100 + i % 150)
        yield lab_.ip(udp_from(src, i + 1, 7, b'z' * (i % 1400)))


def tcp(lab_):
    options = [b'', b'\x02\x04\0\0', b'\x02\x04\0\1', b'\x02\x04\xff\xff', b'\x02\0', b'\x02\1', b'\x02\x28', b'\x03\x03\xff',
               b'\x03\x00', b'\x04\x02' * 20, b'\x05\x0a' + bytes(8), b'\x05\x22' + b'\xff' * 32, b'\x08\x0a' + b'\xff' * 8,
               b'\x01' * 40, b'\x00' * 40, b'\xfe\x02' * 20, b'\xfd\xff', b'\x13\x12' + bytes(16), b'\x22\x02', b'\xff' * 40]
    port = 1024
    for flags in range(64):
        for option in options:
            port += 1
            yield lab_.ip(tcp_from(stranger(), port, 7, port * 7919, port * 104729, flags, b'data' * (port % 3), options=option))
    for offset in range(16):
        for size in (0, 4, 40):
            yield lab_.ip(tcp_from(stranger(), 9999, 7, 1, 1, fr.SYN, bytes(size), offset=offset))
    whole = fr.tcp(stranger(), lab.Family.guest, 9999, 7, 1, 1, fr.SYN | fr.ACK, bytes(10))
    for size in range(len(whole)):
        yield lab_.ip(fr.packet(stranger(), lab.Family.guest, fr.TCP, whole[:size]))
    for value in (0, 1, 0xffff):
        yield lab_.ip(tcp_from(stranger(), 9999, 7, 1, 1, fr.SYN, sum=value))
    # Blind guesses at a connection that exists, by somebody who knows its ports.
    mine = lab_.witness.getsockname()[1]
    rng = random.Random(11)
    for _ in range(2000):
        yield lab_.ip(tcp_from(lab.Family.host, mine, 7, rng.getrandbits(32), rng.getrandbits(32),
                               rng.choice((fr.RST, fr.SYN, fr.RST | fr.ACK, fr.ACK, fr.FIN))))


def oversized(lab_):
    lab.ip('link', 'set', lab.TAP, 'mtu', '9000')
    try:
        def frames():
            for size in (1473, 1474, 1500, 2000, 2020, 4000, 8900):
                body = bytes(size)
                yield lab_.ip(fr.ipv4(STRANGER, lab.GUEST, fr.UDP, fr.udp(STRANGER, lab.GUEST, 5, 7, body)))
                yield lab_.ip(fr.ipv4(STRANGER, lab.GUEST, fr.ICMP, fr.icmp(8, 0, bytes(4), body)))
                yield lab_.ip(fr.ipv4(STRANGER, lab.GUEST, fr.TCP, fr.tcp(STRANGER, lab.GUEST, 5, 7, 1, 1, fr.ACK, body)))
                yield fr.ether(lab_.mac, lab_.own, fr.ETH_ARP, fr.arp(1, lab_.own, STRANGER, bytes(6), lab.GUEST) + body)
                yield fr.ether(lab_.mac, lab_.own, 0x1234, body)
        return attack(lab_, frames())
    finally:
        lab.ip('link', 'set', lab.TAP, 'mtu', '1500')


def mutate(rng, good):
    """One good frame made worse; half of the time its IP checksum is right again, so that more of it is looked at."""
    data = bytearray(good)
    if len(data) < 15 or good[12:14] == b'\x08\x06':
        return good
    for _ in range(rng.randrange(0, 6)):
        data[rng.randrange(14, min(len(data), 80))] = rng.choice((0, 1, 0x7f, 0x80, 0xff, rng.randrange(256)))
    if rng.random() < 0.1:
        data = data[:rng.randrange(14, len(data) + 1)]
    if rng.random() < 0.5 and len(data) >= 34 and data[12:14] == b'\x08\x00':
        data[24:26] = b'\0\0'
        head = bytes(data[14:14 + max(20, (data[14] & 15) * 4)])
        data[24:26] = struct.pack('!H', fr.checksum(head))
    return bytes(data)


def seeded(lab_):
    """FRAMES frames, most of them nearly good."""
    rng = random.Random(12)
    seeds = [list(f(lab_)) for f in groups()]
    kinds = (fr.ETH_IPV6,) if lab.Family.is_ip6() else (fr.ETH_IPV4, fr.ETH_ARP)
    for _ in range(FRAMES):
        kind = rng.randrange(len(seeds) + 1)
        if kind == len(seeds):
            yield fr.ether(lab_.mac, lab_.own, rng.choice(kinds), rng.randbytes(rng.randrange(0, 300)))
        else:
            yield mutate(rng, rng.choice(seeds[kind]))


def in_connection(lab_):
    """Segments that fit a connection in everything but sense."""
    rng = random.Random(13)
    served = 0
    with RawPeer(lab_.wire, lab_.mac, stranger(50)) as raw:
        for round_ in range(40):
            if not raw.open(20000 + round_, 7, options=rng.choice((b'', b'\x02\x04\0\1', b'\x02\x04\x05\xb4\x03\x03\x0e'))):
                continue
            served += 1
            for _ in range(100):
                raw.send(seq=raw.snd_nxt + rng.choice((0, 0, 0, 1, -1, 100, 65535, -65536, 1 << 31)),
                         ack=raw.rcv_nxt + rng.choice((0, 0, 1, -1, 1000, 1 << 30)), flags=rng.choice((16, 16, 24, 17, 48, 18, 20, 0, 63)),
                         payload=rng.randbytes(rng.choice((0, 1, 10, 536, 1460))), window=rng.choice((0, 1, 100, 65535)),
                         urgent=rng.choice((0, 0, 1, 65535)), options=rng.choice((b'', rng.randbytes(rng.randrange(0, 40)))))
            check(lab_.pinger.ping(), 'no answer to ping')
    check(served >= 20, f'only {served} of 40 connections could be made')
    lab_.alive()
    return f'{served} connections, 100 segments each'


def zero_window(lab_):
    """Peers that ask for everything and never open their window."""
    with RawPeer(lab_.wire, lab_.mac, stranger(51)) as raw:
        opened = 0
        for port in range(30000, 30200):
            if raw.open(port, 19, window=0):
                opened += 1
        check(opened >= 150, f'only {opened} of 200 connections could be made')
        lab_.alive()
        for port in range(30000, 30200):
            raw.reset(port, 19)
    lab_.alive()
    return f'{opened} connections to chargen with a window of 0'


def syn_flood(lab_):
    rng = random.Random(14)

    def frames():
        for _ in range(20000):
            src = stranger(rng.randrange(100, 250))
            yield lab_.ip(tcp_from(src, rng.randrange(1, 65536), 7, rng.getrandbits(32), 0, fr.SYN, options=b'\x02\x04\x05\xb4'))
    return attack(lab_, frames())


def endless_senders(lab_):
    """Peers that send without end and never read, for a while, while others are served."""
    stop = threading.Event()
    counts = [0] * 8

    def flood(i):
        with lab.connect() as s:
            s.settimeout(1)
            block = bytes(65536)
            while not stop.is_set():
                try:
                    counts[i] += s.send(block)
                except OSError:
                    pass
    threads = [threading.Thread(target=flood, args=(i,), daemon=True) for i in range(len(counts))]
    for t in threads:
        t.start()
    deadline = time.monotonic() + 4
    rounds = 0
    while time.monotonic() < deadline:
        lab_.alive()
        rounds += 1
    stop.set()
    for t in threads:
        t.join()
    check(max(counts) < 8 << 20, f'{max(counts)} bytes were taken from a peer that does not read')
    lab_.alive()
    return f'{len(counts)} of them, {sum(counts) >> 10} KiB taken in all; {rounds} rounds of service meanwhile'


def random_frames(lab_):
    """The seeded frames, while another thread uses the service."""
    stop, failure, rounds = threading.Event(), [], [0]

    def use():
        try:
            with lab.connect(timeout=60) as s:
                while not stop.is_set():
                    s.sendall(bytes(1000))
                    check(lab.receive(s, 1000) == bytes(1000), 'the connection gave another answer')
                    rounds[0] += 1
        except Exception as e:  # pylint: disable=broad-except
            failure.append(str(e))
    user = threading.Thread(target=use, daemon=True)
    user.start()
    dropped = lab.dropped_frames()
    text = attack(lab_, seeded(lab_))
    dropped = lab.dropped_frames() - dropped
    check(dropped < FRAMES // 100, f'{dropped} frames never reached the guest')
    stop.set()
    user.join(60)
    check(not failure, f'a client meanwhile: {failure}')
    return f'{text}; {rounds[0]} exchanges of a client meanwhile'


def groups():
    """What is sent, level by level."""
    if lab.Family.is_ip6():
        return packets, extensions, discovery, messages, udp, tcp
    return ethernet, arp, ipv4, fragments, icmp, udp, tcp


def main():
    report = Report()
    lab.Family.use(sys.argv)
    lab.enter(2)
    with Guest('images/echo.ix', cpus=2) as guest:
        guest.wait_ready()
        lab_ = Lab(guest)
        for frames in groups():
            report.run(f'frames.{frames.__name__}', lambda f=frames: attack(lab_, f(lab_)))
        tests = (neighbour_scan,) if lab.Family.is_ip6() else (oversized,)
        for test in tests + (claims, in_connection, zero_window, syn_flood, endless_senders, random_frames):
            report.run(f'frames.{test.__name__}', test, lab_)
    report.close()


if __name__ == '__main__':
    main()
