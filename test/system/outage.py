#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What TCP does while nobody answers: the ladder of timeouts as a capture shows it, a black hole and what comes after it, windows
that stay closed, peers that fall silent. `--long`: 30 s of black hole, and states that a silent peer may not hold for ever.
`--ip6`: the ladder, the black hole and the closed window over IPv6."""
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

ECHO, EAGER, CLOSER, WATCHER, SOURCE = 7, 8, 13, 15, 19  # test/guest/manners.c
SO_TIMESTAMPNS = 35
PAGE = bytes(ord('a') + i % 26 for i in range(65536))


class Capture(fr.Wire):
    """A wire that knows when the host got each frame, however late we look."""

    def __init__(self, interface):
        super().__init__(interface)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)

    def record(self, seconds, wanted):
        """The times of all frames within so many seconds for which wanted(segment) is true."""
        times, end = [], time.monotonic() + seconds
        self.socket.settimeout(0.05)
        while time.monotonic() < end:
            try:
                got, extra, _, where = self.socket.recvmsg(1 << 17, 64)
            except (socket.timeout, BlockingIOError):
                continue
            segment = None if where[2] == socket.PACKET_OUTGOING else fr.tcp_of(got)
            if segment and wanted(segment):
                times.append(sum(v * unit for v, unit in zip(struct.unpack_from('qq', extra[0][2]), (1, 1e-9))))
        self.socket.settimeout(None)
        return times


def open_raw(wire, address, sport, dport):
    """A connection of a peer that does only what it is told to."""
    raw = RawPeer(wire, lab.mac_of(lab.Family.guest), address)
    check(raw.open(sport, dport), f'no answer to a SYN to port {dport}')
    return raw


def exchange(raw, count):
    """So many requests, each answered and acknowledged: the guest's estimate of the round trip settles."""
    for _ in range(count):
        raw.send(payload=b'ping', flags=fr.ACK | fr.PSH)
        raw.snd_nxt = (raw.snd_nxt + 4) & 0xffffffff
        answer = raw.expect(lambda s: s.payload and s.seq == raw.rcv_nxt)
        check(answer, 'no echo')
        raw.rcv_nxt = (raw.rcv_nxt + len(answer.payload)) & 0xffffffff
        raw.send()


def ladder(port, address, floor_ms, seconds, at_least, at_most):
    """Timeouts of one answer that is never acknowledged. A busy machine makes each later, never earlier."""
    with Capture(lab.TAP) as wire:
        raw = open_raw(wire, address, 6000 + port, port)
        exchange(raw, 60)
        wire.drain()
        raw.send(payload=b'lost', flags=fr.ACK | fr.PSH)
        times = wire.record(seconds, lambda s: s.dport == raw.sport and s.payload == b'lost')
        raw.send(seq=raw.snd_nxt + 4, flags=fr.RST)
    gaps = [(b - a) * 1000 for a, b in zip(times, times[1:])]
    text = ' '.join(f'{gap:.0f}' for gap in gaps)
    check(at_least <= len(gaps) <= at_most, f'{len(gaps)} timeouts in {seconds} s, expected {at_least}..{at_most}: {text} ms')
    for n, gap in enumerate(gaps):
        check(gap >= 0.6 * (floor_ms << n), f'timeout {n + 1} after {gap:.1f} ms is too early: {text} ms')
        if gap > 40 and n:
            # One that a busy machine made late may be as long as the next.
            check(gap > 1.3 * gaps[n - 1] or gap >= 0.9 * (floor_ms << n), f'timeout {n + 1} does not double: {text} ms')
    sum_ms = floor_ms * ((1 << len(gaps)) - 1)
    check(sum(gaps) >= 0.9 * sum_ms, f'{sum(gaps):.0f} ms in all, expected {sum_ms}: {text} ms')
    return f'sent again after {text} ms'


def test_ladder():
    return ladder(ECHO, lab.Family.other(61), 200, 3.5, 3, 4)


def test_eager_ladder():
    return ladder(EAGER, lab.Family.other(62), 5, 3.5, 6, 10)


