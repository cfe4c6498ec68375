# SPDX-License-Identifier: MIT
"""IPv6 packets that should not be, for hostile_frames.py --ip6: headers, extension headers, neighbour discovery, a scan."""
import random
import struct

import frame as fr
import lab
from report import check

STRANGER = 'fd07::66'
ALL_NODES, ALL_NODES_MAC = 'ff02::1', b'\x33\x33\0\0\0\1'
SOURCES = (STRANGER, lab.HOST6, '::', '::1', 'ff02::1', '::ffff:10.7.0.1', lab.GUEST6, 'fe80::1', '2001:db8::1')
SCANNED = 20000


def packets(lab_):
    """The header itself, and who sends to whom."""
    body = fr.udp(STRANGER, lab.GUEST6, 5, 7, b'payload of a datagram')
    for version in (0, 4, 5, 7, 15):
        yield lab_.ip(fr.ipv6(STRANGER, lab.GUEST6, fr.UDP, body, version=version))
    for length in (0, 1, 7, 8, 28, 30, 31, 1460, 65535):
        yield lab_.ip(fr.ipv6(STRANGER, lab.GUEST6, fr.UDP, body, length=length))
    for protocol in range(256):
        yield lab_.ip(fr.ipv6(STRANGER, lab.GUEST6, protocol, body))
        yield lab_.ip(fr.ipv6(STRANGER, lab.GUEST6, protocol, b''))
    for src in SOURCES:
        for dst in (lab.GUEST6, ALL_NODES, 'ff02::1:ff00:2', 'ff0e::1', 'fd07::3', '::', '::1', '::ffff:10.7.0.2'):
            yield lab_.ip(fr.ipv6(src, dst, fr.UDP, fr.udp(src, dst, 7, 7, b'loop')))
            yield lab_.ip(fr.ipv6(src, dst, fr.TCP, fr.tcp(src, dst, 7, 7, 1, 1, fr.SYN)))
            yield lab_.ip(fr.ipv6(src, dst, fr.ICMP6, fr.icmp6(src, dst, 128, 0, bytes(24))))
    good = lab_.ip(fr.ipv6(STRANGER, lab.GUEST6, fr.UDP, body))
    for size in range(14, len(good)):
        yield good[:size]


def extensions(lab_):
    """Chains that are long, wrong, without end, or good and followed by something that is not."""
    rng = random.Random(20)
    ends = ((fr.TCP, fr.tcp(STRANGER, lab.GUEST6, 9, 7, 1, 1, fr.SYN)), (fr.UDP, fr.udp(STRANGER, lab.GUEST6, 9, 7, b'x')),
            (fr.ICMP6, fr.icmp6(STRANGER, lab.GUEST6, 128, 0, bytes(20))), (59, b''), (99, bytes(40)))
    kinds = (fr.HOP_BY_HOP, fr.OPTIONS, fr.ROUTING, fr.FRAGMENT)
    for depth in list(range(1, 30)) + [60, 120, 170]:
        for kind in kinds:
            for protocol, payload in ends:
                for _ in range(depth):
                    payload = fr.extension(protocol, b'\1\4\0\0\0\0' if kind in (0, 60) else bytes(6)) + payload
                    protocol = kind
                yield lab_.ip(fr.ipv6(STRANGER, lab.GUEST6, protocol, payload))
    for _ in range(3000):
        protocol, payload = rng.choice(ends)
        for _ in range(rng.randrange(1, 8)):
            payload = fr.extension(protocol, rng.randbytes(rng.choice((6, 14, 30)))) + payload
            protocol = rng.choice(kinds)
        if rng.random() < 0.3:
            payload = payload[:rng.randrange(len(payload) + 1)]
        yield lab_.ip(fr.ipv6(STRANGER, lab.GUEST6, protocol, payload))
    for option in range(256):  # also those that whoever does not know them is to answer
        yield lab_.ip(fr.ipv6(STRANGER, lab.GUEST6, fr.OPTIONS, fr.extension(59, bytes((option, 4)) + bytes(4))))
    for ident in range(500):  # fragments that overlap, miss, repeat, or reach beyond 64 KiB
        where = rng.choice((0, 8, 1480, 65528)) | rng.randrange(8)
        yield lab_.ip(fr.ipv6(STRANGER, lab.GUEST6, fr.FRAGMENT,
                              struct.pack('!BBHI', rng.choice((6, 17, 58, 44)), 0, where, ident) + rng.randbytes(1000)))


