#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A guest and a client that mean harm, beside a guest that must not notice: a client of ixd that sends garbage, a page that is
scribbled over, cut short and replaced, a guest that sends frames in the name of others.

Usage: host_hostile.py
"""
import json
import os
import pathlib
import random
import re
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'lib'))
import frame as fr  # noqa: E402  pylint: disable=wrong-import-position
import hostlab  # noqa: E402  pylint: disable=wrong-import-position
import lab  # noqa: E402  pylint: disable=wrong-import-position
from liar import Liar  # noqa: E402  pylint: disable=wrong-import-position
from report import Report, check  # noqa: E402  pylint: disable=wrong-import-position

GOOD, BAD, HOST = '10.77.0.5', '10.77.0.6', '10.77.0.1'
SECONDS = 90
PAGE_BYTES, AT_GUEST, AT_ANSWER, AT_GROUPS, AT_CORES, AT_CRASH = 1 << 20, 0x2000, 0x3000, 0x4000, 0x10000, 0x80000  # kernel/abi/page.h


def health(name):
    return hostlab.ps(name)['health']


def await_health(name, wanted):
    hostlab.wait_for(lambda: health(name) == wanted, SECONDS, lambda: f'{name} is {wanted}: {hostlab.ps(name)}')


def all_is_well():
    """ixd answers, and the good guest serves."""
    await_health('good', 'ready')
    hostlab.echo(GOOD, count=20000)


# ---- clients ----
def connect():
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.connect(hostlab.SOCKET)      # which waits for its turn
    s.settimeout(SECONDS)
    return s


def refusal(data, fds=()):
    """What ixd answers to @data."""
    with connect() as s:
        socket.send_fds(s, [data], list(fds))
        return s.recv(1 << 18).decode()


def test_garbage():
    """Each is answered by one line, and ixd goes on."""
    null = os.open('/dev/null', os.O_RDONLY)
    words = 'one JSON object'
    for what, data, fds, wanted in (
            ('noise', random.Random(5).randbytes(1000), [], words), ('half a message', b'{"verb":"ps"', [], words),
            ('a list', b'[]', [], words), ('depth', b'[' * 200000, [], words), ('a deep object', b'{"a":' * 40000, [], words),
            ('a name twice', b'{"verb":"ps","verb":"ps"}', [], words), ('no verb', b'{}', [], 'does not know'),
            ('another verb', b'{"verb":"' + b'x' * 9000 + b'"}', [], 'does not know'), ('a verb that is none', b'{"verb":7}', [], 'does not know'),
            ('no name', b'{"verb":"inspect"}', [], 'say which guest'), ('a path', b'{"verb":"inspect","name":"../../etc"}', [], '"error"'),
            ('no guest', b'{"verb":"inspect","name":"goad"}', [], 'did you mean good'),
            ('no image', b'{"verb":"up","guest":{"name":"new"}}', [], 'no image came'),
            ('an empty image', b'{"verb":"up","guest":{"name":"new"}}', [null], '"error"'),
            ('41 files', b'{"verb":"ps"}', [null] * 41, 'at most 40 files'), ('a broken string', b'{"verb":"\xff\xfe"}', [], words)):
        got = refusal(data, fds)
        check(wanted in got and '\n' not in got and len(got) < 2000, f'{what}: expected "{wanted}", got {got[:300]}')
    os.close(null)
    all_is_well()
    return '16 kinds of nonsense refused in one line each'


def test_silent_clients():
    """A hundred at once that say nothing, and some that do not read: the others are told, or served once those are given up."""
    pid = hostlab.pid_of('/run/ix/ixd.pid')
    files = len(os.listdir(f'/proc/{pid}/fd'))
    silent = [connect() for _ in range(100)]
    for s in silent[:20]:
        s.send(b'{"verb":"events","follow":true}')
    for s in silent[20:40]:
        s.close()

    def answers():
        try:
            return bool(hostlab.ps())
        except hostlab.Refused as e:
            check('try again' in str(e), str(e))
            return False
    hostlab.wait_for(answers, SECONDS, 'ixd serves others')
    for s in silent:
        s.close()
    hostlab.wait_for(lambda: len(os.listdir(f'/proc/{pid}/fd')) <= files + 4, SECONDS,
                     lambda: f'files are closed: {files} before, {len(os.listdir(f"/proc/{pid}/fd"))} now')
    check(hostlab.pid_of('/run/ix/ixd.pid') == pid, 'ixd was another process')
    all_is_well()


def test_stranger():
    """Whoever is not in the group gets one clear line."""
    check(os.stat(hostlab.SOCKET).st_mode & 0o777 == 0o660, 'the socket is open to others')
    done = hostlab.ixctl_as_nobody('ps')
    check(done.status and done.err.count('\n') == 1 and 'group ix' in done.err, f'{done}')
    for path in ('/dev/shm/ix-good', '/run/ix/good/seed', '/run/ix/good/bell.sock'):
        check(not os.path.exists(path) or not os.stat(path).st_mode & 0o077 or path.endswith('.sock'), f'others may use {path}')
    return done.err.strip()


# ---- the page ----
class Scribbler(threading.Thread):
    """Writes over a guest's page, which QEMU may do at any time."""

    def __init__(self):
        super().__init__(daemon=True)
        self.is_over = False
        self.start()

    def run(self):
        rng, fd = random.Random(7), os.open('/dev/shm/ix-bad', os.O_RDWR)       # behind counters and id, so that it is looked at
        while not self.is_over:
            at = rng.choice((AT_GUEST, AT_ANSWER, AT_GROUPS, AT_CRASH, AT_CORES, AT_CORES + 0x1000, AT_CORES + 0x7000))
            os.pwrite(fd, rng.randbytes(rng.choice((4, 64, 600))), at + rng.choice((4, 24, 24, 32, 40, 48, 64, 64)))
            time.sleep(0.0005)
        os.close(fd)