# ---- a black hole ----
class BlackHole:
    """Nothing goes to the guest, and what comes from it is from nowhere; ARP is not answered either. (Over IPv6 it is, and what
    comes is heard: Linux has no reverse path filter there.)"""

    def __enter__(self):
        for interface in ('all', lab.TAP):
            pathlib.Path(f'/proc/sys/net/ipv4/conf/{interface}/rp_filter').write_text('1', encoding='ascii')
        self.route('add')
        return self

    def __exit__(self, *_):
        self.route('del')

    @staticmethod
    def route(verb):
        lab.ip('-6' if lab.Family.is_ip6() else '-4', 'route', verb, 'blackhole', lab.Family.guest)


class Stream(threading.Thread):
    """Bytes to the echo port as fast as they come back, every one of them looked at."""

    def __init__(self):
        super().__init__(daemon=True)
        self.socket = lab.connect(timeout=300)
        self.stopped, self.failure, self.count = False, None, 0

    def run(self):
        rng = random.Random(30)
        try:
            while not self.stopped:
                data = rng.randbytes(rng.choice((1, 1000, 20000)))
                self.socket.sendall(data)
                check(lab.receive(self.socket, len(data)) == data, 'other bytes came back')
                self.count += len(data)
        except Exception as e:  # pylint: disable=broad-except
            self.failure = f'{type(e).__name__}: {e}'


def wait_progress(streams, before, seconds):
    """Until all of them have gone on; how long it took."""
    began = time.monotonic()
    while any(s.count <= b for s, b in zip(streams, before)):
        failure = next((s.failure for s in streams if s.failure), None)
        check(not failure, f'{failure}')
        check(time.monotonic() - began < seconds, f'no progress within {seconds} s after the outage')
        time.sleep(0.02)
    return time.monotonic() - began


def black_hole(seconds):
    streams = [Stream() for _ in range(8)]
    for s in streams:
        s.start()
    wait_progress(streams, [0] * len(streams), 30)
    with BlackHole():
        time.sleep(0.5)
        before = [s.count for s in streams]
        time.sleep(seconds)
        check([s.count for s in streams] == before, 'bytes came through the black hole')
    took = wait_progress(streams, before, 60 + 2 * seconds)
    for s in streams:
        s.stopped = True
    for s in streams:
        s.join(60)
        check(not s.failure, f'{s.failure}')
    return f'{seconds} s of black hole, 8 connections went on {took:.1f} s after it'


def test_black_hole():
    return black_hole(2)


def test_long_black_hole():
    return black_hole(30)


# ---- windows ----
def zero_window(seconds):
    """A reader that stops for a while; not a byte is lost or doubled."""
    with socket.socket(lab.Family.inet) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        s.settimeout(120)
        s.connect((lab.Family.guest, SOURCE))
        at = 0
        for pause in (seconds, 0.3):
            time.sleep(pause)
            for _ in range(64):
                got = lab.receive(s, 8192)
                want = (PAGE + PAGE)[at % 65536:at % 65536 + 8192]
                check(got == want, f'wrong bytes at {at}')
                at += len(got)
    return f'{at} bytes, all right, of a reader that paused for {seconds} s'


def test_zero_window():
    return zero_window(3)


def test_long_zero_window():
    return zero_window(70)


def test_probes():
    """A window of zero is asked about, ever more seldom, and data follows as soon as it opens."""
    with Capture(lab.TAP) as wire:
        raw = RawPeer(wire, lab.mac_of(lab.GUEST), '10.7.0.63')
        check(raw.open(6101, SOURCE, window=0), 'no answer to a SYN')
        times = wire.record(9, lambda s: s.dport == raw.sport and (s.payload or s.seq != raw.rcv_nxt))
        gaps = [b - a for a, b in zip(times, times[1:])]
        text = ' '.join(f'{gap * 1000:.0f}' for gap in gaps)
        check(2 <= len(gaps) <= 6, f'{len(times)} probes in 9 s: {text} ms')
        check(gaps[-1] > 1.3 * gaps[0], f'probes do not become more seldom: {text} ms')
        raw.send(window=1000)
        data = raw.expect(lambda s: len(s.payload) > 1, 5)
        check(data and data.seq == raw.rcv_nxt and data.payload == PAGE[:len(data.payload)], 'no data into the open window')
        raw.send(flags=fr.RST)
    return f'probes after {text} ms'


