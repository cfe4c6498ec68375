# SPDX-License-Identifier: MIT
"""Frames byte by byte, right or wrong as asked, and the raw socket that sends and receives them."""
import select
import socket
import struct
import time

ETH_IPV4 = 0x0800
ETH_ARP = 0x0806
ETH_IPV6 = 0x86dd
ICMP, TCP, UDP, ICMP6 = 1, 6, 17, 58
HOP_BY_HOP, ROUTING, FRAGMENT, OPTIONS = 0, 43, 44, 60  # extension headers
FIN, SYN, RST, PSH, ACK, URG = 1, 2, 4, 8, 16, 32
BROADCAST = b'\xff' * 6


def checksum(data):
    """The Internet checksum [RFC 1071]."""
    if len(data) % 2:
        data += b'\0'
    total = sum(struct.unpack(f'!{len(data) // 2}H', data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def address(text):
    """Four bytes of a.b.c.d, sixteen of an IPv6 address."""
    return socket.inet_pton(socket.AF_INET6, text) if ':' in text else socket.inet_aton(text)


def ether(dst, src, kind, payload):
    """An Ethernet frame."""
    return dst + src + struct.pack('!H', kind) + payload


def arp(op, src_mac, src, dst_mac, dst, **wrong):
    """An ARP packet [RFC 826]; @wrong: hardware, protocol, hlen, plen."""
    return struct.pack('!HHBBH', wrong.get('hardware', 1), wrong.get('protocol', ETH_IPV4), wrong.get('hlen', 6),
                       wrong.get('plen', 4), op) + src_mac + address(src) + dst_mac + address(dst)


def ipv4(src, dst, protocol, payload, **wrong):
    """An IPv4 packet [RFC 791]; @wrong: version, ihl, total, id, flags (with offset), ttl, sum, options."""
    options = wrong.get('options', b'')
    ihl = wrong.get('ihl', 5 + len(options) // 4)
    total = wrong.get('total', 20 + len(options) + len(payload))
    head = struct.pack('!BBHHHBBH', wrong.get('version', 4) << 4 | ihl, 0, total & 0xffff, wrong.get('id', 1),
                       wrong.get('flags', 0), wrong.get('ttl', 64), protocol, 0) + address(src) + address(dst) + options
    value = wrong.get('sum', checksum(head))
    return head[:10] + struct.pack('!H', value) + head[12:] + payload


def ipv6(src, dst, protocol, payload, **wrong):
    """An IPv6 packet [RFC 8200]; @wrong: version, length, hops."""
    return struct.pack('!IHBB', wrong.get('version', 6) << 28, wrong.get('length', len(payload)) & 0xffff, protocol,
                       wrong.get('hops', 64)) + address(src) + address(dst) + payload


def packet(src, dst, protocol, payload):
    """An IP packet of whichever family the addresses are."""
    return (ipv6 if ':' in src else ipv4)(src, dst, protocol, payload)


def on_wire(dst, src, packet_):
    """An IP packet of either family as a frame."""
    return ether(dst, src, ETH_IPV6 if packet_[0] >> 4 == 6 else ETH_IPV4, packet_)


def extension(next_header, body):
    """An extension header with options or whatever @body is, filled up with zeros."""
    body += bytes(-(2 + len(body)) % 8)
    return struct.pack('!BB', next_header, (2 + len(body)) // 8 - 1) + body


def icmp6(src, dst, kind, code, body, **wrong):
    """An ICMPv6 message [RFC 4443]; @body: all behind the checksum."""
    head = struct.pack('!BBH', kind, code, 0) + body
    return head[:2] + struct.pack('!H', wrong.get('sum', _pseudo(src, dst, ICMP6, head))) + body


def link_option(kind, mac):
    """Source (1) or target (2) link-layer address [RFC 4861 4.6.1]."""
    return struct.pack('!BB', kind, 1) + mac


def prefix_option(prefix, bits=64, flags=0xc0, valid=7200, preferred=7200):
    """Prefix information [RFC 4861 4.6.2]."""
    return struct.pack('!BBBBIII', 3, 4, bits, flags, valid, preferred, 0) + address(prefix)


def solicited(text):
    """The solicited-node group of an address, and its Ethernet address."""
    low = address(text)[13:]
    return socket.inet_ntop(socket.AF_INET6, bytes.fromhex('ff0200000000000000000001ff') + low), b'\x33\x33\xff' + low


def icmp(kind, code, rest, payload, **wrong):
    """An ICMP message [RFC 792]; @rest: the four bytes after the checksum."""
    head = struct.pack('!BBH', kind, code, 0) + rest + payload
    return head[:2] + struct.pack('!H', wrong.get('sum', checksum(head))) + head[4:]


def _pseudo(src, dst, protocol, segment):
    if ':' in src:
        return checksum(address(src) + address(dst) + struct.pack('!II', len(segment), protocol) + segment)
    return checksum(address(src) + address(dst) + struct.pack('!BBH', 0, protocol, len(segment)) + segment)


def udp(src, dst, sport, dport, payload, **wrong):
    """A UDP datagram [RFC 768]; @wrong: length, sum."""
    head = struct.pack('!HHHH', sport, dport, wrong.get('length', 8 + len(payload)) & 0xffff, 0) + payload
    value = wrong.get('sum', _pseudo(src, dst, UDP, head) or 0xffff)
    return head[:6] + struct.pack('!H', value) + payload


def tcp(src, dst, sport, dport, seq, ack, flags, payload=b'', **wrong):
    """A TCP segment [RFC 9293 3.1]; @wrong: offset, window, sum, urgent, options."""
    options = wrong.get('options', b'')
    offset = wrong.get('offset', 5 + (len(options) + 3) // 4)
    options += b'\0' * (-len(options) % 4)
    head = struct.pack('!HHIIBBHHH', sport, dport, seq & 0xffffffff, ack & 0xffffffff, offset << 4, flags,
                       wrong.get('window', 65535), 0, wrong.get('urgent', 0)) + options + payload
    value = wrong.get('sum', _pseudo(src, dst, TCP, head))
    return head[:16] + struct.pack('!H', value) + head[18:]


class Segment:
    """What of a received TCP segment the tests look at."""

    def __init__(self, frame):
        is_ip6 = frame[12:14] == b'\x86\xdd'
        ihl = 40 if is_ip6 else (frame[14] & 15) * 4
        total = 40 + struct.unpack_from('!H', frame, 18)[0] if is_ip6 else struct.unpack_from('!H', frame, 16)[0]
        tcp_at = 14 + ihl
        self.dst = frame[38:54] if is_ip6 else frame[30:34]
        (self.sport, self.dport, self.seq, self.ack, offset, self.flags, self.window) = struct.unpack_from('!HHIIBBH', frame,
                                                                                                          tcp_at)
        self.options = frame[tcp_at + 20:tcp_at + (offset >> 4) * 4]
        self.payload = frame[tcp_at + (offset >> 4) * 4:14 + total]


def tcp_of(frame):
    """A Segment, or None if the frame holds none."""
    if len(frame) >= 54 and frame[12:14] == b'\x08\x00' and frame[23] == TCP:
        return Segment(frame)
    if len(frame) >= 74 and frame[12:14] == b'\x86\xdd' and frame[20] == TCP:
        return Segment(frame)
    return None


class Wire:
    """A raw socket on an interface."""

    def __init__(self, interface):
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 22)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self.socket.bind((interface, 0))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, frame):
        """Sends; waits while the device's queue is full. Returns whether the host took the frame."""
        for _ in range(1000):
            try:
                self.socket.send(frame)
                return True
            except BlockingIOError:
                time.sleep(0.001)
            except OSError as e:
                if e.errno != 105:  # ENOBUFS
                    return False
                time.sleep(0.001)
        return False

    def receive(self, wanted, timeout=5):
        """The first frame for which wanted(frame) is true, with what it returned: (frame, result); None in time."""
        deadline = time.monotonic() + timeout
        while True:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.socket], [], [], left)[0]:
                return None
            frame, where = self.socket.recvfrom(1 << 17)
            if where[2] == socket.PACKET_OUTGOING:
                continue
            result = wanted(frame)
            if result:
                return frame, result

    def drain(self):
        """Forgets what has arrived."""
        while select.select([self.socket], [], [], 0)[0]:
            self.socket.recv(1 << 17)
