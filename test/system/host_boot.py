#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A host as an operator has it: a minimal Debian with its own systemd, on which nothing of ours is but what `cmake --install` puts
there. Packages come by apt, daemons by their units; they are killed and restarted, the machine is rebooted and its plug pulled, and
teardown leaves what was there before."""
import contextlib
import ctypes
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'lib'))
import booted  # noqa: E402  pylint: disable=wrong-import-position
import hostlab  # noqa: E402  pylint: disable=wrong-import-position
import lab  # noqa: E402  pylint: disable=wrong-import-position
import larder  # noqa: E402  pylint: disable=wrong-import-position
from report import Report, check  # noqa: E402  pylint: disable=wrong-import-position

WEB, FALLS, PORT, FALL = '10.77.0.5', '10.77.0.6', 8007, 13
LIBRARIES = 'libyaml-0-2', 'libjansson4', 'libssl3'       # what ixctl needs to start, as hostctl/README.md says
FOLDER = lab.build_folder() / 'host_boot'
# What daemons, apt and the machine itself write while they run.
MOVING = '/var/log', '/var/cache', '/var/lib/apt', '/var/lib/dpkg', '/var/lib/systemd', '/var/lib/logrotate', '/var/backups', '/tmp', '/root'
KILLS = ('kill', '--kill-whom=main', '--signal=KILL')
machine = booted.Machine(FOLDER / 'root')


@contextlib.contextmanager
def inside():
    """Sockets that are made meanwhile are the machine's."""
    with open('/proc/self/ns/net', 'rb') as ours, open(f'/proc/{machine.first}/ns/net', 'rb') as its:
        check(lab.libc.setns(its.fileno(), lab.CLONE_NEWNET) == 0, f'setns: {os.strerror(ctypes.get_errno())}')
        try:
            yield
        finally:
            lab.libc.setns(ours.fileno(), lab.CLONE_NEWNET)


def ixctl(*words, status=0, timeout=300):
    """The one that is installed."""
    return machine.run('ixctl', *words, status=status, timeout=timeout)


def systemctl(*words):
    """Its systemd."""
    return machine.run('systemctl', *words).out


def ps():
    """Guests by name."""
    done = ixctl('ps', '--json', status=None)
    return {row['name']: row for row in map(json.loads, done.out.splitlines())} if done.status == 0 else {}


def all_ready():
    """Both guests."""
    rows = ps()
    return len(rows) == 2 and all(row['health'] == 'ready' for row in rows.values())


def wait_ready():
    """Until they are."""
    hostlab.wait_for(all_ready, 180, lambda: f'guests are ready: {ps()}\n{journal("ixd")}')


def qemu(name='web'):
    """Its process, as the machine counts."""
    return machine.run('cat', f'/run/libvirt/qemu/{name}.pid').out.strip()


def journal(unit):
    """The last that a unit said."""
    return machine.run('journalctl', '--no-pager', '-n', '15', '-u', unit, status=None).out


def echo(port=7, address=WEB):
    """Bytes there and back."""
    with inside():
        connection = lab.connect(port, address=address, timeout=60)
    with connection:
        data = os.urandom(50000)
        connection.sendall(data)
        check(lab.receive(connection, len(data)) == data, f'{address} port {port}: other bytes came back, or too few')


def failed_units():
    """dpdk.service wants a setting of the kernel's that is not this machine's to change."""
    lines = systemctl('list-units', '--failed', '--plain', '--no-legend').splitlines()
    return [line for line in lines if not line.startswith('dpdk.service')]


def files():
    """All of its disk but what moves."""
    skip = [word for folder in MOVING for word in ('-path', folder, '-prune', '-o')]
    return set(machine.run('find', '/', '-xdev', *skip, '-print').out.splitlines())