def _discovery(lab_, src, kind, body, **wrong):
    dst = wrong.pop('dst', lab.GUEST6)
    code = wrong.pop('code', 0)
    return lab_.ip(fr.ipv6(src, dst, fr.ICMP6, fr.icmp6(src, dst, kind, code, body, **wrong), hops=wrong.get('hops', 255)),
                   dst=ALL_NODES_MAC if dst == ALL_NODES else lab_.mac)


def discovery(lab_):
    """Solicitations, advertisements, redirects; routers that nobody has asked for; tables that are to be filled."""
    ours, mac = fr.address(lab.GUEST6), b'\2\0\0\0\0\x66'
    for kind in (133, 134, 135, 136, 137):
        for target in (ours, bytes(16), fr.address('ff02::1'), fr.address(lab.HOST6)):
            for option in (b'', fr.link_option(1, mac), fr.link_option(2, mac), b'\1\0' + bytes(6), b'\1\xff' + bytes(6), b'\1'):
                for src in (STRANGER, '::', 'fe80::66'):
                    for wrong in ({}, {'hops': 254}, {'code': 1}, {'sum': 1}):
                        yield _discovery(lab_, src, kind, bytes(4) + target + option, **wrong)
        for size in range(40):
            yield _discovery(lab_, STRANGER, kind, (bytes(4) + ours + fr.link_option(1, mac))[:size])
    for i in range(2000):  # more strangers than any table has room for, and each is a router, too
        src = f'fe80::{i + 1:x}'
        own = b'\2\0\0\0' + struct.pack('!H', i)
        yield _discovery(lab_, src, 135, bytes(4) + ours + fr.link_option(1, own))
        yield _discovery(lab_, src, 136, b'\xe0\0\0\0' + fr.address(src) + fr.link_option(2, own))
        yield _discovery(lab_, src, 134, struct.pack('!BBHII', 1, 0, 9000, 1, 1) + fr.link_option(1, own) +
                         fr.prefix_option(f'fd07:{i:x}::') + fr.prefix_option('fd07::', bits=16) + b'\5\1' + struct.pack('!HI', 0, 68),
                         dst=ALL_NODES)
    for i in range(200):  # whether our own address is free
        group = fr.solicited(lab.GUEST6)
        packet = fr.ipv6('::', group[0], fr.ICMP6, fr.icmp6('::', group[0], 135, 0, bytes(4) + ours), hops=255)
        yield lab_.ip(packet, dst=group[1], src=b'\2\0\0\0\1' + bytes((i,)))


def messages(lab_):
    """ICMPv6 of every type, with quotes of a connection that exists."""
    mine = lab_.witness.getsockname()[1]
    inner = fr.ipv6(lab.GUEST6, lab.HOST6, fr.TCP, fr.tcp(lab.GUEST6, lab.HOST6, 7, mine, 1, 1, fr.ACK, bytes(1400)))
    for kind in range(256):
        for code in (0, 1, 4, 255):
            for payload in (b'', inner[:39], inner[:48], inner[:1200]):
                for mtu in (0, 1280) if kind == 2 else (0,):
                    yield _discovery(lab_, lab.HOST6, kind, struct.pack('!I', mtu) + payload, code=code, hops=64)
    for size in range(8):
        yield lab_.ip(fr.ipv6(STRANGER, lab.GUEST6, fr.ICMP6, bytes((128, 0, 1, 2, 3, 4, 5, 6))[:size]))


def neighbour_scan(lab_):
    """All of a network talks to the guest, so that it must ask for all of them; and it is asked for all of them."""
    rng = random.Random(21)
    served = 0
    for i in range(SCANNED):
        src = f'fd07::{rng.getrandbits(16):x}:{rng.getrandbits(16):x}:{i:x}:1'
        lab_.wire.send(lab_.ip(fr.ipv6(src, lab.GUEST6, fr.TCP, fr.tcp(src, lab.GUEST6, 1000 + i % 60000, 7, i, 0, fr.SYN))))
        group, mac = fr.solicited(src)
        ask = fr.icmp6(lab.HOST6, group, 135, 0, bytes(4) + fr.address(src) + fr.link_option(1, lab_.own))
        lab_.wire.send(lab_.ip(fr.ipv6(lab.HOST6, group, fr.ICMP6, ask, hops=255), dst=mac))
        if i % 250 == 0:
            check(lab_.pinger.ping(), f'no answer to ping after {i} addresses')
            lab_.witness.sendall(b'alive?')
            check(lab.receive(lab_.witness, 6) == b'alive?', 'the connection gave another answer')
            served += 1
    lab_.wire.drain()
    lab_.alive()
    return f'{SCANNED} addresses; a connection was served {served} times meanwhile'
