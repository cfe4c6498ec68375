#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A flood of forged SYNs from everywhere against images/echo [RFC 4987]: the connection there is goes on, honest clients open new
ones, also ones that need what a cookie must remember. --ip6: shorter, over IPv6."""
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
from guest import Guest  # noqa: E402  pylint: disable=wrong-import-position
from peer import RawPeer  # noqa: E402  pylint: disable=wrong-import-position
from report import Report, check  # noqa: E402  pylint: disable=wrong-import-position

IS_IP6 = lab.Family.use(sys.argv)
FORGED = 20000 if IS_IP6 else 100000
BATCH = 50
PAUSE = 0.003      # after each batch, so that the transmit queue of 256 has room for all answers
STEP = 5000        # after so many the guest must have caught up: it is to see every one of them
HALF_OPEN = 64     # of the guest's port 7; what comes beyond is answered by cookies
OPTIONS = b'\x02\x04\x05\xb4\x04\x02\x08\x0a\0\0\0\1\0\0\0\0\1\3\3\7'


class Flood:
    """Forged SYNs to the echo port, from 2^16 addresses behind the gateway."""

    def __init__(self, wire):
        self.wire, self.sent = wire, 0
        self.rng = random.Random(4987)
        src, dst = '2001:db8::' if IS_IP6 else '198.18.0.0', lab.Family.guest
        self.good = bytearray(fr.on_wire(lab.mac_of(dst), lab.tap_mac(), fr.packet(src, dst, fr.TCP, fr.tcp(
            src, dst, 0, 7, 0, 0, fr.SYN, options=OPTIONS))))
        self.host, self.tcp = (36, 54) if IS_IP6 else (28, 34)      # offsets of the address' end and of the TCP header
        self.ip_sum, self.tcp_sum = (struct.unpack_from('!H', self.good, at)[0] for at in (24, self.tcp + 16))

    def send(self, count):
        """So many, each from somewhere else; only what differs is summed up again [RFC 1624]."""
        for _ in range(count):
            host, port, high, low = (self.rng.getrandbits(16) for _ in range(4))
            struct.pack_into('!H', self.good, self.host, host)
            struct.pack_into('!H', self.good, self.tcp, port)
            struct.pack_into('!HH', self.good, self.tcp + 4, high, low)
            if not IS_IP6:
                struct.pack_into('!H', self.good, 24, changed(self.ip_sum, host))
            struct.pack_into('!H', self.good, self.tcp + 16, changed(self.tcp_sum, host + port + high + low))
            self.wire.send(self.good)
        self.sent += count


def changed(checksum, by):
    """A checksum over words that were 0 and now add up to @by."""
    total = (~checksum & 0xffff) + by
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


class Honest(threading.Thread):
    """Connects, says something large and closes, again and again."""

    def __init__(self):
        super().__init__(daemon=True)
        self.stopped, self.failure, self.opened, self.slowest, self.again = False, None, 0, 0.0, 0

    def run(self):
        data = random.Random(1).randbytes(6000)
        try:
            while not self.stopped:
                began = time.monotonic()
                with lab.connect(timeout=60) as s:
                    self.slowest = max(self.slowest, time.monotonic() - began)
                    self.again += s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)[100]  # tcpi_total_retrans
                    s.sendall(data)
                    check(lab.receive(s, len(data)) == data, 'another answer')
                self.opened += 1
                time.sleep(0.02)
        except Exception as e:  # pylint: disable=broad-except
            self.failure = f'{type(e).__name__}: {e}'


class Witness(threading.Thread):
    """A connection from before the flood, used all the time."""

    def __init__(self):
        super().__init__(daemon=True)
        self.stopped, self.failure, self.rounds, self.slowest = False, None, 0, 0.0
        self.socket = lab.connect(timeout=60)

    def run(self):
        try:
            while not self.stopped:
                began = time.monotonic()
                self.socket.sendall(b'still?')
                check(lab.receive(self.socket, 6) == b'still?', 'another answer')
                self.slowest = max(self.slowest, time.monotonic() - began)
                self.rounds += 1
                time.sleep(0.002)
        except Exception as e:  # pylint: disable=broad-except
            self.failure = f'{type(e).__name__}: {e}'


def test_flood(guest):
    pinger = lab.Pinger()
    check(pinger.ping(), 'no answer to ping')
    with fr.Wire(lab.TAP) as wire:
        flood = Flood(wire)
        users = [Witness(), Honest(), Honest()]
        flood.send(BATCH)
        check(pinger.ping(), 'no answer to ping')
        for user in users:
            user.start()
        dropped, began = lab.dropped_frames(), time.monotonic()
        while flood.sent < FORGED:
            flood.send(BATCH)
            time.sleep(PAUSE)
            if flood.sent % STEP == 0:
                check(pinger.ping(), f'no answer to ping after {flood.sent} SYNs')
            failure = next((user.failure for user in users if user.failure), None)
            check(not failure, f'after {flood.sent} SYNs: {failure}')
        lost = lab.dropped_frames() - dropped
    for user in users:
        user.stopped = True
    for user in users:
        user.join(60)
        check(not user.failure, f'{user.failure}')
    witness, honest = users[0], users[1:]
    opened = sum(h.opened for h in honest)
    check(lost < FORGED / 100, f'{lost} frames never reached the guest')
    check(opened >= FORGED / 5000, f'only {opened} connections were opened meanwhile')
    check(witness.rounds >= FORGED / 1000, f'only {witness.rounds} rounds over the old connection')
    check(guest.is_running() and not guest.panicked(), guest.text()[-2000:])
    return (f'{flood.sent} SYNs in {time.monotonic() - began:.1f} s; {witness.rounds} rounds over the old connection, the slowest {witness.slowest * 1000:.0f} ms; '
            f'{opened} new ones, the slowest after {max(h.slowest for h in honest) * 1000:.0f} ms, '
            f'{sum(h.again for h in honest)} SYNs sent again, {lost} frames lost before the guest')


def test_cores(guest):
    """Several cores, each with a queue: a cookie is good wherever its acknowledgement arrives."""
    pinger = lab.Pinger()
    check(pinger.ping(), 'no answer to ping')
    with fr.Wire(lab.TAP) as wire:
        flood = Flood(wire)
        flood.send(BATCH)
        users = [Witness(), Honest(), Honest()]
        for user in users:
            user.start()
        while flood.sent < FORGED // 10:
            flood.send(BATCH)
            time.sleep(PAUSE * 3)
    for user in users:
        user.stopped = True
    for user in users:
        user.join(60)
        check(not user.failure, f'{user.failure}')
    opened = sum(user.opened for user in users[1:])
    check(opened >= 20, f'only {opened} connections were opened meanwhile')
    check(guest.is_running() and not guest.panicked(), guest.text()[-2000:])
    return f'{flood.sent} SYNs; {users[0].rounds} rounds over the old connection, {opened} new ones'


def test_cookie(_):
    """What a cookie remembers: segment size, and that there are no options beside it; and what it does not forgive."""
    with fr.Wire(lab.TAP) as wire, RawPeer(wire, lab.mac_of(lab.Family.guest), lab.Family.other(77)) as raw:
        flood = Flood(wire)
        flood.send(2 * HALF_OPEN)
        check(raw.open(4001, 7, options=b'\x02\x04\x04\xc4'), 'no answer to a SYN')  # 1220
        first = raw.rcv_nxt
        raw.send(payload=bytes(1200))
        raw.snd_nxt += 1200
        raw.send(payload=bytes(1200), flags=fr.ACK | fr.PSH)
        raw.snd_nxt += 1200
        got = 0
        while got < 2400:
            segment = raw.expect(lambda s: s.payload)
            check(segment, f'{got} of 2400 bytes came back')
            check(len(segment.payload) <= 1220, f'a segment of {len(segment.payload)} bytes for a peer that takes 1220')
            got = max(got, (segment.seq + len(segment.payload) - first) & 0xffffffff)
            raw.rcv_nxt = (first + got) & 0xffffffff
            raw.send()
        check(raw.open(4002, 7, options=b'\x02\x04\x05\xb4') and raw.rcv_nxt, 'no answer to a SYN')
        raw.sport = 4003
        raw.send(ack=raw.rcv_nxt + 1)
        check(raw.expect(lambda s: s.flags & fr.RST), 'a forged cookie was not refused')
    return 'a small segment size is kept, a cookie of another connection is refused'


def main():
    report = Report()
    lab.enter()
    sys.setswitchinterval(0.0005)  # the clients are threads beside the flood
    # Without TSO, so that segments are seen as the peer is to get them.
    overrides = [f'ports.7.half_open={HALF_OPEN}', f'net.gateway6={lab.HOST6}']
    with Guest('images/echo.ix', overrides=overrides, memory=128,
               qemu=['-global', 'virtio-net-pci.host_tso4=off', '-global', 'virtio-net-pci.host_tso6=off']) as guest:
        guest.wait_ready()
        report.run('flood', test_flood, guest)
        report.run('cookie', test_cookie, guest)
    if not IS_IP6:      # which core a cookie comes back to is not a matter of the family
        lab.make_tap(2)
        with Guest('images/echo.ix', cpus=2, overrides=overrides) as guest:
            guest.wait_ready()
            report.run('cores', test_cores, guest)
    report.close()


if __name__ == '__main__':
    main()
