#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A busy client with few ports: the guest closes first, so each port comes back while its last connection is in TIME_WAIT there
[RFC 6191, RFC 9293 3.6.1]. No connection may fail, or wait until a second SYN is answered."""
import pathlib
import socket
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'lib'))
import lab  # noqa: E402  pylint: disable=wrong-import-position
from guest import Guest  # noqa: E402  pylint: disable=wrong-import-position
from report import Report, check  # noqa: E402  pylint: disable=wrong-import-position

CLOSER = 13  # test/guest/manners.c
CONNECTIONS = 3000
FIRST, LAST = 40000, 40003


def busy(timestamps):
    for name, value in (('tcp_timestamps', timestamps), ('ip_local_port_range', f'{FIRST} {LAST}')):
        pathlib.Path(f'/proc/sys/net/ipv4/{name}').write_text(str(value), encoding='ascii')
    began, again, slowest, ports = time.monotonic(), 0, 0.0, set()
    for n in range(CONNECTIONS):
        since = time.monotonic()
        try:
            with socket.create_connection((lab.GUEST, CLOSER), timeout=30) as s:
                slowest = max(slowest, time.monotonic() - since)
                ports.add(s.getsockname()[1])
                again += s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)[100]  # tcpi_total_retrans
                check(lab.receive(s, 5) == b'bye\n', 'not what it says')
        except OSError as e:
            check(False, f'connection {n}: {e}')
    check(len(ports) <= LAST - FIRST + 1, f'{len(ports)} ports')
    check(again <= CONNECTIONS / 1000, f'{again} SYNs had to be sent again')
    return (f'{CONNECTIONS} connections from {len(ports)} ports in {time.monotonic() - began:.1f} s, {again} SYNs sent again, '
            f'the slowest after {slowest * 1000:.0f} ms')


def main():
    report = Report()
    lab.enter()
    with Guest('test/images/manners.ix', address=None) as guest:
        guest.wait_ready()
        check(lab.Pinger().ping(), 'no answer to ping')
        report.run('timestamps', busy, 1)
        report.run('sequence_numbers', busy, 0)
        report.run('alive', lambda: check(guest.is_running() and not guest.panicked(), guest.text()[-2000:]))
    report.close()


if __name__ == '__main__':
    main()
