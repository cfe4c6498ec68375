#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The flow table of a host, frame by frame: an Open vSwitch of the test's own, without DPDK and without rights, is asked where each
frame would go [ovs-vswitchd(8) ofproto/trace]. Ports: 1 the host, 2 web and 3 db (which allow each other), 4 other (which web
allows), 5 lease (whose address is to come by DHCP), and 9 the world in the second half.

Usage: flows.py
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'lib'))
import frame as fr  # noqa: E402  pylint: disable=wrong-import-position
import lab  # noqa: E402  pylint: disable=wrong-import-position
import ovs  # noqa: E402  pylint: disable=wrong-import-position
from report import Report, Skipped, check  # noqa: E402  pylint: disable=wrong-import-position

VSWITCHD = '/usr/lib/openvswitch-switch/ovs-vswitchd'
HOST, WEB, DB, OTHER, LEASE, WORLD = 1, 2, 3, 4, 5, 9
SPOOFED, FORBIDDEN = 'spoofed', 'forbidden'
OFFERED_MAX = 16            # SW_OFFERED_MAX
ALL_NODES, ALL_ROUTERS, MLD = 'ff02::1', 'ff02::2', 'ff02::16'


def mac(number):
    """Of a port."""
    return bytes((2, 0x49, 0x58, 0, 0, number))


def ip4(number):
    return f'10.77.0.{number}'


def link_local(number, prefix='fe80'):
    """What a router's prefix, or none, makes of a guest's interface id."""
    return f'{prefix}::49:58ff:fe00:{number:x}'