def runs():
    """What it does and has besides files."""
    names = sorted(set(machine.run('sh', '-c', 'cat /proc/[0-9]*/comm').out.split()) - {'sh', 'cat'})
    return {'links': re.findall(r'^\d+: ([^:@]+)', machine.run('ip', '-o', 'link').out, re.M), 'shm': os.listdir(f'/proc/{machine.first}/root/dev/shm'),
            'run': machine.run('ls', '/run').out.split(), 'daemons': [n for n in names if n.startswith(('ov', 'ixd', 'qemu', 'CPU'))],
            'units': machine.run('systemctl', 'list-unit-files', 'ixd*', '--no-legend', status=None).out,
            'group': machine.run('getent', 'group', 'ix', status=None).out,
            'tables': machine.run('nft', 'list', 'tables').out}


def switch_on():
    """And its way to packages."""
    machine.boot()
    kept.serve(machine.first)


def test_machine():
    """It boots; ixctl is installed, and starts."""
    began = time.monotonic()
    mirror, lists = larder.sources()
    booted.install(machine.root, mirror, lists, kept.serve())
    done = hostlab.Done(['cmake', '--install', str(lab.build_folder()), '--prefix', '/usr/local'], 60,
                        env={**os.environ, 'DESTDIR': str(machine.root)})
    check(done.status == 0, str(done))
    for image in 'images/echo.ix', 'test/images/crash.ix':
        shutil.copy(lab.build_folder() / image, machine.root / 'root')
    switch_on()
    check(machine.state() == 'running', systemctl('--failed'))
    machine.run('apt-get', '-qq', 'update', timeout=300)
    machine.run('apt-get', '-qq', '-y', 'install', *LIBRARIES, timeout=300)
    status = ixctl('host', 'status', '--json', status=103).json()
    check(not status['good'] and 'apt-get install' in status['checks'][0]['says'], f'{status}')
    return f'{time.monotonic() - began:.0f} s'


def test_setup():
    """apt brings what is missing, units start; the second time nothing is to do."""
    before = files()
    done = ixctl('host', 'setup', timeout=1800)
    check('installing openvswitch-switch-dpdk' in done.err and 'ixd: started' in done.err, str(done))
    status = ixctl('host', 'status', '--json').json()
    check(status['good'], f'{status}')
    check(not failed_units(), f'{failed_units()}')
    for unit in 'ixd', 'libvirtd', 'ovs-vswitchd':
        check(systemctl('is-active', unit).strip() == 'active', unit)
    version = machine.run('dpkg-query', '-W', '-f', '${Version}', 'libvirt-daemon').out
    check('bpo12' in version, f'libvirt {version} is not of the backports')
    check(not (machine.root / 'usr/sbin/policy-rc.d').exists(), 'services are still held')
    again = ixctl('host', 'setup')
    check('started' not in again.err and 'installing' not in again.err, f'the second setup does something: {again}')
    machine.made = files() - before
    return f'libvirt {version}'


def test_up():
    """Two guests; traffic to an address and a published port."""
    ixctl('up', 'web', '/root/echo.ix', '--address', f'{WEB}/16', '--publish', f'{PORT}:7')
    ixctl('up', 'falls', '/root/crash.ix', '--address', f'{FALLS}/16')
    wait_ready()
    echo()
    echo(PORT, hostlab.HOST)
    done = machine.run('cat', f'/proc/{qemu()}/status').out
    check(re.search(r'^Seccomp:\s+2$', done, re.M) and not re.search(r'^Uid:\s+0', done, re.M), done)


