#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How much one guest may send: no more than its rate, and not too much to everybody. What is above is dropped by the switch, counted,
shown and noted, also after the switch or ixd has been killed.

Usage: host_limits.py
"""
import os
import pathlib
import re
import select
import signal
import socket
import sys
import time
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'lib'))
import frame as fr  # noqa: E402  pylint: disable=wrong-import-position
import hostlab  # noqa: E402  pylint: disable=wrong-import-position
import lab  # noqa: E402  pylint: disable=wrong-import-position
from liar import Liar  # noqa: E402  pylint: disable=wrong-import-position
from report import Report, check  # noqa: E402  pylint: disable=wrong-import-position

SLOW, FREE, LOUD = '10.77.0.5', '10.77.0.6', '10.77.0.7'
RATE_MBIT = 1
BURST_BYTES, RATE_BYTES = RATE_MBIT * 12500, RATE_MBIT * 125000     # hostctl/sw/port.c: a tenth of a second at once; a second
DATAGRAM, HEADERS = 1400, 14 + 20 + 8
FLOOD_FRAMES_S = 500        # hostctl/sw/meters.h
NOTED_S = 7                 # until all that was refused is noted [hostctl/ixd/check.c REFUSED_MS]
SECONDS = 90


def port(name):
    """What the switch says of it."""
    return hostlab.ask('inspect', name=name)[0]['port']


def await_count(name, key, least):
    """ixd asks the switch once a second."""
    hostlab.wait_for(lambda: port(name)[key] >= least, SECONDS, lambda: f'{name}: {key} is {least}: {port(name)}')


def events(name, kind):
    return [row['detail'] for row in hostlab.ask('events', name=name)[1] if row['event'] == kind]


def blast(address, count):
    """@count datagrams to the echo service. Returns how many came back, and the seconds from the first one sent to the last received."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        s.connect((address, 7))
        data, back, began = bytes(DATAGRAM), 0, time.monotonic()
        for i in range(count):
            s.send(data)
            while select.select([s], [], [], 0.001 if i % 8 == 7 else 0)[0]:
                back += len(s.recv(2048)) == DATAGRAM
        while select.select([s], [], [], 1)[0]:
            back += len(s.recv(2048)) == DATAGRAM
        return back, time.monotonic() - began


def rate_holds():
    """A guest with a limit gets through what it may, one without gets through all; each loss is counted by the switch."""
    before, total, took, sent = port('slow')['limited'], 0, 0, 0
    while port('slow')['limited'] < before + 200:
        check(took < SECONDS, f'{sent} datagrams sent, {total} back in {took:.0f} s, and nothing dropped: {port("slow")}')
        back, seconds = blast(SLOW, 400)
        total, took, sent = total + back, took + seconds, sent + 400
        time.sleep(1.2)                 # ixd asks once a second; what the guest may send meanwhile is in the bound below
        took += 1.2
    may = BURST_BYTES + RATE_BYTES * (took + 1)
    check(0 < total * (DATAGRAM + HEADERS) <= may, f'{total} datagrams came back in {took:.1f} s')
    free = port('free')['limited']
    back, seconds = blast(FREE, 400)
    check(back > 200 and port('free')['limited'] == free == 0, f'without a limit {back} of 400 came back: {port("free")}')
    return f'{total} of {sent} datagrams came back in {took:.1f} s, {port("slow")["limited"] - before} dropped and counted; without a limit {back} of 400'


def test_rate():
    said = rate_holds()
    check(port('slow')['rate_mbit'] == RATE_MBIT and port('free')['rate_mbit'] == 0, f'{port("slow")} {port("free")}')
    hostlab.wait_for(lambda: events('slow', 'limited'), SECONDS, 'an event says so')
    check(not events('free', 'limited'), 'an event of a guest without a limit')
    with urllib.request.urlopen('http://127.0.0.1:9177/metrics', timeout=30) as answer:
        text = answer.read().decode()
    shown = {m[0]: int(m[1]) for m in re.findall(r'^ix_port_limited_frames_total{guest="(.*)"} (\d+)$', text, re.M)}
    check(shown['slow'] >= 200 and shown['free'] == 0, f'metrics: {shown}')
    check(f'ix_port_rate_bytes_per_second{{guest="slow"}} {RATE_MBIT * 125000}\n' in text, 'its rate is not among the metrics')
    return said


def flood(liar, seconds=SECONDS):
    """Has the guest send broadcasts until the switch has counted 500 as too many. Returns how many were sent, and reached the host."""
    data = fr.ether(fr.BROADCAST, liar.mac, fr.ETH_ARP, fr.arp(1, liar.mac, LOUD, bytes(6), '10.77.200.1'))
    before, sent, got, began = port('loud')['flooded'], 0, 0, time.monotonic()
    liar.wire.drain()
    while port('loud')['flooded'] < before + 500:
        check(time.monotonic() < began + seconds, f'{sent} sent: {port("loud")}')
        for _ in range(1500):
            liar.say(data)
            sent += 1
        while liar.wire.receive(lambda f: f[:12] == data[:12] and f[38:42] == data[38:42], 0.05):
            got += 1
    took = time.monotonic() - began
    check(0 < got <= FLOOD_FRAMES_S * (2 + took), f'{got} of {sent} reached the host in {took:.1f} s')
    return sent, got