class Switch:
    """A bridge whose ports lead nowhere."""

    def __enter__(self):
        if not os.path.exists(VSWITCHD):
            raise Skipped(f'{VSWITCHD} is not there: ci/setup installs it')
        self.folder = tempfile.TemporaryDirectory(prefix='ix-flows.')  # pylint: disable=consider-using-with
        self.environ = {**os.environ, **{k: self.folder.name for k in ('OVS_RUNDIR', 'OVS_LOGDIR', 'OVS_DBDIR', 'OVS_SYSCONFDIR')}}
        self.processes, self.has_meters = [], False
        self.run('ovsdb-tool', 'create', f'{self.folder.name}/conf.db', ovs.SCHEMA)
        self.spawn('ovsdb-server', f'{self.folder.name}/conf.db', f'--remote=punix:{self.folder.name}/db.sock', '-vconsole:off',
                   f'--unixctl={self.folder.name}/db.ctl')
        self.vsctl('--no-wait', '--retry', 'init')
        self.spawn(VSWITCHD, f'unix:{self.folder.name}/db.sock', '--enable-dummy=override', '--disable-system', '-vconsole:off',
                   f'--unixctl={self.folder.name}/sw.ctl')
        self.vsctl('add-br', 'ix0', '--', 'set', 'bridge', 'ix0', 'datapath_type=dummy', 'fail_mode=secure')
        for number in HOST, WEB, DB, OTHER, LEASE, WORLD:
            self.vsctl('add-port', 'ix0', f'p{number}', '--', 'set', 'Interface', f'p{number}', 'type=dummy',
                       f'ofport_request={number}')
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.kill()
            process.wait()
        self.folder.cleanup()

    def run(self, *words, text=None):
        done = subprocess.run(words, env=self.environ, input=text, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              check=False, timeout=60)
        check(done.returncode == 0, f'{" ".join(words)}: {done.stdout}')
        return done.stdout

    def spawn(self, *words):
        self.processes.append(subprocess.Popen(words, env=self.environ, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                               stderr=subprocess.DEVNULL, preexec_fn=lab.die_with_parent))

    def vsctl(self, *words):
        return self.run('ovs-vsctl', '-t', '30', f'--db=unix:{self.folder.name}/db.sock', *words)

    def load(self, *words):
        """The flows of the product, with or without the world."""
        if not self.has_meters:
            for number in WEB, DB, OTHER, LEASE:        # as hostctl/sw/meters.c
                self.ofctl('add-meter', f'meter={number},pktps,burst,stats,bands=type=drop,rate=500,burst_size=500')
            self.has_meters = True
        printer = str(lab.build_folder() / 'test' / 'print_flows')
        diff = pathlib.Path(self.folder.name, 'diff')
        diff.write_text(self.differ(self.run(printer, *words)), encoding='ascii')
        self.ofctl('add-flows', '-', text=self.run(printer, *words, 'change', str(diff)))

    def ofctl(self, verb, *words, **options):
        return self.run('ovs-ofctl', '--bundle', '-O', 'OpenFlow14', verb, 'unix:ix0.mgmt', *words, **options)

    def differ(self, flows):
        """What @flows has that the switch has not, and the other way round, as hostctl/sw/port.c asks for it."""
        done = subprocess.run(['ovs-ofctl', '-O', 'OpenFlow14', '--no-names', 'diff-flows', 'unix:ix0.mgmt', '/dev/stdin'], env=self.environ,
                              input=flows, stdout=subprocess.PIPE, text=True, check=False, timeout=60)
        check(done.returncode in (0, 2), f'diff-flows: {done.returncode} {done.stdout}')
        return done.stdout

    def is_as(self, *words):
        """Nothing is missing, and nothing too many but offers; OVS tells two kinds of masks apart that are one on the wire (nw_frag)."""
        left = self.differ(self.run(str(lab.build_folder() / 'test' / 'print_flows'), *words)).splitlines()
        others = {line for line in left if line and not line.startswith('-table=5 ')}
        alone = {line for line in others if ('+' if line[0] == '-' else '-') + line[1:] not in others}
        check(not alone, f'the flows of {words} are not there: {alone}')

    def way(self, port, data):
        """Where @data from @port goes: a set of ports, SPOOFED or FORBIDDEN of that port, or the empty set for nowhere."""
        text = self.run('ovs-appctl', '-t', f'{self.folder.name}/sw.ctl', 'ofproto/trace', 'ix0', f'in_port={port}',
                        data.ljust(60, b'\0').hex())
        cookie = re.findall(r'cookie 0x4958000([12])000000([0-9a-f]{2})', text)
        if cookie:
            check(int(cookie[-1][1], 16) == port, f'counted for port {cookie[-1][1]}: {text}')
            return SPOOFED if cookie[-1][0] == '1' else FORBIDDEN
        return {int(n) for n in re.findall(r'output:(\d+)', text)} - {port}    # never back to where it came from


    def meters(self, port, data):
        """That @data from @port has to pass, by number."""
        text = self.run('ovs-appctl', '-t', f'{self.folder.name}/sw.ctl', 'ofproto/trace', 'ix0', f'in_port={port}',
                        data.ljust(60, b'\0').hex())
        return [int(n) for n in re.findall(r'^ *meter:(\d+)', text, re.M)]

    def offered(self):
        """Addresses that were offered, by port."""
        text = self.run('ovs-ofctl', '-O', 'OpenFlow14', '--no-names', 'dump-flows', f'{self.folder.name}/ix0.mgmt', 'table=5')
        return {(int(port, 16), address) for port, address in re.findall(r'cookie=0x4958000300000(...).*nw_src=([0-9.]+)', text)}

    def receive(self, port, data):
        """@data comes in by @port; trace() only asks what would be."""
        self.run('ovs-appctl', '-t', f'{self.folder.name}/sw.ctl', 'netdev-dummy/receive', f'p{port}', data.ljust(60, b'\0').hex())


class Ways:
    """Compares, and counts what was compared."""

    def __init__(self, switch):
        self.switch, self.count = switch, 0

    def expect(self, want, port, what, data):
        got = self.switch.way(port, data)
        check(got == want, f'{what} from port {port}: expected {want or "nowhere"}, got {got or "nowhere"}')
        self.count += 1


def udp4(number, to, dport=7, sport=4000, source=None, to_mac=None, tag=b''):
    """A datagram of @number's guest."""
    source, target = source or ip4(number), to if isinstance(to, str) else ip4(to)
    packet = fr.ipv4(source, target, fr.UDP, fr.udp(source, target, sport, dport, b'x'))
    return (to_mac or mac(to)) + mac(number) + tag + b'\x08\x00' + packet


