#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every daemon of a host is killed (kill -9) and started again while 64 connections to two guests carry bytes that are compared:
no byte is lost, no connection reset, no guest notices. The last act is a host that begins anew: guests that were up are up again.

Usage: host_restarts.py [--long]
"""
import os
import pathlib
import shutil
import signal
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'lib'))
import hostlab  # noqa: E402  pylint: disable=wrong-import-position
import lab  # noqa: E402  pylint: disable=wrong-import-position
from report import Report, check  # noqa: E402  pylint: disable=wrong-import-position
from streams import SECONDS, Streams  # noqa: E402  pylint: disable=wrong-import-position

GUESTS = {'one': '10.77.0.5', 'two': '10.77.0.6'}
CONNECTIONS = 64
DAEMONS = {'ixd': '/run/ix/ixd.pid', 'libvirtd': '/run/libvirtd.pid', 'vswitchd': '/run/openvswitch/ovs-vswitchd.pid',
           'ovsdb': '/run/openvswitch/ovsdb-server.pid'}


def words(pid, kind):
    """What a process was started with: its cmdline or environ."""
    return [w.decode() for w in pathlib.Path(f'/proc/{pid}/{kind}').read_bytes().split(b'\0') if w]


def kill(name):
    """kill -9, as a crash. Returns, once it is gone, what starts it again as a supervisor would."""
    pid = hostlab.pid_of(DAEMONS[name])
    check(pid, f'{name} does not run')
    argv, environ = words(pid, 'cmdline'), dict(w.split('=', 1) for w in words(pid, 'environ') if '=' in w)
    os.kill(pid, signal.SIGKILL)
    hostlab.wait_for(lambda: hostlab.pid_of(DAEMONS[name]) != pid, 10, f'{name} ends')
    return lambda: subprocess.run(argv, env=environ, check=True, timeout=SECONDS, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def qemus():
    """Process of each guest: a guest that was started again has another one."""
    return {name: hostlab.pid_of(f'/run/libvirt/qemu/{name}.pid') for name in GUESTS}


def events():
    """Names of all events so far, of guests and host."""
    return [row['event'] for row in hostlab.ask('events')[1]]


def are_ready():
    """Whether ixd answers and says that all guests are well."""
    try:
        rows = hostlab.ps()
    except OSError:
        return False
    return all(rows.get(name, {}).get('health') == 'ready' for name in GUESTS)


def await_ready():
    hostlab.wait_for(are_ready, SECONDS, lambda: f'all guests are ready: {hostlab.ps()}')


def act(load, name, lost, expected):
    """One daemon dies and comes back. @lost, @expected: events that tell of it."""
    before, told = qemus(), events()
    load.goes_on()
    load.forget()
    restart = kill(name)
    if lost:
        hostlab.wait_for(lambda: events().count(lost) > told.count(lost), SECONDS, lambda: f'the event {lost}: {events()}')
    # The switch by itself, so that it is ixd that puts the flows back; all else as `host status` says.
    if name == 'vswitchd':
        restart()
    else:
        hostlab.set_up()
    await_ready()
    stall = load.goes_on()
    check(qemus() == before, f'a guest was started again: {before} {qemus()}')
    hostlab.wait_for(lambda: events().count(expected) > told.count(expected), SECONDS, lambda: f'the event {expected}: {events()}')
    return f'the longest stall was {stall:.1f} s'


def reboot():
    """All of it at once, and what a host forgets: guests are started again with what they were asked to be."""
    before = qemus()
    for name in DAEMONS:
        kill(name)
    for pid in before.values():
        os.kill(pid, signal.SIGKILL)
    hostlab.wait_for(lambda: not any(qemus().values()), 10, 'QEMU ends')
    for folder in '/run/ix', '/run/libvirt', '/run/openvswitch', '/dev/shm':
        for path in pathlib.Path(folder).iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
    lab.delete_link('ixhost')
    hostlab.set_up()
    await_ready()
    for address in GUESTS.values():
        hostlab.echo(address)
    check(all(qemus()[name] not in (None, before[name]) for name in GUESTS), f'{before} {qemus()}')
    hostlab.wait_for(lambda: events().count('autostarted') == len(GUESTS), SECONDS, lambda: f'autostarted twice: {events()}')
    return f'{len(GUESTS)} guests were started again'


ACTS = (('ixd', None, 'adopted'), ('libvirtd', 'libvirt-lost', 'libvirt-back'), ('vswitchd', 'switch-lost', 'flows-made'),
        ('ovsdb', 'switch-lost', 'switch-back'))


def main():
    report = Report()
    rounds = 20 if '--long' in sys.argv else 1
    hostlab.enter()
    hostlab.set_up()
    for number, (name, address) in enumerate(GUESTS.items()):
        hostlab.up(name, 'images/echo.ix', address=f'{address}/16', cpus={'min': number + 1, 'max': number + 1})
    await_ready()
    load = Streams(CONNECTIONS, list(GUESTS.values()))
    for turn in range(rounds):
        for name, lost, expected in ACTS:
            report.run(f'{name}_killed' + (f'_{turn + 1}' if rounds > 1 else ''), act, load, name, lost, expected)
    report.run('bytes', lambda: f'{load.stop()} bytes came back as they were sent')
    report.run('reboot', reboot)
    report.close()


if __name__ == '__main__':
    main()
