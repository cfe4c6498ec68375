#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A guest that asks a DHCP server for its address may use what that server gave it, and nothing else; it goes on when ixd and the
switch have been killed, and its published ports lead to where it is. --long: its lease becomes another one while it runs.

Usage: host_dhcp.py [--long]
"""
import os
import pathlib
import re
import signal
import socket
import struct
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'lib'))
import frame as fr  # noqa: E402  pylint: disable=wrong-import-position
import hostlab  # noqa: E402  pylint: disable=wrong-import-position
import puppet  # noqa: E402  pylint: disable=wrong-import-position
from liar import Liar  # noqa: E402  pylint: disable=wrong-import-position
from report import Report, check  # noqa: E402  pylint: disable=wrong-import-position

HOST, GIVEN, THIEF, LATER, STATIC, PREFIX = '10.77.0.1', '10.77.3.4', '10.77.3.5', '10.77.3.6', '10.77.0.5', 16
PORT, THIEF_PORT = 8007, 8008
SECONDS = 90
DISCOVER, OFFER, REQUEST, ACK, NAK = 1, 2, 3, 5, 6      # RFC 2132 9.6
ONE = {'min': 1, 'max': 1}


class Server(threading.Thread):
    """As much of a DHCP server as gives each who asks the next of its addresses [RFC 2131]."""

    def __init__(self, addresses, lease_s=86400):
        super().__init__(daemon=True)
        self.addresses, self.given, self.lease_s = list(addresses), {}, lease_s
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
        client, transaction, asks = data[70:76], data[46:50], socket.inet_ntoa(data[54:58])
        if client not in self.given:
            self.given[client] = self.addresses.pop(0)
        given = self.given[client]
        if kind == REQUEST and asks not in ('0.0.0.0', given):      # it goes on with what it had, and shall not
            kind, given = NAK, '0.0.0.0'
        self.send(client, transaction, OFFER if kind == DISCOVER else NAK if kind == NAK else ACK, given)

    def send(self, client, transaction, kind, given):
        """To @client, who need not have asked."""
        options = b''.join(struct.pack('BB', code, len(value)) + value for code, value in (
            (53, bytes([kind])), (54, fr.address(HOST)), (51, struct.pack('!I', self.lease_s)),
            (1, struct.pack('!I', 0xffffffff << (32 - PREFIX) & 0xffffffff)))) + b'\xff'
        body = b'\x02\x01\x06\0' + transaction + bytes(8) + fr.address(given) + fr.address(HOST) + bytes(4) + client + bytes(10 + 192) + \
            b'\x63\x82\x53\x63' + options
        to, mac = ('255.255.255.255', fr.BROADCAST) if kind == NAK else (given, client)
        self.wire.send(fr.ether(mac, self.mac, 0x0800, fr.ipv4(HOST, to, fr.UDP, fr.udp(HOST, to, 67, 68, body))))


def port(name='leased'):
    return hostlab.ask('inspect', name=name)[0]['port']


def offered():
    """What the switch has learnt that DHCP servers gave [hostctl/sw/flows.c]."""
    return re.findall(r'nw_src=([0-9.]+)', hostlab.Done(['ovs-ofctl', '-O', 'OpenFlow14', 'dump-flows', 'ix0', 'table=5'], 30).out)


def events(name, kind):
    """What was told with events of that kind."""
    return [row['detail'] for row in hostlab.ask('events', name=name)[1] if row['event'] == kind]


def leads():
    """Where published ports lead, by port, as nftables has it."""
    text = hostlab.Done(['nft', 'list', 'chain', 'ip', 'ix', 'prerouting'], 30).out
    return {int(at): to for at, to in re.findall(r'dport (\d+) dnat to ([0-9.:]+)', text)}


def await_leads(wanted):
    hostlab.wait_for(lambda: leads() == wanted, SECONDS, lambda: f'published ports lead to {wanted}: {leads()}')


def test_given():
    hostlab.up('leased', 'images/echo.ix', dhcp=True, cpus=ONE, publish=[f'{PORT}:7'])
    hostlab.wait_for(lambda: hostlab.ps('leased')['address'] == GIVEN, SECONDS, lambda: f'{hostlab.ps("leased")}')
    hostlab.wait_for(lambda: events('leased', 'address') == [{'address': GIVEN}], SECONDS, 'the address is its own')
    await_leads({PORT: f'{GIVEN}:7'})
    hostlab.echo(GIVEN)
    hostlab.echo(HOST, PORT)
    return f'{GIVEN} was offered, taken, and is let through; port {PORT} of the host leads there'


def test_killed():
    """What was given is kept by the switch's database."""
    for path in '/run/ix/ixd.pid', '/run/openvswitch/ovs-vswitchd.pid':
        pid = hostlab.pid_of(path)
        os.kill(pid, signal.SIGKILL)
        hostlab.wait_for(lambda p=path, n=pid: hostlab.pid_of(p) != n, 10, f'{path} ends')
    hostlab.set_up()
    hostlab.wait_for(lambda: hostlab.ps('leased')['health'] == 'ready' and port()['linked'], SECONDS, lambda: f'{hostlab.ps("leased")} {port()}')
    hostlab.echo(GIVEN)
    hostlab.echo(HOST, PORT)