def cpu_seconds(pid):
    """That a process has used."""
    fields = pathlib.Path(f'/proc/{pid}/stat').read_text(encoding='ascii').rsplit(')', 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


def test_scribble():
    """Ten seconds of noise: the guest is unmanaged, with a reason; ixd has little work with it; the other guest serves."""
    pid, echo = hostlab.pid_of('/run/ix/ixd.pid'), hostlab.Echo(GOOD)
    scribbler = Scribbler()
    hostlab.wait_for(lambda: health('bad') == 'unmanaged' and hostlab.ps('bad')['why'], SECONDS, lambda: f'unmanaged: {hostlab.ps("bad")}')
    why, began, used = hostlab.ps('bad')['why'], time.monotonic(), cpu_seconds(pid)
    while time.monotonic() < began + 6:
        check(health('good') == 'ready', f'{hostlab.ps("good")}')
        hostlab.ask('inspect', name='bad')
        time.sleep(0.1)
    used, took = cpu_seconds(pid) - used, time.monotonic() - began
    scribbler.is_over = True
    scribbler.join()
    check(hostlab.pid_of('/run/ix/ixd.pid') == pid, 'ixd was another process')
    check(used < took / 2, f'ixd used {used:.1f} s in {took:.1f} s')
    lines = sum(1 for _ in open('/var/log/ix/bad.events', 'rb'))
    check(lines < 40 * took, f'{lines} events')
    return f'"{why}"; ixd used {used:.1f} s of {took:.1f} s, the other guest returned {echo.stop()} bytes'


def restart_ixd():
    """kill -9, and again."""
    pid = hostlab.pid_of('/run/ix/ixd.pid')
    os.kill(pid, 9)
    hostlab.wait_for(lambda: hostlab.pid_of('/run/ix/ixd.pid') is None, 30, 'ixd ends')
    hostlab.start_ixd()


def test_another_page():
    """What lies in the page's place when ixd begins anew is no page: it is not followed, not waited for, and said."""
    page = pathlib.Path('/dev/shm/ix-bad')
    found = []
    for make in (lambda: os.mkfifo(page), lambda: page.symlink_to('/etc/shadow'), page.mkdir, lambda: page.write_bytes(bytes(PAGE_BYTES)),
                 lambda: page.write_bytes(b'x')):
        if page.is_dir() and not page.is_symlink():
            page.rmdir()
        else:
            page.unlink(missing_ok=True)
        make()
        restart_ixd()
        hostlab.wait_for(lambda: health('bad') == 'unmanaged' and hostlab.ps('bad')['why'], SECONDS, lambda: f'unmanaged: {hostlab.ps("bad")}')
        found.append(re.sub('^.*: ', '', hostlab.ps('bad')['why']))
        all_is_well()
    return '; '.join(found)


def test_bell():
    """Whoever rings without end gets nothing for it."""
    with socket.socket(socket.AF_UNIX) as s:
        s.connect('/run/ix/good/bell.sock')
        s.settimeout(1)
        end = time.monotonic() + 2
        while time.monotonic() < end:
            try:
                s.send(bytes(4096))
            except socket.timeout:
                pass
        hostlab.echo(GOOD, count=20000)
    all_is_well()


# ---- frames in the name of others ----
def test_spoofing():
    """Nothing in another's name leaves the guest's port, and all of it is counted."""
    liar = Liar('bad', BAD)
    liar.start()
    good_mac = bytes.fromhex(re.search(r"mac address='([^']*)'", liar.virsh('dumpxml', 'good'))[1].replace(':', ''))
    own, every = liar.mac, fr.BROADCAST
    own6 = str(lab.socket.inet_ntop(socket.AF_INET6, bytes.fromhex('fe80') + bytes(6) + bytes((own[0] ^ 2, own[1], own[2], 0xff, 0xfe, *own[3:]))))
    lies = [fr.ether(liar.host_mac, good_mac, 0x0800, liar.ping()), fr.ether(liar.host_mac, own, 0x0800, liar.ping(GOOD)),
            fr.ether(every, own, 0x0806, fr.arp(2, own, GOOD, bytes(6), HOST)), fr.ether(every, own, 0x0806, fr.arp(2, good_mac, BAD, bytes(6), HOST)),
            fr.ether(every, own, 0x0806, fr.arp(2, own, HOST, good_mac, GOOD)),
            fr.ether(every, own, 0x0800, fr.ipv4(BAD, '255.255.255.255', fr.UDP, fr.udp(BAD, '255.255.255.255', 67, 68, bytes(300)))),
            fr.ether(b'\x33\x33\0\0\0\1', own, 0x86dd, fr.ipv6(own6, 'ff02::1', fr.ICMP6, fr.icmp6(own6, 'ff02::1', 134, 0, bytes(12)), hops=255)),
            fr.ether(b'\x33\x33\0\0\0\1', own, 0x86dd, fr.ipv6(own6, 'ff02::1', fr.ICMP6, fr.icmp6(
                own6, 'ff02::1', 136, 0, bytes(4) + fr.address('fe80::1') + fr.link_option(2, own)), hops=255)),
            fr.ether(liar.host_mac, own, 0x8100, b'\0\5\x08\0' + liar.ping())]
    reaching = [fr.ether(good_mac, own, 0x0800, liar.ping(target=GOOD)), fr.ether(liar.host_mac, own, 0x0800, liar.ping(target=GOOD)),
                fr.ether(liar.host_mac, own, 0x0800, liar.ping(target='127.0.0.1'))]
    before = hostlab.ask('inspect', name='bad')[0]['port']
    liar.wire.drain()
    for data in lies + reaching:
        liar.say(data)

    def counted():
        now = hostlab.ask('inspect', name='bad')[0]['port']
        return now['spoofed'] - before['spoofed'] >= len(lies) and now['forbidden'] - before['forbidden'] >= len(reaching)
    hostlab.wait_for(counted, SECONDS, lambda: f'counted: {before} {hostlab.ask("inspect", name="bad")[0]["port"]}')
    got = liar.wire.receive(lambda f: any(f[:50] == data[:50] for data in lies + reaching), 1)
    check(not got, f'the host got {got and got[0].hex()}')
    rows = hostlab.ps()
    check(rows['good']['spoofed'] == 0 and rows['good']['forbidden'] == 0, f'a guest that is honest: {rows["good"]}')
    all_is_well()
    return f'{len(lies)} lies and {len(reaching)} ways to another guest or the host\'s loopback refused and counted'


def test_cut_short():
    """A page that is cut short while the guest runs: at most that guest ends of it."""
    with open('/dev/shm/ix-bad', 'r+b') as file:
        file.truncate(100)
    hostlab.wait_for(lambda: health('bad') in ('unmanaged', 'crashed', 'stuck'), SECONDS, lambda: f'noticed: {hostlab.ps("bad")}')
    all_is_well()
    return f'bad is {health("bad")}: {hostlab.ps("bad")["why"] or "ended"}'


def main():
    report = Report()
    hostlab.enter()
    hostlab.set_up()
    for name, address in (('good', GOOD), ('bad', BAD)):
        hostlab.up(name, 'images/echo.ix', address=f'{address}/16', cpus={'min': 1, 'max': 1})
    report.run('garbage', test_garbage)
    report.run('silent_clients', test_silent_clients)
    report.run('stranger', test_stranger)
    report.run('bell', test_bell)
    report.run('scribble', test_scribble)
    report.run('another_page', test_another_page)
    report.run('spoofing', test_spoofing)
    report.run('cut_short', test_cut_short)
    report.close()


if __name__ == '__main__':
    main()
