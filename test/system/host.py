#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A machine becomes a host, carries a guest and is a machine again, by the product alone: ixctl host setup (twice), status, up, a
client's traffic to the guest and through a published port, ps, down, teardown; and what goes wrong ends in one clear line."""
import json
import pathlib
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'lib'))
import hostlab  # noqa: E402  pylint: disable=wrong-import-position
import lab  # noqa: E402  pylint: disable=wrong-import-position
from report import Report, check  # noqa: E402  pylint: disable=wrong-import-position

ADDRESS, IMAGE, PORT = '10.77.0.2', 'images/echo.ix', 8007
ELSEWHERE, GATE = '192.0.2.2', '192.0.2.1'
RULES = '/etc/apparmor.d/abstractions/libvirt-qemu.d/ix'
DAEMONS = ('ovsdb-server', 'ovs-vswitchd', 'libvirtd', 'ixd')


def one_line(done, status, words):
    """It ended with @status and one line that has @words in it."""
    lines = done.err.splitlines()
    check(done.status == status and len(lines) == 1 and re.search(words, lines[0]) and not done.out,
          f'expected status {status} and one line like "{words}": {done}')


def refused(call, status, words):
    """ixd refuses it so."""
    try:
        call()
    except hostlab.Refused as no:
        check(no.status == status and re.search(words, no.text) and '\n' not in no.text,
              f'expected {status} and "{words}", got {no.status}: {no.text}')
        return
    raise hostlab.Failed(f'not refused: {words}')


def processes():
    """Names of all that runs in the lab, with a guest's QEMU."""
    found = (p / 'comm' for p in pathlib.Path('/proc').iterdir() if p.name.isdigit())
    return [c.read_text(encoding='utf-8').strip() for c in found if c.exists()]


def left():
    """What a host leaves behind that no machine has."""
    links = {link['ifname'] for link in json.loads(hostlab.Done(['ip', '-j', 'link'], 10).out)} - {'lo'}
    files = [str(p) for p in map(pathlib.Path, ('/run/ix', '/var/lib/ix', '/var/log/ix', '/etc/openvswitch/conf.db', RULES)) if p.exists()]
    pages = [str(p) for p in pathlib.Path('/dev/shm').iterdir()]
    tables = hostlab.Done(['nft', 'list', 'tables'], 10).out.split()
    daemons = [name for name in processes() if name.startswith((*DAEMONS, 'qemu'))]
    return [*sorted(links), *files, *pages, *tables, *daemons]


def test_bare():
    """Not set up: each says so, and what to do."""
    before = left()
    check(not before, f'the lab is not empty: {before}')
    status = hostlab.ixctl('host', 'status', '--json', status=103).json()
    check(not status['good'] and all(c['good'] or c['remedy'] for c in status['checks']), f'{status}')
    one_line(hostlab.ixctl('host', 'setup', '--address', '10.77.0.1', status=None), 64, '--address: expected')
    lab.ip('address', 'add', '198.51.100.1/24', 'dev', 'lo')
    one_line(hostlab.ixctl('host', 'setup', '--address', '198.51.100.9/24', status=None), 64, 'lo has an address in the guests')
    lab.ip('address', 'del', '198.51.100.1/24', 'dev', 'lo')
    one_line(hostlab.ixctl('host', 'setup', '--accel', 'xen', status=None), 64, '--accel: expected auto, kvm or tcg')
    one_line(hostlab.ixctl('host', 'setup', '--cores', '0', status=None), 64, '--cores: expected auto or a number from 1 to 4096')
    one_line(hostlab.ixctl('host', 'stats', status=None), 64, 'did you mean status')
    one_line(hostlab.Done([hostlab.program('ixd')], 10), 103, 'not set up: run ixctl host setup')
    one_line(hostlab.ixctl_as_nobody('host', 'setup'), 64, 'as root')
    return 'status names all that is missing; seven mistakes, one line each'


def test_missing_package():
    """A machine whose packages are not all there, seen through a dpkg-query that does not know one."""
    folder = pathlib.Path('/run/fake')
    folder.mkdir()
    (folder / 'dpkg-query').write_text('#!/bin/sh\n/usr/bin/dpkg-query "$@" | sed /nftables/d\n', encoding='ascii')
    (folder / 'dpkg-query').chmod(0o755)
    done = hostlab.Done([hostlab.program('ixctl'), 'host', 'setup', '--no-install'], 20,
                        env={'PATH': f'{folder}:/usr/sbin:/usr/bin:/sbin:/bin'})
    one_line(done, 103, 'apt-get install nftables$')