def test_sandbox():
    """What ixd does within the limits of its unit: frames captured, a crash's core file, metrics, a terminal."""
    pcap = subprocess.Popen([*machine.words(), 'ixctl', 'capture', 'web', '--seconds', '20', '--count', '4', '-w', '/root/web.pcap', 'tcp port 7'],  # pylint: disable=consider-using-with
                            env=booted.ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    for _ in range(20):
        if pcap.poll() is None:
            echo()
            time.sleep(0.5)
    said = pcap.communicate(timeout=60)[0]
    check(pcap.returncode == 0 and '4 frames' in said, said)
    end = 'a connection that was closed'
    try:
        with inside():
            lab.connect(FALL, address=FALLS, timeout=60).close()
    except OSError as e:                            # it may be reset before we hear that it was there
        end = str(e)
    hostlab.wait_for(lambda: ps().get('falls', {}).get('restarts') == 1, 60, lambda: f'it falls after {end}: {ps()}')
    folder = hostlab.wait_for(lambda: list((machine.root / 'var/log/ix/falls.crash').glob('*/report.txt')), 20, journal('ixd'))[0].parent
    core = folder / 'core.elf'
    check(core.exists(), ixctl('events', 'falls').out)
    backtrace = hostlab.Done(['gdb', '-batch', '-nx', '-ex', 'backtrace', lab.build_folder() / 'apps/hostile_crash', core], 60)
    check('fall (depth=' in backtrace.out, str(backtrace))
    with inside():
        metrics = lab.connect(9177, address='127.0.0.1', timeout=30)
    with metrics:
        metrics.sendall(b'GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n')
        text = metrics.makefile('rb').read().decode()
    check('ix_guest_up{guest="web"} 1' in text, text[:300])
    check(machine.run('virsh', '-q', 'domstate', 'web').out.strip() == 'running', 'virsh does not find it')


def test_group():
    """Whoever is in the group may use ixctl, others not."""
    machine.run('useradd', '-m', '-G', 'ix', 'member')
    machine.run('useradd', '-m', 'stranger')
    check('web' in machine.run('runuser', '-u', 'member', '--', 'ixctl', 'ps').out, 'a member does not see the guests')
    check('group ix' in machine.run('runuser', '-u', 'stranger', '--', 'ixctl', 'ps', status=64).err, 'a stranger is not told why')
    for user in 'member', 'stranger':
        machine.run('userdel', '-r', user, status=None)     # it complains about a mail folder that there is none of


def test_apparmor():
    """No kernel here enforces it; what libvirt would let the guest do is compiled, and names all that its XML does."""
    machine.run('apt-get', '-qq', '-y', '--no-install-recommends', 'install', 'apparmor', timeout=300)
    machine.run('sh', '-c', 'virsh -c qemu:///system dumpxml web >/root/web.xml')
    name = 'libvirt-' + machine.run('virsh', '-q', 'domuuid', 'web').out.strip()
    made = machine.run('sh', '-c', f'/usr/lib/libvirt/virt-aa-helper -d -c -u {name} </root/web.xml 2>&1').out
    rules = re.findall(r'^ +(?:deny )?".*,$', made, re.M)
    allowed = {path for path, what in re.findall(r'^ +"(.*)" ([a-z]+),$', '\n'.join(rules), re.M)}
    xml = (machine.root / 'root/web.xml').read_text(encoding='utf-8')
    named = set(re.findall(r"(?:path|file)=['\"](/(?:run|var)/[^'\"]*)", xml) + re.findall(r'<kernel>(.*)</kernel>', xml) + ['/dev/shm/ix-web'])
    missing = named - allowed
    check(missing == {'/var/log/ix/web.console'}, f'other paths than the console need rules: {missing} of {named}, allowed {allowed}')
    folder = machine.root / 'etc/apparmor.d'
    (folder / f'libvirt/{name}.files').write_text('\n'.join(rules) + '\n', encoding='utf-8')
    profile = (folder / 'libvirt/TEMPLATE.qemu').read_text(encoding='utf-8').replace('LIBVIRT_TEMPLATE', name)
    (folder / f'libvirt/{name}').write_text(profile.replace('\n}', f'\n  #include <libvirt/{name}.files>\n}}'), encoding='utf-8')
    whole = machine.run('apparmor_parser', '-Q', '-K', '-p', f'/etc/apparmor.d/libvirt/{name}').out
    check('/var/log/ix/*.console w' in whole, 'our rule is not part of the profile')
    machine.run('apparmor_parser', '-Q', '-K', f'/etc/apparmor.d/libvirt/{name}')
    for left in folder.glob(f'libvirt/{name}*'):
        left.unlink()
    return f'{len(rules) + 1} rules'


def test_restarts():
    """Daemons are killed and restarted by their units while a connection carries bytes; the guest is the same at the end."""
    before, stalls = qemu(), {}
    with inside():
        stream = hostlab.Echo(WEB)
    stream.socket.settimeout(180)
    for words in (*((*KILLS, unit) for unit in ('ixd', 'libvirtd', 'ovs-vswitchd', 'ovsdb-server')), ('restart', 'ixd'), ('restart', 'libvirtd'),
                  ('restart', 'virtlogd'), ('restart', 'ovs-vswitchd'), ('restart', 'ovsdb-server'), ('restart', 'openvswitch-switch')):
        stream.longest = 0
        systemctl(*words)
        at = stream.bytes
        hostlab.wait_for(lambda at=at: stream.error or stream.bytes > at + (1 << 20), 120, lambda w=words: f'the connection goes on after {w}')
        check(not stream.error, f'{words}: {stream.error}')
        hostlab.wait_for(lambda: ixctl('host', 'status', status=None).status == 0, 60, lambda: ixctl('host', 'status', status=None).out)
        wait_ready()
        stalls[f'{words[-1]} {"killed" if words[0] == "kill" else "restarted"}'] = stream.longest
    count = stream.stop()
    check(qemu() == before, 'the guest is another one')
    check(not failed_units(), f'{failed_units()}')
    worst = max(stalls, key=stalls.get)
    return f'{count} bytes, none lost; longest stall {stalls[worst]:.1f} s, {worst}'


def comes_back(how):
    """The machine begins again: units in their order, guests as they were."""
    began = time.monotonic()
    switch_on()
    wait_ready()
    echo()
    echo(PORT, hostlab.HOST)
    status = ixctl('host', 'status', '--json').json()
    check(status['good'] and not failed_units(), f'{status} {failed_units()}')
    rows = [json.loads(line) for line in (machine.root / 'var/log/ix/web.events').read_text(encoding='utf-8').splitlines()]
    events = [row['event'] for row in rows]
    check(events.count('autostarted') == how, f'{how} times it was to start by itself: {events}')
    return events, f'{time.monotonic() - began:.1f} s from power to guests that answer'


def test_reboot():
    """systemctl reboot: guests are asked to end first."""
    systemctl('reboot')
    machine.wait_end(booted.REBOOT)
    events, text = comes_back(1)
    check('stopping' in events[:events.index('autostarted')], f'the guest was not asked to end: {events}')
    return text


def test_plug():
    """Without a word."""
    machine.end()
    return comes_back(2)[1]


def test_teardown():
    """Refused while guests run; then all that goes with it, and a second life of the host leaves not one file more than the first."""
    check('guests are up' in ixctl('host', 'teardown', status=64).err, 'not refused')
    ixctl('host', 'teardown', '--force', '--purge')
    clean = {'links': ['lo'], 'shm': [], 'daemons': [], 'units': '', 'group': '', 'tables': ''}
    state = runs()
    check({key: state[key] for key in clean} == clean and 'ix' not in state['run'], f'left behind: {state}')
    first = files()
    ours = [path for path in machine.made & first if re.search(r'\bixd?\b', path.replace('/usr/share', ''))]
    check(ours == ['/etc/apt/sources.list.d/ix-backports.sources'], f'left behind: {ours}')
    check('ixctl' not in (machine.root / 'etc/libvirt/qemu.conf').read_text(encoding='utf-8'), 'qemu.conf is not as it was')
    ixctl('host', 'setup')
    ixctl('up', 'web', '/root/echo.ix', '--address', f'{WEB}/16')
    ixctl('host', 'teardown', '--force', '--purge')
    check(runs() == state, f'left behind: {runs()}, before: {state}')
    check(files() == first, f'files: {sorted(files() ^ first)}')
    systemctl('poweroff')
    machine.wait_end(booted.OFF)


def main():
    report = Report()
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    try:
        for test in test_machine, test_setup, test_up, test_sandbox, test_group, test_apparmor, test_restarts, test_reboot, test_plug, test_teardown:
            if not report.run(test.__name__[5:], test):
                break
    finally:
        machine.end()
        shutil.rmtree(machine.root, ignore_errors=True)
    report.close()


if __name__ == '__main__':
    if os.geteuid() != 0:
        sys.exit('this test makes namespaces and must run as root: sudo ci/test')
    kept = larder.Larder(pathlib.Path(os.environ.get('IX_SOURCES', '/var/cache/ix')) / 'debs')
    main()
