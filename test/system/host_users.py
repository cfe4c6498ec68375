#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Each guest's QEMU has a user of its own: as one of them nothing of another can be read, reached or stopped, while it serves.

Usage: host_users.py
"""
import json
import os
import pathlib
import signal
import socket
import stat
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'lib'))
import hostlab  # noqa: E402  pylint: disable=wrong-import-position
import lab  # noqa: E402  pylint: disable=wrong-import-position
from report import Report, check  # noqa: E402  pylint: disable=wrong-import-position

IMAGE = 'images/echo.ix'
GUESTS = {'one': '10.77.0.5', 'two': '10.77.0.6'}
FIRST = 0x70000000          # hostctl/guest/guest.h
SECONDS = 90


def qemu(name):
    """Its pid, and what /proc says of who it is."""
    pid = hostlab.ask('inspect', name=name)[0]['domain']['pid']
    status = dict(line.split(':\t', 1) for line in pathlib.Path(f'/proc/{pid}/status').read_text(encoding='ascii').splitlines() if ':\t' in line)
    return pid, {key: [int(n) for n in status[key].split()] for key in ('Uid', 'Gid', 'Groups')}


def up(name):
    """With a file and a secret."""
    files = []
    for kind in 'list', 'key':
        path = pathlib.Path('/run') / f'{name}.{kind}'
        path.write_text(f'{kind} of {name}', encoding='ascii')
        path.chmod(0o600)
        files.append(os.open(path, os.O_RDONLY))
    with open(lab.build_folder() / IMAGE, 'rb') as image:
        hostlab.ask('up', [image.fileno(), *files], files=[1, 2], guest={
            'name': name, 'address': f'{GUESTS[name]}/16', 'cpus': {'min': 1, 'max': 1}, 'uid': FIRST + 1000,     # which is not the client's to say
            'files': [{'name': 'list', 'secret': False}, {'name': 'key', 'secret': True}]})
    for fd in files:
        os.close(fd)


def all_of(name):
    """What there is of a guest that another should not come by."""
    pid, _ = qemu(name)
    folder = f'/var/lib/ix/guests/{name}'
    domain = next(str(p) for p in pathlib.Path('/var/lib/libvirt/qemu').glob(f'domain-*-{name}'))
    return [f'/dev/shm/ix-{name}', f'{folder}/image.1.ix', f'{folder}/files/list', f'{folder}/secrets/key', f'{domain}/master-key.aes',
            f'/proc/{pid}/mem', f'/run/ix/{name}/seed', f'/run/ix/{name}/bell.sock', f'{domain}/monitor.sock', f'{folder}/guest.json',
            f'/var/log/ix/{name}.console', str(pid)]


def try_one(what):
    """To signal a process, to connect to a socket, to read a file or the memory of a process; as whoever we are."""
    try:
        if what.isdigit():
            os.kill(int(what), 0)
        elif stat.S_ISSOCK(os.stat(what).st_mode):
            with socket.socket(socket.AF_UNIX) as s:
                s.connect(what)
        else:
            with open(what, 'rb') as file:
                return what.endswith('mem') or len(file.read(1)) == 1
        return True
    except OSError:
        return False


def tried_as(name, things):
    """Which of them work for whoever has become that guest's QEMU."""
    _, who = qemu(name)
    readable, writable = os.pipe()
    child = os.fork()
    if not child:
        os.setgroups(who['Groups'])
        os.setresgid(*who['Gid'][:3])
        os.setresuid(*who['Uid'][:3])
        os.write(writable, json.dumps([try_one(what) for what in things]).encode())
        os._exit(0)
    os.close(writable)
    with open(readable, 'rb') as pipe:
        got = json.loads(pipe.read())
    os.waitpid(child, 0)
    return dict(zip(things, got))


def test_users():
    found = {name: qemu(name)[1] for name in GUESTS}
    for name, who in found.items():
        uid = hostlab.ask('inspect', name=name)[0]['record']['uid']
        check(set(who['Uid']) == {uid} and FIRST <= uid < FIRST + 1000 and set(who['Gid'] + who['Groups']) == {uid}, f'{name}: {uid} {who}')
    check(found['one']['Uid'] != found['two']['Uid'], f'{found}')
    return f'{found["one"]["Uid"][0]} and {found["two"]["Uid"][0]}, no groups beside their own'


def test_apart():
    for name, other in (('one', 'two'), ('two', 'one')):
        got = tried_as(name, all_of(other))
        check(len(got) == 12 and not any(got.values()), f'{name} comes by what is of {other}: {got}')
        got = tried_as(name, all_of(name))      # the same tries, where they have to work
        for what in all_of(name)[:5]:
            check(got[what], f'{name} does not come by its own: {got}')
        check(got[all_of(name)[-1]], f'{name} cannot signal itself: {got}')
    return '12 ways from each to the other, none open'


def test_kept():
    """By a replacement and by the next ixd; nothing stays with a user when the guest is gone."""
    before = {name: qemu(name)[1] for name in GUESTS}
    pid = hostlab.pid_of('/run/ix/ixd.pid')
    os.kill(pid, signal.SIGKILL)
    hostlab.wait_for(lambda: hostlab.pid_of('/run/ix/ixd.pid') is None, 30, 'ixd ends')
    hostlab.start_ixd()
    hostlab.wait_for(lambda: hostlab.ps('one')['health'] == 'ready', SECONDS, lambda: f'{hostlab.ps()}')
    with open(lab.build_folder() / IMAGE, 'rb') as image:
        hostlab.ask('replace', [image.fileno()], name='one', drain_s=0)
    check({name: qemu(name)[1] for name in GUESTS} == before, 'another user')
    for address in GUESTS.values():
        hostlab.echo(address)
    uid = before['two']['Uid'][0]
    hostlab.ask('down', name='two')
    left = [str(p) for folder in ('/dev/shm', '/run', '/var/lib/ix', '/var/log', '/var/lib/libvirt') for p in pathlib.Path(folder).rglob('*')
            if '/ixlab/' not in str(p) and p.lstat().st_uid == uid]
    check(not left, f'of the guest that is gone: {left}')
    up('two')
    check(qemu('two')[1]['Uid'][0] == uid, 'a user that is free again is used')
    hostlab.echo(GUESTS['two'])


def main():
    report = Report()
    hostlab.enter()
    hostlab.set_up()
    for name in GUESTS:
        up(name)
    for test in test_users, test_apart, test_kept:
        if not report.run(test.__name__[5:], test):
            break
    report.close()


if __name__ == '__main__':
    main()