def test_setup():
    """Once, and once more: then nothing changes."""
    hostlab.set_up()
    pids = {name: hostlab.pid_of(path) for name, path in (('ixd', '/run/ix/ixd.pid'), ('libvirtd', '/run/libvirtd.pid'),
                                                          ('switch', '/run/openvswitch/ovs-vswitchd.pid'))}
    check(all(pids.values()), f'not all run: {pids}')
    check(pathlib.Path(RULES).exists(), 'there is no rule for AppArmor')
    again = hostlab.set_up()
    check('started' not in again.err and 'made' not in again.err, f'the second setup does something: {again}')
    check(pids['ixd'] == hostlab.pid_of('/run/ix/ixd.pid'), 'the second setup started ixd anew')
    status = hostlab.ixctl('host', 'status', '--json').json()
    check(status['good'] and all(c['good'] for c in status['checks']), f'{status}')
    lines, _, cores = hostlab.ixctl('host', 'status').out.partition('\n\n')
    check(lines.count('\n') + 1 == len(status['checks']), f'status is not a line each: {lines}')
    check(status['cores']['given'] == 0 and status['cores']['cores'] >= 1 and f'0 of {status["cores"]["cores"]} cores are given' in cores,
          f'{cores} {status["cores"]}')
    return f'{len(status["checks"])} checks are good'


def test_up():
    """A guest of one request; QEMU is nobody of importance."""
    hostlab.up('web', IMAGE, address=f'{ADDRESS}/16', publish=[f'{PORT}:7'])
    row = hostlab.ps('web')
    check(row['health'] == 'ready' and row['address'] == ADDRESS, f'{row}')
    qemu = pathlib.Path('/proc', pathlib.Path('/run/libvirt/qemu/web.pid').read_text(encoding='ascii').strip(), 'status')
    status = dict(line.split(':\t', 1) for line in qemu.read_text(encoding='ascii').splitlines())
    check(status['Uid'].split()[0] != '0' and status['Seccomp'] == '2', f'QEMU: uid {status["Uid"]}, seccomp {status["Seccomp"]}')
    page = pathlib.Path('/dev/shm/ix-web').stat()
    check(page.st_mode & 0o777 == 0o600 and str(page.st_uid) == status['Uid'].split()[0], f'page: {page}')
    lines = pathlib.Path('/var/log/ix/web.events').read_text(encoding='utf-8').splitlines()
    events = [json.loads(line)['event'] for line in lines]
    check([e for e in events if e not in ('starting', 'port-linked')] == ['ready', 'up'], f'events: {events}')
    return f'ready, QEMU as uid {page.st_uid} with seccomp'


def test_traffic():
    """From the host to the guest's address, and to its published port on the host's."""
    for address, port in ((ADDRESS, 7), (hostlab.HOST, PORT), ('127.0.0.1', PORT)):
        hostlab.echo(address, port)
    check(lab.Pinger(ADDRESS).ping(), 'no answer to ping')
    row = hostlab.ps('web')
    check(not row['spoofed'] and not row['forbidden'], f'what an honest guest sent was refused: {row}')
    return '300000 bytes there and back, verified'


def test_elsewhere():
    """A client on another machine, to the published port on this one."""
    other = subprocess.Popen(['unshare', '-n', 'sleep', '1000'], preexec_fn=lab.die_with_parent)
    try:
        hostlab.wait_for(lambda: pathlib.Path(f'/proc/{other.pid}/comm').read_text(encoding='ascii') == 'sleep\n', 10, 'no namespace')
        inside = ['nsenter', '-n', '-t', str(other.pid)]
        lab.ip('link', 'add', 'out0', 'type', 'veth', 'peer', 'name', 'far0', 'netns', str(other.pid))
        lab.ip('address', 'add', f'{GATE}/24', 'dev', 'out0')
        lab.ip('link', 'set', 'out0', 'up')
        for words in (['address', 'add', f'{ELSEWHERE}/24', 'dev', 'far0'], ['link', 'set', 'far0', 'up']):
            subprocess.run([*inside, 'ip', *words], check=True)
        done = hostlab.Done([*inside, sys.executable, __file__, '--client', GATE, str(PORT)], 60)
        check(done.status == 0, str(done))
    finally:
        other.kill()
        other.wait()
    return '100000 bytes through another machine\'s wire'