def arp(number, op=1, spa=None, sha=None, tpa=None, to_mac=fr.BROADCAST, source=None, **wrong):
    return fr.ether(to_mac, source or mac(number), fr.ETH_ARP,
                    fr.arp(op, sha or mac(number), spa or ip4(number), bytes(6), tpa or ip4(HOST), **wrong))


def ip6(number, source, target, payload, next_header=fr.ICMP6, to_mac=None):
    group = b'\x33\x33' + fr.address(target)[12:]
    return fr.ether(to_mac or group, mac(number), fr.ETH_IPV6, fr.ipv6(source, target, next_header, payload, hops=255))


def nd(number, kind, source, target=ALL_NODES, about=None, option=b'', code=0):
    """ND: @about is the address in question, or None for those without."""
    body = bytes(4) + (fr.address(about) if about else b'') + option
    return ip6(number, source, target, fr.icmp6(source, target, kind, code, body))


def sources(w, outward):
    """What a guest may say it is. @outward: where broadcasts of web go."""
    own6 = link_local(WEB)
    good = [('a datagram', udp4(WEB, HOST)), ('ARP', arp(WEB)), ('gratuitous ARP', arp(WEB, tpa=ip4(WEB))),
            ('an ARP probe', arp(WEB, spa='0.0.0.0', tpa=ip4(WEB))),
            ('a solicitation', nd(WEB, 135, own6, fr.solicited(link_local(HOST))[0], link_local(HOST), fr.link_option(1, mac(WEB)))),
            ('a solicitation without its MAC', nd(WEB, 135, own6, ALL_NODES, link_local(HOST))),
            ('a question whether its address is free', nd(WEB, 135, '::', fr.solicited(own6)[0], own6)),
            ('an advertisement', nd(WEB, 136, own6, ALL_NODES, own6, fr.link_option(2, mac(WEB)))),
            ('of an address of a router', nd(WEB, 136, own6, ALL_NODES, link_local(WEB, 'fd07'), fr.link_option(2, mac(WEB)))),
            ('router solicitation', nd(WEB, 133, own6, ALL_ROUTERS)), ('the same before it has one', nd(WEB, 133, '::', ALL_ROUTERS)),
            ('a group report', nd(WEB, 143, own6, MLD)), ('the same before it has an address', nd(WEB, 143, '::', MLD))]
    for what, data in good:
        w.expect({HOST} if what == 'a datagram' else outward, WEB, what, data)
    fragment = fr.extension(fr.UDP, b'\0\x01' + bytes(4))
    good6 = ip6(WEB, own6, ALL_NODES, fragment + fr.udp(own6, ALL_NODES, 4000, 7, b'x' * 32), fr.FRAGMENT)
    w.expect(outward, WEB, 'the first fragment of a datagram', good6)
    later = fr.extension(fr.UDP, b'\0\x28' + bytes(4)) + b'x' * 32
    w.expect(outward, WEB, 'the last one', ip6(WEB, own6, ALL_NODES, later, fr.FRAGMENT))
    other = link_local(DB)
    bad = [('another MAC', b'\xff' * 6 + mac(DB) + udp4(WEB, HOST)[12:]), ("the host's MAC", b'\xff' * 6 + mac(HOST) + udp4(WEB, HOST)[12:]),
           ('another IPv4 address', udp4(WEB, HOST, source=ip4(DB))), ("the host's address", udp4(WEB, HOST, source=ip4(HOST))),
           ('no IPv4 address', udp4(WEB, HOST, source='0.0.0.0')), ('loopback', udp4(WEB, HOST, source='127.0.0.1')),
           ('DHCP that it was not told to use', udp4(WEB, '255.255.255.255', 67, 68, '0.0.0.0', fr.BROADCAST)),
           ('a DHCP offer', udp4(WEB, '255.255.255.255', 68, 67, to_mac=fr.BROADCAST)),
           ('a DHCP offer to one', udp4(WEB, DB, 68, 67)),
           ('a tag', udp4(WEB, HOST, tag=b'\x81\x00\x00\x05')), ('a priority tag', udp4(WEB, HOST, tag=b'\x81\x00\xe0\x00')),
           ("a provider's tag", udp4(WEB, HOST, tag=b'\x88\xa8\x00\x05')),
           ('two tags', udp4(WEB, HOST, tag=b'\x81\x00\x00\x05\x81\x00\x00\x06')),
           ('802.3 with LLC', mac(HOST) + mac(WEB) + b'\x00\x2e' + b'\x42\x42\x03' + bytes(43)),
           ("SNAP with another's IPv4 address", mac(HOST) + mac(WEB) + b'\x00\x2e\xaa\xaa\x03\0\0\0\x08\x00' +
            udp4(WEB, HOST, source=ip4(DB))[14:]),
           ('flow control', b'\x01\x80\xc2\0\0\x01' + mac(WEB) + b'\x88\x08' + bytes(46)),
           ('LLDP', b'\x01\x80\xc2\0\0\x0e' + mac(WEB) + b'\x88\xcc' + bytes(46)),
           ('reverse ARP', fr.ether(fr.BROADCAST, mac(WEB), 0x8035, fr.arp(3, mac(WEB), ip4(WEB), bytes(6), ip4(WEB)))),
           ('ARP for another', arp(WEB, 2, spa=ip4(DB))), ("ARP for the host's address", arp(WEB, 2, spa=ip4(HOST))),
           ("ARP with another's MAC inside", arp(WEB, 2, sha=mac(DB))), ("ARP from another's MAC", arp(WEB, 2, source=mac(DB))),
           ("a probe for another's address", arp(WEB, spa='0.0.0.0', tpa=ip4(DB))),
           ('ARP of another hardware', arp(WEB, hardware=6)), ('ARP with a long MAC', arp(WEB, hlen=8)),
           ('another IPv6 address', nd(WEB, 133, other, ALL_ROUTERS)),
           ('a router advertisement', nd(WEB, 134, own6, ALL_NODES, None, bytes(8))),
           ('a redirect', nd(WEB, 137, own6, ALL_NODES, own6, bytes(16))), ('a group query', nd(WEB, 130, own6)),
           ("another's advertisement", nd(WEB, 136, own6, ALL_NODES, other, fr.link_option(2, mac(WEB)))),
           ("an advertisement with another's MAC", nd(WEB, 136, own6, ALL_NODES, own6, fr.link_option(2, mac(DB)))),
           ('an advertisement without MAC', nd(WEB, 136, own6, ALL_NODES, own6)),
           ('an advertisement with two MACs', nd(WEB, 136, own6, ALL_NODES, own6, fr.link_option(2, mac(WEB)) + fr.link_option(2, mac(DB)))),
           ("a solicitation with another's MAC", nd(WEB, 135, own6, ALL_NODES, other, fr.link_option(1, mac(DB)))),
           ("whether another's address is free", nd(WEB, 135, '::', ALL_NODES, other)),
           ('whether it is, with a MAC', nd(WEB, 135, '::', ALL_NODES, own6, fr.link_option(1, mac(WEB)))),
           ('a DHCPv6 reply', ip6(WEB, own6, ALL_NODES, fr.udp(own6, ALL_NODES, 547, 546, b'x'), fr.UDP)),
           ('an advertisement in fragments', ip6(WEB, own6, ALL_NODES, fr.extension(fr.ICMP6, b'\0\x01' + bytes(4)) +
                                                 fr.icmp6(own6, ALL_NODES, 134, 0, bytes(12)), fr.FRAGMENT)),
           ('options in fragments', ip6(WEB, own6, ALL_NODES, fr.extension(fr.OPTIONS, b'\0\x01' + bytes(4)) + bytes(16), fr.FRAGMENT)),
           ('options that end too soon', ip6(WEB, own6, ALL_NODES, b'\x3a\x20' + bytes(30), fr.OPTIONS)),
           ("a fragment of another's", ip6(WEB, other, ALL_NODES, later, fr.FRAGMENT)),
           ('an advertisement behind options', ip6(WEB, own6, ALL_NODES, fr.extension(fr.ICMP6, b'\x01\x04' + bytes(4)) +
                                                   fr.icmp6(own6, ALL_NODES, 134, 0, bytes(12)), fr.OPTIONS))]
    for what, data in bad:
        w.expect(SPOOFED, WEB, what, data)
    w.expect(outward - {DB}, OTHER, 'its given IPv6 address', nd(OTHER, 136, 'fd07::abc', ALL_NODES, 'fd07::abc', fr.link_option(2, mac(OTHER))))
    w.expect(SPOOFED, WEB, 'that address of another', nd(WEB, 136, 'fd07::abc', ALL_NODES, 'fd07::abc', fr.link_option(2, mac(WEB))))
    w.expect(set(), 7, 'a port that nobody knows', udp4(WEB, HOST))


