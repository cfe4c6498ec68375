#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A guest that asks a DHCP server for its address may use what that server gave it, and nothing else; it goes on when ixd and the
switch have been killed.

Usage: host_dhcp.py
"""
import os
import pathlib
import signal
import struct
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'lib'))
import frame as fr  # noqa: E402  pylint: disable=wrong-import-position
import hostlab  # noqa: E402  pylint: disable=wrong-import-position
from report import Report, check  # noqa: E402  pylint: disable=wrong-import-position

HOST, GIVEN, PREFIX = '10.77.0.1', '10.77.3.4', 16
SECONDS = 90
DISCOVER, OFFER, REQUEST, ACK = 1, 2, 3, 5      # RFC 2132 9.6


class Server(threading.Thread):
    """As much of a DHCP server as gives one address to whoever asks [RFC 2131]."""

    def __init__(self):
        super().__init__(daemon=True)
        self.wire = fr.Wire('ixhost')
        with open('/sys/class/net/ixhost/address', encoding='ascii') as file:
            self.mac = bytes.fromhex(file.read().strip().replace(':', ''))
        self.start()

    def run(self):
        while True:
            found = self.wire.receive(self.asked, 3600)
            if found:
                self.answer(*found)

    @staticmethod
    def asked(data):
        """The kind of message if it is a client's."""
        if data[12:14] != b'\x08\x00' or data[23] != fr.UDP or data[34:38] != b'\0\x44\0\x43':
            return None
        at = 282
        while at + 2 < len(data) and data[at] != 255:
            if data[at] == 53:
                return data[at + 2]
            at += 1 if data[at] == 0 else 2 + data[at + 1]
        return None

    def answer(self, data, kind):
        client, transaction = data[70:76], data[46:50]
        options = b''.join(struct.pack('BB', code, len(value)) + value for code, value in (
            (53, bytes([OFFER if kind == DISCOVER else ACK])), (54, fr.address(HOST)), (51, struct.pack('!I', 86400)),
            (1, struct.pack('!I', 0xffffffff << (32 - PREFIX) & 0xffffffff)))) + b'\xff'
        body = b'\x02\x01\x06\0' + transaction + bytes(8) + fr.address(GIVEN) + fr.address(HOST) + bytes(4) + client + bytes(10 + 192) + \
            b'\x63\x82\x53\x63' + options
        packet = fr.ipv4(HOST, GIVEN, fr.UDP, fr.udp(HOST, GIVEN, 67, 68, body))
        self.wire.send(fr.ether(client, self.mac, 0x0800, packet))


def port():
    return hostlab.ask('inspect', name='leased')[0]['port']


def test_given():
    hostlab.up('leased', 'images/echo.ix', dhcp=True, cpus={'min': 1, 'max': 1})
    hostlab.wait_for(lambda: hostlab.ps('leased')['address'] == GIVEN, SECONDS, lambda: f'{hostlab.ps("leased")}')
    hostlab.wait_for(lambda: 'address' in [row['event'] for row in hostlab.ask('events', name='leased')[1]], SECONDS, 'the address is its own')
    hostlab.echo(GIVEN)
    return f'{GIVEN} was offered, taken, and is let through'


def test_killed():
    """What was given is kept by the switch's database."""
    for path in '/run/ix/ixd.pid', '/run/openvswitch/ovs-vswitchd.pid':
        pid = hostlab.pid_of(path)
        os.kill(pid, signal.SIGKILL)
        hostlab.wait_for(lambda p=path, n=pid: hostlab.pid_of(p) != n, 10, f'{path} ends')
    hostlab.set_up()
    hostlab.wait_for(lambda: hostlab.ps('leased')['health'] == 'ready' and port()['linked'], SECONDS, lambda: f'{hostlab.ps("leased")} {port()}')
    hostlab.echo(GIVEN)


def main():
    report = Report()
    hostlab.enter()
    hostlab.set_up()
    Server()
    report.run('given', test_given)
    report.run('killed', test_killed)
    report.close()


if __name__ == '__main__':
    main()