def test_refused():
    """What cannot be had of ixd."""
    image = lab.build_folder() / IMAGE
    broken = pathlib.Path('/run/broken.ix')
    data = bytearray(image.read_bytes())
    data[-2000] ^= 1
    broken.write_bytes(data)
    cases = (
        (lambda: hostlab.up('web', IMAGE, address='10.77.0.3/16'), 64, "there is a guest 'web' already"),
        (lambda: hostlab.up('db', IMAGE, address=f'{ADDRESS}/16'), 64, f"address {ADDRESS} is web's"),
        (lambda: hostlab.up('db', IMAGE, address=f'{hostlab.HOST}/16'), 64, "host's own address"),
        (lambda: hostlab.up('db', IMAGE, address='10.77.0.3/16', publish=[f'{PORT}:7']), 64, 'leads to web already'),
        (lambda: hostlab.up('db', IMAGE, address='10.77.0.3/16', memory_mib=16), 64, 'memory: 16 MiB are not enough'),
        (lambda: hostlab.up('db', broken, address='10.77.0.3/16'), 65, 'sha256|damaged'),
        (lambda: hostlab.up('db', '/etc/hostname', address='10.77.0.3/16'), 65, 'image'),
        (lambda: hostlab.up('Db', IMAGE), 64, 'name'),
        (lambda: hostlab.ask('down', name='wbe'), 64, "no guest 'wbe', did you mean web"),
        (lambda: hostlab.ask('inspect', name='nobody'), 64, "no guest 'nobody'"),
        (lambda: hostlab.ask('fly'), 64, "does not know 'fly'"),
    )
    for call, status, words in cases:
        refused(call, status, words)
    check(list(hostlab.ps()) == ['web'], f'a refused guest is there: {hostlab.ps()}')
    one_line(hostlab.ixctl('host', 'teardown', status=None), 64, r'guests are up \(web\)')
    return f'{len(cases) + 1} times one clear line'


def test_again():
    """Everything but the machine goes, the record stays; the next setup brings the guest back by itself."""
    hostlab.ixctl('host', 'teardown', '--force')
    check(not [p for p in processes() if p.startswith((*DAEMONS, 'qemu'))], f'{processes()}')
    hostlab.set_up()
    hostlab.wait_for(lambda: hostlab.ps('web')['health'] == 'ready', 60, lambda: f'web is ready: {hostlab.ps()}')
    hostlab.echo(ADDRESS)
    hostlab.echo('127.0.0.1', PORT)


def test_down():
    """The guest goes, and its port, page and rules with it."""
    hostlab.ask('down', name='web')
    check(not hostlab.ps(), f'{hostlab.ps()}')
    check(not list(pathlib.Path('/dev/shm').iterdir()), 'its page is still there')
    check('dnat to' not in hostlab.Done(['nft', 'list', 'ruleset'], 10).out, 'its port is still published')
    check(not [p for p in processes() if p.startswith('qemu')], 'QEMU is still there')


def test_teardown():
    """A machine as before."""
    hostlab.ixctl('host', 'teardown', '--purge')
    behind = [what for what in left() if what not in ('out0', 'far0')]
    check(not behind, f'left behind: {behind}')
    check('ixctl' not in pathlib.Path('/etc/libvirt/qemu.conf').read_text(encoding='utf-8'), 'qemu.conf is not as it was')
    hostlab.ixctl('host', 'teardown')


def main():
    if sys.argv[1:2] == ['--client']:
        hostlab.echo(sys.argv[2], int(sys.argv[3]))
        return
    hostlab.enter()
    report = Report()
    for test in (test_bare, test_missing_package, test_setup, test_up, test_traffic, test_elsewhere, test_refused, test_again, test_down,
                 test_teardown):
        if not report.run(test.__name__[5:], test):
            print(hostlab.Done(['sh', '-c', 'tail -n 20 /var/log/ix/*; ls -laR /var/lib/ix'], 10), flush=True)
            break
    report.close()


main()