def test_static(server):
    """What a server gave is nobody else's, and what a record says is."""
    try:
        hostlab.up('late', 'images/echo.ix', address=f'{GIVEN}/{PREFIX}', cpus=ONE)
        raise hostlab.Failed('not refused')
    except hostlab.Refused as no:
        check(f"address {GIVEN} is leased's, by DHCP" in no.text, no.text)
    # Another guest's coming and going changes all flows, and nobody forgets what was given: the first has just been given it anew.
    server.send(bytes.fromhex(mac_of('leased')), bytes(4), ACK, GIVEN)
    hostlab.wait_for(lambda: GIVEN in offered(), SECONDS, lambda: f'{offered()}')
    hostlab.up('static', 'images/echo.ix', address=f'{STATIC}/{PREFIX}', cpus=ONE)
    check(GIVEN in offered(), f'{offered()}')


class Thief:
    """A guest that was given an address and says that it has another."""

    def __init__(self, server):
        hostlab.up('thief', 'images/echo.ix', dhcp=True, cpus=ONE, publish=[f'{THIEF_PORT}:7'])
        await_leads({PORT: f'{GIVEN}:7', THIEF_PORT: f'{THIEF}:7'})
        self.server, self.liar = server, Liar('thief', THIEF)
        self.liar.start(keep_page=True)
        self.puppet = puppet.Puppet('thief')
        self.claim(THIEF)

    def claim(self, address):
        self.puppet.set(state=puppet.READY, address=fr.address(address))
        seen = '' if address == '0.0.0.0' else address
        hostlab.wait_for(lambda: hostlab.ps('thief')['address'] == seen, SECONDS, lambda: f'it says {address}: {hostlab.ps("thief")}')

    def is_refused(self, address, why, is_offered):
        """@address is not let through, no port leads there, and it is said why."""
        if is_offered:
            self.server.send(self.liar.mac, bytes(4), ACK, address)
        self.claim(address)
        hostlab.wait_for(lambda: {'address': address, 'why': why} in events('thief', 'address-refused'), SECONDS,
                         lambda: f'{address}: {why}: {events("thief", "address-refused")}')
        check(leads() == {PORT: f'{GIVEN}:7'}, f'{address}: {leads()}')
        before = port('thief')['spoofed']
        self.liar.say(fr.ether(self.liar.host_mac, self.liar.mac, fr.ETH_IPV4, self.liar.ping(source=address)))
        hostlab.wait_for(lambda: port('thief')['spoofed'] > before, SECONDS, f'what it sends as {address} is refused')
        self.claim('0.0.0.0')