# ---- silence ----
def test_keepalive():
    """Asked after a second; a peer that answers lives, one that does not is reset after nine more."""
    with fr.Wire(lab.TAP) as wire:
        raw = open_raw(wire, '10.7.0.64', 6201, WATCHER)
        began = time.monotonic()
        for _ in range(2):
            check(raw.expect(lambda s: s.seq == (raw.rcv_nxt - 1) & 0xffffffff, 10), 'no keepalive')
            raw.send()
        lived = time.monotonic() - began
        check(lived > 1.5, f'two keepalives within {lived:.1f} s')
        check(raw.expect(lambda s: s.flags & fr.RST, 60), 'a dead peer was not noticed')
        died = time.monotonic() - began - lived
        check(died > 8, f'given up after {died:.1f} s of silence')
    return f'two answers, then a reset after {died:.1f} s of silence'


def test_fin_wait(guest):
    """A peer that never says FIN after ours is forgotten after 20 s."""
    with fr.Wire(lab.TAP) as wire:
        raw = open_raw(wire, '10.7.0.65', 6301, CLOSER)
        fin = raw.expect(lambda s: s.flags & fr.FIN, 10)
        check(fin, 'the guest did not close')
        raw.rcv_nxt = (fin.seq + len(fin.payload) + 1) & 0xffffffff
        raw.send()
        time.sleep(10)
        raw.send(seq=raw.snd_nxt - 1)
        answer = raw.expect(lambda s: True, 5)
        check(answer and not answer.flags & fr.RST, 'forgotten too soon')
        time.sleep(25)
        raw.send()
        check(raw.expect(lambda s: s.flags & fr.RST, 5), 'still there after 35 s')
    check(guest.is_running() and not guest.panicked(), guest.text()[-2000:])
    return 'held for 10 s, not for 35 s'


def test_last_ack(guest):
    """A peer that closes and never acknowledges our FIN is given up after two minutes."""
    with fr.Wire(lab.TAP) as wire:
        raw = open_raw(wire, '10.7.0.66', 6302, ECHO)
        raw.send(flags=fr.ACK | fr.FIN)
        raw.snd_nxt += 1
        check(raw.expect(lambda s: s.flags & fr.FIN, 10), 'the guest did not close')
        check(raw.expect(lambda s: s.flags & fr.FIN, 30), 'its FIN was not sent again')
        time.sleep(150)
        wire.drain()
        raw.send()
        check(raw.expect(lambda s: s.flags & fr.RST, 40), 'still there after three minutes')
    check(guest.is_running() and not guest.panicked(), guest.text()[-2000:])
    return 'given up'


def together(report, tests):
    """Most of their time is waiting: side by side, and reported one after the other."""
    results = {}

    def run(name, test):
        try:
            results[name] = (None, test())
        except Exception as e:  # pylint: disable=broad-except
            results[name] = (e, None)

    def verdict(name):
        failure, text = results[name]
        if failure:
            raise failure
        return text
    threads = [threading.Thread(target=run, args=test, daemon=True) for test in tests]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for name, _ in tests:
        report.run(name, verdict, name)


def main():
    report = Report()
    lab.enter()
    lab.Family.use(sys.argv)
    with Guest('test/images/manners.ix', address=None, overrides=[f'net.address6={lab.GUEST6}/{lab.PREFIX6}']) as guest:
        guest.wait_ready()
        check(lab.Pinger().ping(), 'no answer to ping')
        if '--long' in sys.argv:
            together(report, [('fin_wait', lambda: test_fin_wait(guest)), ('last_ack', lambda: test_last_ack(guest)),
                              ('zero_window', test_long_zero_window)])
            report.run('black_hole', test_long_black_hole)
        elif '--ip6' in sys.argv:
            together(report, [('ladder', test_ladder), ('zero_window', test_zero_window)])
            report.run('black_hole', test_black_hole)
        else:
            together(report, [('ladder', test_ladder), ('eager_ladder', test_eager_ladder), ('zero_window', test_zero_window),
                              ('probes', test_probes), ('keepalive', test_keepalive)])
            report.run('black_hole', test_black_hole)
        report.run('alive', lambda: check(guest.is_running() and not guest.panicked(), guest.text()[-2000:]))
    report.close()


if __name__ == '__main__':
    main()
