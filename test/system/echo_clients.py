#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Ordinary clients against images/echo on two cores with two queues: ping, nc, socat, curl, and what sockets can do."""
import hashlib
import os
import pathlib
import random
import select
import socket
import struct
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'lib'))
import lab  # noqa: E402  pylint: disable=wrong-import-position
from guest import Guest  # noqa: E402  pylint: disable=wrong-import-position
from report import Report, check  # noqa: E402  pylint: disable=wrong-import-position

ECHO, DISCARD, CHARGEN = 7, 9, 19
MIB = 1 << 20
LINGER_RST = struct.pack('ii', 1, 0)


def run(words, stdin=b'', timeout=30):
    """What a program prints."""
    done = subprocess.run(words, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout, check=False)
    return done.stdout


def exchange(s, data):
    """Sends and expects the same back."""
    s.sendall(data)
    got = lab.receive(s, len(data))
    check(got == data, f'{len(data)} bytes were sent, {len(got)} came back, first difference at '
                       f'{next((i for i, (a, b) in enumerate(zip(data, got)) if a != b), min(len(data), len(got)))}')


def largest_datagram():
    """Bytes of payload that fill a packet of 1,500."""
    return 1452 if lab.Family.is_ip6() else 1472


def test_ping():
    largest = largest_datagram()
    for size in (0, 1, 56, largest - 1, largest):
        out = run(['ping', '-c', '3', '-i', '0.1', '-W', '5', '-s', str(size), lab.Family.guest]).decode()
        check(' 3 received' in out and ' 0% packet loss' in out, f'{size} bytes: {out.splitlines()[-2:]}')
    return f'3 of 3 at 0, 1, 56, {largest - 1:,} and {largest:,} bytes'


def bracketed():
    """The guest's address as in a URL."""
    return f'[{lab.Family.guest}]' if lab.Family.is_ip6() else lab.Family.guest


def test_nc():
    out = run(['nc', '-N', '-w', '10', lab.Family.guest, str(ECHO)], b'hello\n')
    check(out == b'hello\n', f'got {out!r}')


def test_curl():
    words = f'(printf "hello\\n"; sleep 1) | curl -sN --max-time 20 telnet://{bracketed()}:{ECHO}'
    out = run(['bash', '-c', words])
    check(out == b'hello\n', f'got {out!r}')


def test_socat():
    data = random.Random(1).randbytes(MIB)
    out = run(['socat', '-t', '10', '-', f'TCP:{bracketed()}:{ECHO}'], data)
    check(out == data, f'{len(out)} of {len(data)} bytes came back, or not the same')
    out = run(['socat', '-t', '1', '-', f'UDP:{bracketed()}:{ECHO}'], b'datagram')
    check(out == b'datagram', f'UDP: got {out!r}')


def test_bulk():
    data = random.Random(2).randbytes(16 * MIB)
    started = time.monotonic()
    with lab.connect(timeout=60) as s:
        sender = threading.Thread(target=s.sendall, args=(data,), daemon=True)
        sender.start()
        digest, left = hashlib.sha256(), len(data)
        while left:
            part = s.recv(1 << 18)
            check(part, f'the stream ended {left} bytes early')
            digest.update(part)
            left -= len(part)
        sender.join()
    check(digest.digest() == hashlib.sha256(data).digest(), 'what came back is not what was sent')
    return f'16 MiB each way at once in {time.monotonic() - started:.1f} s'


def test_many():
    connections = [lab.connect(timeout=60) for _ in range(64)]
    rng = random.Random(3)
    for _ in range(20):
        sent = [rng.randbytes(rng.choice((1, 64, 1460, 1461, 9000))) for _ in connections]
        for s, data in zip(connections, sent):
            s.sendall(data)
        for s, data in zip(connections, sent):
            check(lab.receive(s, len(data)) == data, 'a connection got another answer')
    for s in connections:
        s.close()
    return '64 connections, 20 messages each, 1 to 9,000 bytes'


def test_half_close():
    data = random.Random(4).randbytes(MIB)
    with lab.connect(timeout=60) as s:
        sender = threading.Thread(target=lambda: (s.sendall(data), s.shutdown(socket.SHUT_WR)), daemon=True)
        sender.start()
        got = lab.receive(s, len(data) + 1)
        sender.join()
    check(got == data, f'{len(got)} of {len(data)} bytes came back after our FIN')
    return 'all data came back after our FIN, then theirs'


def test_reset():
    with lab.connect() as witness:
        for i in range(200):
            s = lab.connect()
            s.sendall(bytes(1 + i * 50))
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_RST)
            s.close()
        exchange(witness, b'still here')
    return '200 resets with data on the way; another connection did not notice'


def fill(s, seconds):
    """Sends without reading until nothing has been taken for @seconds; how much was taken."""
    s.setblocking(False)
    total, quiet_since = 0, time.monotonic()
    block = bytes(range(256)) * 256
    while time.monotonic() - quiet_since < seconds:
        if not select.select([], [s], [], 0.1)[1]:
            continue
        try:
            total += s.send(block[total % 256:])
            quiet_since = time.monotonic()
        except BlockingIOError:
            pass
    return total