def test_claims(server):
    """A guest that says what is not so gets nothing, and takes nothing from others."""
    thief = Thief(server)
    thief.claim('0.0.0.0')
    hostlab.wait_for(lambda: events('thief', 'address-lost') == [{'address': THIEF}], SECONDS, 'what it does not have any more is not let through')
    await_leads({PORT: f'{GIVEN}:7'})
    cases = ((GIVEN, 'no DHCP server gave it', False), (GIVEN, 'another guest has it', True), (STATIC, "it is another guest's", True),
             (HOST, "it is the host's", True), ('10.77.255.255', "it is the host's", True), ('224.0.0.9', 'no host can have it', False))
    for address, why, is_offered in cases:
        if is_offered and address == GIVEN:     # which that one has just been given again
            server.send(bytes.fromhex(mac_of('leased')), bytes(4), ACK, GIVEN)
        thief.is_refused(address, why, is_offered)
    check(port('leased')['spoofed'] == 0 and not events('leased', 'address-lost'), f'{port("leased")}')
    for address, number in ((GIVEN, 7), (HOST, PORT), (STATIC, 7)):
        hostlab.echo(address, number)
    test_claims.thief = thief
    return f'{len(cases)} claims refused, each with its reason'


def mac_of(name):
    return re.search(r"mac address='([^']*)'", Liar.virsh('dumpxml', name))[1].replace(':', '')


def test_given_anew(server):
    """What the server has given to another guest since, and to the first not again, is that one's."""
    number = port('leased')['number']
    done = hostlab.Done(['ovs-ofctl', '-O', 'OpenFlow14', 'del-flows', 'ix0', f'table=5,ip,in_port={number}'], 30)      # as ten minutes do
    check(not done.status, done)
    thief = test_claims.thief
    server.send(thief.liar.mac, bytes(4), ACK, GIVEN)
    thief.claim(GIVEN)
    await_leads({THIEF_PORT: f'{GIVEN}:7'})
    check(events('leased', 'address-lost') == [{'address': GIVEN}], f'{events("leased", "address-lost")}')
    thief.puppet.stop()
    hostlab.ask('down', name='thief', timeout_s=0)
    await_leads({})


def test_another_lease(server):
    """Its server gives it another address at the next renewal."""
    hostlab.ask('down', name='leased')
    hostlab.up('renewed', 'images/echo.ix', dhcp=True, cpus=ONE, publish=[f'{PORT}:7'])
    await_leads({PORT: f'{LATER}:7'})
    server.given[bytes.fromhex(mac_of('renewed'))] = THIEF
    await_long(lambda: leads() == {PORT: f'{THIEF}:7'}, lambda: f'{leads()} {hostlab.ps("renewed")}')
    hostlab.echo(THIEF)
    hostlab.echo(HOST, PORT)
    said = [row['event'] for row in hostlab.ask('events', name='renewed')[1] if row['event'].startswith('address')]
    check(said[0] == said[-1] == 'address' and len(said) > 1, f'{said}')
    return f'from {LATER} to {THIEF}: {", ".join(said)}'


def await_long(is_done, what):
    """lwIP looks at leases once a minute."""
    hostlab.wait_for(is_done, 300, what)


def main():
    report = Report()
    hostlab.enter()
    hostlab.set_up()
    if sys.argv[1:] == ['--long']:
        server = Server([GIVEN, LATER], 60)
        report.run('given', test_given)
        report.run('another_lease', test_another_lease, server)
        report.close()
    server = Server([GIVEN, THIEF])
    for name, test, *args in (('given', test_given), ('killed', test_killed), ('static', test_static, server), ('claims', test_claims, server),
                              ('given_anew', test_given_anew, server)):
        if not report.run(name, test, *args):
            break
    report.close()


if __name__ == '__main__':
    main()