def test_flood():
    """Broadcasts of a guest: not more than its meter lets through to the host, and none to another guest."""
    liar = Liar('loud', LOUD)
    liar.start()
    time.sleep(2.5)                     # what came before is counted by then
    before = port('free')['tx_frames']
    sent, got = flood(liar)
    liar.wire.drain()
    time.sleep(2.5)
    others = port('free')['tx_frames'] - before
    check(others < got / 2, f'{others} frames went to another guest, {got} to the host')
    hostlab.wait_for(lambda: events('loud', 'flooded'), SECONDS, 'an event says so')
    check(not port('free')['flooded'] and not port('slow')['flooded'], f'{port("free")} {port("slow")}')
    hostlab.echo(FREE)
    test_flood.liar = liar
    return f'{sent} sent, {got} reached the host, {port("loud")["flooded"]} dropped and counted; {others} frames of all kinds went to another guest'


def test_switch_killed():
    """What may be sent is in the switch's database; meters come back with the flows."""
    pid = hostlab.pid_of('/run/openvswitch/ovs-vswitchd.pid')
    os.kill(pid, signal.SIGKILL)
    hostlab.wait_for(lambda: hostlab.pid_of('/run/openvswitch/ovs-vswitchd.pid') != pid, 10, 'the switch ends')
    hostlab.set_up()
    hostlab.wait_for(lambda: port('slow')['linked'] and port('loud')['linked'] and port('slow')['rate_mbit'] == RATE_MBIT, SECONDS,
                     lambda: f'{port("slow")}')
    hostlab.wait_for(lambda: lab.Pinger(SLOW).ping() and lab.Pinger(FREE).ping(), SECONDS, 'guests answer again')
    hostlab.wait_for(lambda: port('slow')['limited'] == 0, SECONDS, 'the switch counts anew')
    said = rate_holds()
    sent, got = flood(test_flood.liar)
    return f'{said}; {got} of {sent} broadcasts reached the host'


def refused(name):
    """Events of frames that were refused."""
    return [(row['event'], row['detail']) for row in hostlab.ask('events', name=name)[1]
            if row['event'] in ('spoofed', 'forbidden', 'flooded', 'limited', 'port-linked')]


def test_old_counts():
    """What was counted before ixd began is not noted again, and what comes then is."""
    liar = test_flood.liar
    lie = fr.ether(liar.host_mac, liar.mac, fr.ETH_IPV4, liar.ping(FREE))
    for _ in range(5):
        liar.say(lie)
    await_count('loud', 'spoofed', 5)
    time.sleep(NOTED_S)
    before = {name: (len(refused(name)), port(name)) for name in ('slow', 'free', 'loud')}
    pid = hostlab.pid_of('/run/ix/ixd.pid')
    os.kill(pid, signal.SIGKILL)
    hostlab.wait_for(lambda: hostlab.pid_of('/run/ix/ixd.pid') is None, 30, 'ixd ends')
    hostlab.start_ixd()
    await_count('loud', 'spoofed', before['loud'][1]['spoofed'])
    time.sleep(3)

    def noted(name, kind):
        """Frames in events since ixd began."""
        return sum(detail['frames'] for event, detail in refused(name)[before[name][0]:] if event == kind)
    for name, (_, was) in before.items():       # a broadcast that comes by is sent back by the kernel that lies, and refused
        for kind in 'spoofed', 'flooded', 'limited':
            check(port(name)[kind] >= was[kind], f'{name} {kind}: {was} {port(name)}')
            said = noted(name, kind)
            check(said <= port(name)[kind] - was[kind], f'{name} {kind}: noted again, {said}: {was} {port(name)}')
    check(not [event for name in before for event, _ in refused(name)[before[name][0]:] if event == 'port-linked'], 'a link that was there')
    liar.say(lie)
    hostlab.wait_for(lambda: noted('loud', 'spoofed') >= 1, SECONDS, lambda: f'one more: {refused("loud")[-3:]}')
    return f'counts of {before["loud"][1]["spoofed"]} spoofed and {before["loud"][1]["flooded"]} flooded frames stayed; of one more there was an event'


def main():
    report = Report()
    hostlab.enter()
    hostlab.set_up()
    # What ports counted is in the database sooner than every five seconds.
    done = hostlab.Done(['ovs-vsctl', 'set', 'Open_vSwitch', '.', 'other_config:stats-update-interval=1000'], 30)
    check(not done.status, done)
    one = {'min': 1, 'max': 1}
    hostlab.up('slow', 'images/echo.ix', address=f'{SLOW}/16', cpus=one, rate_mbit=RATE_MBIT)
    hostlab.up('free', 'images/echo.ix', address=f'{FREE}/16', cpus=one)
    hostlab.up('loud', 'images/echo.ix', address=f'{LOUD}/16', cpus=one)
    for test in test_rate, test_flood, test_switch_killed, test_old_counts:
        if not report.run(test.__name__[5:], test):
            break
    report.close()


if __name__ == '__main__':
    main()