def test_stalled_reader():
    stalled = lab.connect(SO_SNDBUF=65536, SO_RCVBUF=65536)
    total = fill(stalled, 1.5)
    check(total < 8 * MIB, f'{total} bytes were taken from a client that does not read')
    with lab.connect() as other:
        for i in range(100):
            exchange(other, bytes([i]) * 1000)
    stalled.setblocking(True)
    stalled.settimeout(30)
    got = lab.receive(stalled, total)
    want = (bytes(range(256)) * (total // 256 + 1))[:total]
    check(got == want, f'after the stall {len(got)} of {total} bytes came back, or not the same')
    stalled.close()
    return f'{total >> 10} KiB were taken, then the window was shut; all came back later'


def test_many_stalled():
    stalled = [lab.connect(SO_SNDBUF=65536, SO_RCVBUF=65536) for _ in range(40)]
    totals = [fill(s, 0.05) for s in stalled]
    with lab.connect() as other:
        for i in range(100):
            exchange(other, bytes([i]) * 1000)
    for s in stalled:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_RST)
        s.close()
    return f'40 clients that do not read ({sum(totals) >> 10} KiB); another is served'


def test_churn():
    started = time.monotonic()
    for i in range(2000):
        with lab.connect() as s:
            exchange(s, struct.pack('I', i) * 16)
    return f'2,000 connections one after the other in {time.monotonic() - started:.1f} s'


def test_udp():
    with socket.socket(lab.Family.inet, socket.SOCK_DGRAM) as s:
        s.connect((lab.Family.guest, ECHO))
        s.settimeout(2)
        data = random.Random(5).randbytes(largest_datagram())
        for size in range(len(data) + 1):
            for _ in range(3):
                s.send(data[:size])
                try:
                    got = s.recv(65536)
                    break
                except socket.timeout:
                    got = None
            check(got == data[:size], f'{size} bytes: {"no answer" if got is None else "another answer"}')
    return f'every size from 0 to {largest_datagram():,} bytes'


def chargen_pattern(count):
    """RFC 864's lines."""
    lines = b''.join(bytes(32 + (line + i) % 95 for i in range(72)) + b'\r\n' for line in range(95))
    return (lines * (count // len(lines) + 1))[:count]


def test_chargen():
    with lab.connect(CHARGEN) as s:
        got = lab.receive(s, MIB)
        check(got == chargen_pattern(MIB), 'the characters are not those of RFC 864')
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_RST)
    with socket.socket(lab.Family.inet, socket.SOCK_DGRAM) as s:
        s.settimeout(5)
        s.sendto(b'x' * 600, (lab.Family.guest, CHARGEN))
        got = s.recv(65536)
    check(got == chargen_pattern(444), 'the datagram is not that of RFC 864')
    return '1 MiB by TCP, a datagram of 444 bytes'


def test_discard():
    with lab.connect(DISCARD, timeout=60) as s:
        s.sendall(os.urandom(4 * MIB))
        s.shutdown(socket.SHUT_WR)
        check(s.recv(1) == b'', 'something came back')
    with socket.socket(lab.Family.inet, socket.SOCK_DGRAM) as s:
        s.sendto(b'x', (lab.Family.guest, DISCARD))
        check(not select.select([s], [], [], 0.2)[0], 'a datagram came back')
    return '4 MiB vanished, the end was answered with the end'


def test_closed_ports():
    try:
        lab.connect(1234)
        check(False, 'port 1234 took a connection')
    except ConnectionRefusedError:
        pass
    with socket.socket(lab.Family.inet, socket.SOCK_DGRAM) as s:
        s.settimeout(5)
        s.connect((lab.Family.guest, 1234))
        s.send(b'x')
        try:
            s.recv(1)
            check(False, 'port 1234/udp answered')
        except ConnectionRefusedError:
            pass
    return 'RST by TCP, port unreachable by ICMP'


def test_idle_connection():
    with lab.connect() as s:
        exchange(s, b'before')
        time.sleep(4)  # a tap forgets the queue of a flow after 3 s
        exchange(s, b'after')
    return 'a connection outlives 4 s of silence'


TESTS = (test_ping, test_nc, test_curl, test_socat, test_bulk, test_many, test_half_close, test_reset, test_stalled_reader,
         test_many_stalled, test_churn, test_udp, test_chargen, test_discard, test_closed_ports, test_idle_connection)


def main():
    report = Report()
    lab.Family.use(sys.argv)
    lab.enter(2)
    with Guest('images/echo.ix', cpus=2) as guest:
        if not report.run('echo.ready', lambda: f'after {guest.wait_ready():.2f} s'):
            report.close()
        for test in TESTS:
            report.run('echo.' + test.__name__[5:], test)
        report.run('echo.after_all', lambda: (check(guest.is_running() and not guest.panicked(), guest.text()[-2000:]),
                                              test_nc())[1])
    report.close()


if __name__ == '__main__':
    main()
