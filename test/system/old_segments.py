#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Segments of another time against images/echo [RFC 7323 5]: on a connection of Linux's, one that fits in everything but its
timestamp is dropped and answered, and taken where its timestamp is new; and over a wire that repeats frames 50 ms later streams stay
what they are."""
import pathlib
import socket
import struct
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'lib'))
import badwire  # noqa: E402  pylint: disable=wrong-import-position
import frame as fr  # noqa: E402  pylint: disable=wrong-import-position
import lab  # noqa: E402  pylint: disable=wrong-import-position
from guest import Guest  # noqa: E402  pylint: disable=wrong-import-position
from load import Load  # noqa: E402  pylint: disable=wrong-import-position
from report import Report, check  # noqa: E402  pylint: disable=wrong-import-position

CONNECTIONS, OUTSTANDING, BYTES = 4, 64 * 1024, 1536 * 1024
STATS = r'stats core 0: \d+ timeouts;.* dropped (\d+) old, (\d+) by ack'
AGAIN_MS = 50
OLD_MS = 5000


def dropped(guest):
    """Segments so far: by their timestamp, by their acknowledgement."""
    match = guest.wait_line(STATS, start=guest.mark(), timeout=60)
    check(match, f'no line of statistics; console:\n{guest.text()[-2000:]}')
    return int(match[1]), int(match[2])


def timestamps(options):
    """Value and echo of a segment's option, None without one."""
    at = 0
    while at < len(options) and options[at]:
        if options[at] == 1:
            at += 1
            continue
        if options[at] == 8:
            return struct.unpack_from('!II', options, at + 2)
        if at + 1 >= len(options) or options[at + 1] < 2:
            return None
        at += options[at + 1]
    return None


class Forger:
    """Sees what Linux sends on a connection to the guest, and sends the next segment in its place."""

    def __init__(self, connection):
        self.port = connection.getsockname()[1]
        self.wire = fr.Wire(lab.TAP)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.wire.socket.close()

    def last(self):
        """The latest segment of Linux's: its frame, and what is in it."""
        found, deadline = None, time.monotonic() + 5
        while time.monotonic() < deadline:
            self.wire.socket.settimeout(0.3)
            try:
                frame, where = self.wire.socket.recvfrom(1 << 17)
            except socket.timeout:
                if found:
                    return found
                continue
            segment = fr.tcp_of(frame) if where[2] == socket.PACKET_OUTGOING else None
            if segment and segment.sport == self.port:
                found = frame, segment
        check(False, 'nothing was seen of the connection')
        return None

    def forge(self, frame, segment, payload, value_ms):
        """Behind that segment, with a timestamp so many ms from its own."""
        value, echo = timestamps(segment.options)
        option = struct.pack('!BBBBII', 1, 1, 8, 10, (value + value_ms) & 0xffffffff, echo)
        host, guest = lab.Family.host, lab.Family.guest
        forged = fr.tcp(host, guest, self.port, segment.dport, segment.seq + len(segment.payload), segment.ack, fr.ACK | fr.PSH,
                        payload, options=option)
        self.wire.drain()
        self.wire.send(fr.on_wire(frame[:6], frame[6:12], fr.packet(host, guest, fr.TCP, forged)))

    def answer(self, wanted):
        """A segment of the guest's to Linux for which wanted(segment) is true, or None."""
        def look(frame):
            segment = fr.tcp_of(frame)
            return segment if segment and segment.dport == self.port and wanted(segment) else None
        found = self.wire.receive(look, 3)
        return found[1] if found else None


def test_injected(guest):
    before, _ = dropped(guest)
    with lab.connect(address=lab.Family.guest) as s, Forger(s) as forger:
        s.sendall(b'one')
        check(lab.receive(s, 3) == b'one', 'no echo')
        frame, segment = forger.last()
        check(timestamps(segment.options), 'Linux and the guest agreed on no timestamps')
        forger.forge(frame, segment, b'old', -OLD_MS)
        answer = forger.answer(lambda got: True)
        check(answer, 'an old segment was not answered [RFC 7323 5.3 R1]')
        check(not answer.payload and answer.ack == (segment.seq + len(segment.payload)) & 0xffffffff,
              f'an old segment was taken: {answer.payload}')
        s.sendall(b'two')
        check(lab.receive(s, 3) == b'two', 'another answer after an old segment')
    after, _ = dropped(guest)
    check(after == before + 1, f'{after - before} segments were dropped as old, 1 was sent')
    with lab.connect(address=lab.Family.guest) as s, Forger(s) as forger:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        s.sendall(b'one')
        check(lab.receive(s, 3) == b'one', 'no echo')
        frame, segment = forger.last()
        forger.forge(frame, segment, b'new', 1)
        check(forger.answer(lambda got: got.payload == b'new'), 'the same segment with a new timestamp was not taken: it fitted in '
              'nothing, so the old one proves nothing')
    return 'dropped and answered by its timestamp alone; the same one with a new timestamp is taken'


def test_repeated(guest):
    """What comes again does no harm. Whatever finds its connection open is dropped: by its acknowledgement, where the stream has gone
    on by more than a window since [RFC 5961 5.2, looked at first], else by its timestamp. Which of both depends on the machine's speed."""
    before = dropped(guest)
    with badwire.Wire(f'duplicate=5,again={AGAIN_MS},delay=2') as wire:
        with Load(CONNECTIONS, lab.Family.guest, outstanding=OUTSTANDING) as load:
            load.progress(BYTES, 60)
            time.sleep(4 * AGAIN_MS / 1000)             # most of what comes again is to find its connection open
            total = load.drain(60)
        time.sleep(2 * AGAIN_MS / 1000)
        counts = wire.end()
    old, by_ack = (now - then for now, then in zip(dropped(guest), before))
    repeated = counts['out']['duplicated']
    check(repeated > 20, f'the wire repeated {repeated} frames to the guest')
    check(old + by_ack >= repeated / 4, f'{old} segments were dropped as old and {by_ack} by their acknowledgement; {repeated} came '
          f'again {AGAIN_MS} ms later')
    check(not guest.panicked(), guest.text()[-2000:])
    return (f'{total >> 10} KiB verified; {repeated} frames to the guest came again after {AGAIN_MS} ms, {old} were dropped as old, '
            f'{by_ack} by their acknowledgement')


def main():
    report = Report()
    lab.enter(address=False)
    badwire.lay()
    with Guest('images/echo.ix', overrides=['stats_s=1']) as guest:
        guest.wait_ready()
        for words in ([], ['--ip6']):
            lab.Family.use(words)
            name = 'ip6' if words else 'ip4'
            with badwire.Wire():
                report.run(f'old.injected_{name}', test_injected, guest)
            report.run(f'old.repeated_{name}', test_repeated, guest)
    report.close()


if __name__ == '__main__':
    main()
