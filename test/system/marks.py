#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Congestion marks between images/echo and Linux [RFC 3168, RFC 8257] over a wire that marks instead of losing: what is marked is
echoed, until it was heard (classic) or exactly (dctcp), Linux's own marks make our windows smaller, and a peer that does not ask
gets none. Linux is here a classic ECN end only: DCTCP's sender needs its kernel module, and is tried by unit tests."""
import pathlib
import socket
import struct
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'lib'))
import badwire  # noqa: E402  pylint: disable=wrong-import-position
import frame as fr  # noqa: E402  pylint: disable=wrong-import-position
import lab  # noqa: E402  pylint: disable=wrong-import-position
from guest import Guest  # noqa: E402  pylint: disable=wrong-import-position
from load import Load  # noqa: E402  pylint: disable=wrong-import-position
from report import Report, check  # noqa: E402  pylint: disable=wrong-import-position

CONNECTIONS, OUTSTANDING, BYTES = 4, 64 * 1024, 400 * 1024
ECE, CWR = 0x40, 0x80
CE = 3
SO_RCVBUFFORCE = 33
DELIVERED_CE = 196      # in struct tcp_info: segments that came marked, as the other end says
STATS = r'stats core 0: \d+ timeouts; marked (\d+), (\d+) windows smaller by marks;'


class Watch(threading.Thread):
    """What passes between the wire and the guest."""

    def __init__(self):
        super().__init__(daemon=True)
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 26)
        self.socket.bind((badwire.FAR, 0))
        self.socket.settimeout(0.1)
        self.is_over, self.frames = False, []

    def run(self):
        while True:
            try:
                self.frames.append(self.socket.recvfrom(1 << 17))
            except socket.timeout:
                if self.is_over:
                    return

    def end(self):
        """All of them as (is_to_guest, ECN field, segment)."""
        self.is_over = True
        self.join()
        _, dropped = struct.unpack('II', self.socket.getsockopt(263, 6, 8))     # SOL_PACKET, PACKET_STATISTICS
        check(not dropped, f'{dropped} frames were not seen')
        self.socket.close()
        for frame, where in self.frames:
            segment = fr.tcp_of(frame)
            if segment:
                ecn = (frame[15] >> 4 if frame[12:14] == b'\x86\xdd' else frame[15]) & 3
                yield where[2] != socket.PACKET_OUTGOING, ecn, segment


class Seen:
    """Sums over a stream: bytes that came to the guest marked or not, and bytes that it acknowledged with ECE or without."""

    def __init__(self, frames):
        self.came, self.acked = {True: 0, False: 0}, {True: 0, False: 0}
        self.wrong = self.cwr_to = self.cwr_from = self.able_from = 0
        streams = {}
        for is_to_guest, ecn, s in frames:
            port = s.sport if is_to_guest else s.dport
            self.cwr_to += is_to_guest and bool(s.flags & CWR) and not s.flags & fr.SYN
            self.cwr_from += not is_to_guest and bool(s.flags & CWR)
            self.able_from += not is_to_guest and ecn != 0
            if s.flags & fr.SYN:
                continue
            if is_to_guest:
                self.arrive(streams.setdefault(port, [s.seq, s.seq, []]), s, ecn == CE)
            elif port in streams:
                self.acknowledge(streams[port], s)

    def arrive(self, stream, s, is_marked):
        """In order, or not counted: nothing is lost here."""
        if s.payload and s.seq == stream[1]:
            stream[1] = (stream[1] + len(s.payload)) & 0xffffffff
            stream[2].append((len(s.payload), is_marked))
            self.came[is_marked] += len(s.payload)

    def acknowledge(self, stream, s):
        count = (s.ack - stream[0]) & 0xffffffff
        if count == 0 or count > 1 << 30:
            return
        stream[0] = s.ack
        is_echo = bool(s.flags & ECE)
        self.acked[is_echo] += count
        while count > 0 and stream[2]:
            bytes_, is_marked = stream[2].pop(0)
            self.wrong += bytes_ if is_marked != is_echo else 0
            count -= bytes_


def stats(guest):
    match = guest.wait_line(STATS, start=guest.mark(), timeout=60)
    check(match, f'no line of statistics; console:\n{guest.text()[-2000:]}')
    return int(match[1]), int(match[2])