def lease(w, outward):
    """A guest whose address is to come by DHCP has none before."""
    outward = outward - {DB}
    w.expect(outward, LEASE, 'DHCP', udp4(LEASE, '255.255.255.255', 67, 68, '0.0.0.0', fr.BROADCAST))
    w.expect(outward, LEASE, 'an ARP probe', arp(LEASE, spa='0.0.0.0', tpa='10.77.0.77'))
    w.expect(SPOOFED, LEASE, 'an address', udp4(LEASE, HOST))
    w.expect(SPOOFED, LEASE, 'ARP', arp(LEASE))
    w.expect(SPOOFED, LEASE, 'no address, and not DHCP', udp4(LEASE, '255.255.255.255', 68, 67, '0.0.0.0', fr.BROADCAST))


    # Offers of the host leave a note, those of a guest and other words do not.
    offer = udp4(HOST, '10.77.0.77', 68, 67, to_mac=mac(LEASE))
    w.expect({LEASE}, HOST, 'a DHCP offer', offer)
    for port, data in ((WEB, udp4(WEB, '10.77.0.78', 68, 67, to_mac=mac(LEASE))), (HOST, udp4(HOST, '10.77.0.79', 68, 66, to_mac=mac(LEASE))),
                       (HOST, udp4(HOST, '10.77.0.80', 68, 67, to_mac=mac(WEB))), (HOST, offer)):
        w.switch.receive(port, data)
    deadline = time.monotonic() + 30
    while w.switch.offered() != {(LEASE, '10.77.0.77')}:
        check(time.monotonic() < deadline, f'offered: {w.switch.offered()}')
        time.sleep(0.1)


