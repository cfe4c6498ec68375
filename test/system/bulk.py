#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Much data each way, every byte compared, and bursts of datagrams: with all that a card offers and with nothing of it.
--long: a GiB each way instead of 32 MiB."""
import pathlib
import random
import select
import socket
import struct
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'lib'))
import lab  # noqa: E402  pylint: disable=wrong-import-position
from guest import Guest  # noqa: E402  pylint: disable=wrong-import-position
from report import Report, check  # noqa: E402  pylint: disable=wrong-import-position

ECHO, CHARGEN = 7, 19
SO_RCVBUFFORCE = 33
MIB = 1 << 20
# Feature bits [virtio-1.2 5.1.3, 6] that big messages live on.
FEATURES = {'csum': 0, 'guest_csum': 1, 'guest_tso4': 7, 'guest_tso6': 8, 'host_tso4': 11, 'host_tso6': 12,
            'mrg_rxbuf': 15, 'indirect_desc': 28}
BARE = ('csum', 'guest_csum', 'gso', 'guest_tso4', 'guest_tso6', 'guest_ecn', 'guest_ufo', 'host_tso4', 'host_tso6',
        'host_ecn', 'host_ufo', 'mrg_rxbuf', 'indirect_desc')
CARDS = {'full': (), 'bare': tuple(word for name in BARE for word in ('-global', f'virtio-net-pci.{name}=off'))}
PATTERN = random.Random(7).randbytes(MIB + 65521)   # read from a place that moves on: no period that a buffer could have


def piece(at, count):
    """@count bytes, at most a MiB, of an endless stream."""
    start = at % 65521
    return PATTERN[start:start + count]


def test_features(guest, card):
    line = guest.wait_line(r'^virtio-net: .* features ([0-9a-f]+)', timeout=1)
    check(line, 'the console does not say which features are in use')
    has = {name for name, bit in FEATURES.items() if int(line.group(1), 16) >> bit & 1}
    check(has == (set(FEATURES) if card == 'full' else set()), f'in use: {sorted(has)}')
    return ', '.join(sorted(has)) or 'none'


def send_stream(s, total, errors):
    try:
        for at in range(0, total, MIB):
            s.sendall(piece(at, min(MIB, total - at)))
        s.shutdown(socket.SHUT_WR)
    except OSError as e:
        errors.append(e)


def test_echo(total):
    started, at, errors = time.monotonic(), 0, []
    with lab.connect(ECHO, timeout=60) as s:
        sender = threading.Thread(target=send_stream, args=(s, total, errors), daemon=True)
        sender.start()
        while at < total:
            count = min(MIB - at % MIB, total - at)
            got = lab.receive(s, count)
            check(got == piece(at - at % MIB, MIB)[at % MIB:at % MIB + count],
                  f'of {count} bytes from {at} on {len(got)} came, or not the same')
            at += count
        check(s.recv(1) == b'', 'there is more than was sent')
        sender.join()
    check(not errors, str(errors))
    seconds = time.monotonic() - started
    return f'{total >> 20} MiB each way at once in {seconds:.1f} s, {total * 8 / seconds / 1e6:.0f} Mbit/s'


def test_chargen(total):
    started = time.monotonic()
    page = b''.join(bytes(32 + (line + i) % 95 for i in range(72)) + b'\r\n' for line in range(95))
    pages = page * (MIB // len(page) + 2)
    with lab.connect(CHARGEN, timeout=60) as s:
        for at in range(0, total, MIB):
            got = lab.receive(s, MIB)
            check(got == pages[at % len(page):at % len(page) + MIB], f'byte {at} and those behind it are not those of RFC 864')
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
    return f'{total >> 20} MiB to us in {time.monotonic() - started:.1f} s'


def burst(s, count, size):
    """Sends @count datagrams at once; those that came back, by number, each compared."""
    for i in range(count):
        s.send(struct.pack('!I', i) + PATTERN[i:i + size - 4])
    seen = set()
    while len(seen) < count and select.select([s], [], [], 3)[0]:
        got = s.recv(65536)
        number = struct.unpack_from('!I', got)[0]
        check(got[4:] == PATTERN[number:number + size - 4], f'datagram {number} came back changed')
        check(number not in seen, f'datagram {number} came back twice')
        seen.add(number)
    return seen


def test_udp_sizes():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.connect((lab.GUEST, ECHO))
        s.settimeout(5)
        for size in (*range(0, 130), *range(130, 1473, 7), 1471, 1472):
            s.send(PATTERN[:size])
            check(s.recv(65536) == PATTERN[:size], f'{size} bytes came back changed')
    return 'up to 1,472 bytes'


def test_udp_bursts():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s, lab.connect(ECHO) as witness:
        s.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 24)
        s.connect((lab.GUEST, ECHO))
        for count, size, rounds in ((64, 64, 30), (64, 1472, 10), (250, 300, 10)):
            for _ in range(rounds):
                got = len(burst(s, count, size))
                check(got == count, f'of {count} datagrams of {size} bytes at once {got} were answered')
        got = len(burst(s, 5000, 200))
        check(got > 0, 'of 5,000 datagrams at once none was answered')
        witness.sendall(b'still here')
        check(lab.receive(witness, 10) == b'still here', 'a connection does not survive a flood of datagrams')
    return f'64 and 250 at once without a loss; of 5,000 at once {got} answered'


def main():
    report = Report()
    is_long = '--long' in sys.argv[1:]
    total = 1024 * MIB if is_long else 32 * MIB
    lab.enter(1)
    for card, qemu in CARDS.items():
        with Guest('images/echo.ix', qemu=qemu) as guest:
            if not report.run(f'bulk.{card}.ready', lambda g=guest: f'after {g.wait_ready():.2f} s'):
                continue
            report.run(f'bulk.{card}.features', test_features, guest, card)
            report.run(f'bulk.{card}.echo', test_echo, total)
            report.run(f'bulk.{card}.chargen', test_chargen, total)
            report.run(f'bulk.{card}.udp_sizes', test_udp_sizes)
            report.run(f'bulk.{card}.udp_bursts', test_udp_bursts)
            report.run(f'bulk.{card}.after_all', lambda g=guest: check(g.is_running() and not g.panicked(), g.text()[-2000:]))
    report.close()


if __name__ == '__main__':
    main()