def stream(guest, to_guest, from_guest, address):
    """Verified streams over such a wire. Returns (Seen, what Linux says of marks, counts of the wire, (marked, reduced) of the guest)."""
    before = stats(guest)
    with badwire.Wire(to_guest, from_guest) as wire:
        watch = Watch()
        watch.start()
        with Load(CONNECTIONS, address, outstanding=OUTSTANDING) as load:
            load.progress(BYTES, 60)
            told = sum(struct.unpack_from('I', s.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 200), DELIVERED_CE)[0]
                       for s in load.streams)
            load.drain(60)
        counts = wire.end()
    seen, after = Seen(watch.end()), stats(guest)
    check(not guest.panicked(), guest.text()[-2000:])
    return seen, told, counts, (after[0] - before[0], after[1] - before[1])


def test_to_guest(guest, address, is_exact):
    seen, told, counts, (marked, _) = stream(guest, 'mark=20,delay=2', 'delay=2', address)
    check(counts['out']['marked'] > 20, f'the wire marked {counts["out"]["marked"]} frames to the guest')
    check(marked >= counts['out']['marked'] * 0.9, f'the guest counted {marked} of {counts["out"]["marked"]} marked frames')
    check(told > 0, 'Linux was not told of marks')
    check(seen.acked[True] > 0 and seen.acked[False] > 0, f'acknowledged with and without ECE: {seen.acked}')
    if is_exact:
        check(seen.wrong <= 0.01 * sum(seen.came.values()), f'{seen.wrong} bytes were acknowledged with another ECE than they came with: '
              f'{seen.came}, {seen.acked}')
    else:
        check(seen.cwr_to > 0, 'Linux never said that it heard')
        check(seen.acked[True] > seen.came[True] * 1.2, f'echoed until heard is more than what was marked: {seen.came}, {seen.acked}')
    return (f'{seen.came[True] >> 10} KiB came marked, {seen.acked[True] >> 10} KiB were acknowledged with ECE, {seen.wrong >> 10} KiB '
            f'not as they came; Linux was told of {told}')


def test_from_guest(guest, address):
    seen, _, counts, (_, reduced) = stream(guest, 'delay=2', 'mark=20,delay=2', address)
    check(counts['in']['marked'] > 20, f'the wire marked {counts["in"]["marked"]} frames from the guest')
    check(reduced > 0, 'the guest made no window smaller')
    check(seen.cwr_from > 0, 'the guest never said that it heard')
    return f'{counts["in"]["marked"]} frames marked, {reduced} windows made smaller, CWR in {seen.cwr_from} segments'


def test_not_asked(guest):
    set_ecn(0)
    try:
        seen, told, counts, changed = stream(guest, 'mark=100', 'mark=100', lab.GUEST)
    finally:
        set_ecn(1)
    check(counts['in']['marked'] == counts['out']['marked'] == seen.able_from == told == 0 and changed == (0, 0),
          f'{seen.able_from} frames of the guest could be marked: {counts}')
    return 'a peer that does not ask gets nothing that can be marked'


def set_ecn(value):
    """Of this namespace: 1, Linux asks for it."""
    pathlib.Path('/proc/sys/net/ipv4/tcp_ecn').write_text(str(value), encoding='ascii')


def main():
    report = Report()
    lab.enter(address=False)
    badwire.lay()
    set_ecn(1)
    # A control of Linux's that heeds marks.
    lab.ip('route', 'replace', '10.7.0.0/24', 'dev', badwire.NEAR, 'src', lab.HOST, 'congctl', 'cubic')
    lab.ip('-6', 'route', 'replace', 'fd07::/64', 'dev', badwire.NEAR, 'congctl', 'cubic')
    for kind in ('classic', 'dctcp'):
        with Guest('images/echo.ix', overrides=[f'ports.7.ecn={kind}', 'stats_s=1']) as guest:
            guest.wait_ready()
            report.run(f'marks.{kind}.to_guest', test_to_guest, guest, lab.GUEST, kind == 'dctcp')
            report.run(f'marks.{kind}.from_guest', test_from_guest, guest, lab.GUEST6)
            if kind == 'classic':
                report.run('marks.not_asked', test_not_asked, guest)
    report.close()


if __name__ == '__main__':
    main()
