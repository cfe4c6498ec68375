# SPDX-License-Identifier: MIT
"""Frames byte by byte, right or wrong as asked, and the raw socket that sends and receives them."""
import select
import socket
import struct
import time

ETH_IPV4 = 0x0800
ETH_ARP = 0x0806
ICMP, TCP, UDP = 1, 6, 17
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
    """Four bytes of a.b.c.d."""
    return socket.inet_aton(text)


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


def icmp(kind, code, rest, payload, **wrong):
    """An ICMP message [RFC 792]; @rest: the four bytes after the checksum."""
    head = struct.pack('!BBH', kind, code, 0) + rest + payload
    return head[:2] + struct.pack('!H', wrong.get('sum', checksum(head))) + head[4:]


def _pseudo(src, dst, protocol, segment):
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
        ihl = (frame[14] & 15) * 4
        total = struct.unpack_from('!H', frame, 16)[0]
        tcp_at = 14 + ihl
        (self.sport, self.dport, self.seq, self.ack, offset, self.flags, self.window) = struct.unpack_from('!HHIIBBH', frame,
                                                                                                          tcp_at)
        self.options = frame[tcp_at + 20:tcp_at + (offset >> 4) * 4]
        self.payload = frame[tcp_at + (offset >> 4) * 4:14 + total]


def tcp_of(frame):
    """A Segment, or None if the frame holds none."""
    if len(frame) < 54 or frame[12:14] != b'\x08\x00' or frame[23] != TCP:
        return None
    return Segment(frame)


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