def changed(w):
    """From one table to another and back: each is whole, and what was offered is known all the time, also by who is told more than fit."""
    for words in ['world'], [], ['world']:
        w.switch.load(*words)
        w.switch.is_as(*words)
        check((LEASE, '10.77.0.77') in w.switch.offered(), f'forgotten: {w.switch.offered()}')
    for number in range(100, 120):
        w.switch.receive(HOST, udp4(HOST, f'10.77.0.{number}', 68, 67, to_mac=mac(LEASE)))
        w.count += 1
    deadline = time.monotonic() + 30
    while len(w.switch.offered()) < OFFERED_MAX:
        check(time.monotonic() < deadline, f'offered: {w.switch.offered()}')
        time.sleep(0.1)
    check(len(w.switch.offered()) == OFFERED_MAX, f'offered: {w.switch.offered()}')


def between(w, has_world):
    """Guest to guest, by its MAC or by way of somebody who passes it on."""
    w.expect({DB}, WEB, 'to a guest, both allow it', udp4(WEB, DB))
    w.expect({WEB}, DB, 'and back', udp4(DB, WEB))
    for number, target in ((WEB, OTHER), (OTHER, WEB), (DB, OTHER), (LEASE, WEB)):
        data = nd(number, 133, link_local(number), link_local(target))
        w.expect(FORBIDDEN, number, f'to port {target}', mac(target) + data[6:])
    w.expect(FORBIDDEN, DB, "another guest's address to the host's MAC", udp4(DB, OTHER, to_mac=mac(HOST)))
    w.expect(FORBIDDEN, DB, "another guest's address to a router", udp4(DB, OTHER, to_mac=b'\x02\x99\0\0\0\x01'))
    w.expect(FORBIDDEN, DB, "another guest's IPv6 address to the host's MAC", ip6(DB, link_local(DB), link_local(OTHER, 'fd07'), bytes(8), 59,
                                                                                 mac(HOST)))
    w.expect(FORBIDDEN, DB, 'its given one', ip6(DB, link_local(DB), 'fd07::abc', bytes(8), 59, mac(HOST)))
    w.expect(FORBIDDEN, DB, "the host's loopback", udp4(DB, '127.0.0.1', to_mac=mac(HOST)))
    w.expect(FORBIDDEN, DB, 'the same as a broadcast', udp4(DB, '127.0.0.1', to_mac=fr.BROADCAST))
    w.expect(FORBIDDEN, DB, 'to itself', udp4(DB, DB))
    w.expect({WORLD} if has_world else {HOST}, DB, 'to a router', udp4(DB, '192.0.2.1', to_mac=b'\x02\x99\0\0\0\x01'))
    w.expect({HOST, WEB, WORLD} if has_world else {HOST, WEB}, DB, 'a broadcast', arp(DB))
    w.expect({HOST, WORLD} if has_world else {HOST}, OTHER, 'a broadcast', arp(OTHER))
    for number in WEB, DB, OTHER:
        check(w.switch.meters(number, arp(number)) == [number], f'a broadcast of port {number} does not pass its meter')
        check(w.switch.meters(number, udp4(number, HOST)) == [], f'a datagram of port {number} passes a meter')


def inward(w, has_world):
    """What host and world send."""
    guests = {WEB, DB, OTHER, LEASE}
    w.expect({DB}, HOST, 'to a guest', udp4(HOST, DB))
    w.expect(guests | {WORLD} if has_world else guests, HOST, 'a broadcast', arp(HOST))
    w.expect({WORLD} if has_world else set(), HOST, 'to a stranger', udp4(HOST, '192.0.2.1', to_mac=b'\x02\x99\0\0\0\x01'))
    w.expect(set(), HOST, 'loopback', udp4(HOST, '127.0.0.1', to_mac=mac(WEB)))
    if not has_world:
        w.expect(set(), WORLD, 'a port that is not ours', udp4(WORLD, WEB))
        return
    w.expect({WEB}, WORLD, 'to a guest', udp4(WORLD, WEB))
    w.expect(guests | {HOST}, WORLD, 'a broadcast', arp(WORLD))
    w.expect({HOST}, WORLD, 'to the host', udp4(WORLD, HOST))
    w.expect({LEASE}, WORLD, 'a DHCP offer', udp4(WORLD, LEASE, 68, 67))
    w.expect(guests | {HOST}, WORLD, 'a router advertisement', nd(WORLD, 134, link_local(WORLD), ALL_NODES, None, bytes(8)))
    w.expect(set(), WORLD, 'a stranger to a stranger', udp4(WORLD, '192.0.2.1', to_mac=b'\x02\x99\0\0\0\x01'))
    w.expect(set(), WORLD, "the host's loopback", udp4(WORLD, '127.0.0.1', to_mac=mac(HOST)))


def main():
    report = Report()

    def run(name, test, *args):
        def counted():
            before = ways.count
            test(ways, *args)
            return f'{ways.count - before} frames went where they should'
        report.run(name, counted)
    try:
        with Switch() as switch:
            ways = Ways(switch)
            for has_world in False, True:
                switch.load(*(['world'] if has_world else []))
                after = '_world' if has_world else ''
                outward = {HOST, DB} | ({WORLD} if has_world else set())
                run('sources' + after, sources, outward)
                run('lease' + after, lease, outward)
                run('between' + after, between, has_world)
                run('inward' + after, inward, has_world)
            run('changed', changed)
    except Skipped as e:
        report.say('SKIP', 'switch', str(e))
    report.close()


if __name__ == '__main__':
    main()
