#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A guest gets cores and gives them back while 64 connections carry bytes that are compared: by ixctl scale, by virsh past it, with
ixd killed (kill -9) in the middle of it: no byte is lost, no connection reset, the longest stall is told. And the vCPU too many,
at which an emulated QEMU would die, is refused.

Usage: elastic.py [--long]
"""
import json
import os
import pathlib
import random
import re
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'lib'))
import hostlab  # noqa: E402  pylint: disable=wrong-import-position
import lab  # noqa: E402  pylint: disable=wrong-import-position
from report import Report, check  # noqa: E402  pylint: disable=wrong-import-position
from streams import SECONDS, Streams  # noqa: E402  pylint: disable=wrong-import-position

ADDRESS, TINY = '10.77.0.5', '10.77.0.6'
CONNECTIONS = 64
WAY = 2, 4, 2, 1
PLUGS = 3                   # that one way takes
LIFE = 64                   # vCPUs of an emulated machine [tcg_register_thread]
TINY_LIFE = 3
ROUNDS = 20
QUICK_ROUNDS = 100


def virsh(*words):
    """What virsh did."""
    return hostlab.Done(['virsh', '-c', 'qemu:///system', *map(str, words)], SECONDS)


def qmp(name, command, **arguments):
    """QEMU's own answer."""
    done = virsh('qemu-monitor-command', name, json.dumps({'execute': command, **({'arguments': arguments} if arguments else {})}))
    check(not done.status, done)
    return done.json()['return']


def vcpus(name='web'):
    """(that QEMU has, that libvirt counts)"""
    return len(qmp(name, 'query-cpus-fast')), int(virsh('vcpucount', name, '--live', '--active').out)


def record(name='web'):
    return hostlab.ask('inspect', name=name)[0]['record']


def events(name='web'):
    """Of cores that came or went, or did not."""
    return [row for row in hostlab.ask('events', name=name)[1] if row['event'].startswith('scale')]


def is_so(cores, name='web'):
    """Guest, QEMU, libvirt and record say so, and nobody is at work on it any more."""
    row, asked = hostlab.ps(name), record(name)
    return ((row['cores'], row['cores_present']) == (cores, cores) and vcpus(name) == (cores, cores)
            and asked['cores'] == cores and 'scaling' not in asked)


def seen(name='web'):
    """For who wonders."""
    row = hostlab.ps(name)
    with open(f'/var/log/ix/{name}.console', encoding='utf-8', errors='replace') as file:
        console = file.read().splitlines()[-8:]
    return (f'{row["cores"]} of {row["cores_present"]} run, QEMU and libvirt: {vcpus(name)}; {record(name)}; {events(name)[-3:]}; its '
            f'console: {console}')


def await_so(cores, name='web'):
    hostlab.wait_for(lambda: is_so(cores, name), SECONDS, lambda: f'{cores} cores: {seen(name)}')


def share(load, cores):
    """Each of the cores that run takes frames of the load, and no other core has connections."""
    def are_at_work():
        load.check()
        rows = {row['core']: row for row in hostlab.ask('top', name='web', span_ms=300)[1]}
        runs = sorted(core for core, row in rows.items() if row['state'] == 'runs')
        others = sum(row['connections'] for core, row in rows.items() if core not in runs)
        return runs == list(range(cores)) and all(rows[core]['frames_in_s'] for core in runs) and not others
    hostlab.wait_for(are_at_work, SECONDS, lambda: f'{cores} cores share the load: {hostlab.ask("top", name="web")[1]}')


def scale(load, cores):
    """`ixctl scale`, and it is so when it returns. Returns what it said."""
    load.forget()
    done = hostlab.ixctl('scale', 'web', '--cpus', cores, '--json', status=None)
    check(done.status == 0, f'{done}, {seen()}')
    said = done.json()
    check(said['to'] == cores and said['mode'] == 'manual', said)
    check(said['moved']['forced'] == 0, said)
    check(is_so(cores), seen())
    share(load, cores)
    stall = load.goes_on()
    steps = ', '.join(f'{key[:-3]} {value:.1f}' for key, value in said['steps'].items())
    return said, f'{said["from"]} -> {cores}: {steps} ms; stall {stall * 1000:.0f} ms'


def to_one(load):
    """Where each act begins."""
    if not is_so(1):
        scale(load, 1)


def by_hand(load):
    """1 -> 2 -> 4 -> 2 -> 1 by ixctl."""
    to_one(load)
    told, ways = len(events()), []
    for cores in WAY:
        said, text = scale(load, cores)
        ways.append(text)
        steps = {'plug_ms', 'start_ms', 'groups_ms'} if cores > said['from'] else {'park_ms', 'drain_ms', 'eject_ms', 'unplug_ms'}
        check(steps <= set(said['steps']) and said['moved']['groups'] > 0 and said['moved']['connections'] > 0, said)
    new = events()[told:]
    check([e['detail']['to'] for e in new] == list(WAY) and {e['detail']['by'] for e in new} == {'hand'}, new)
    return '; '.join(ways)


def virsh_down(cores, before):
    """Under emulation libvirt says after 5 s that it does not know, though the core is gone; and success when it is asked again."""
    began = time.monotonic()
    done = virsh('setvcpus', 'web', cores, '--live')
    took = time.monotonic() - began
    if done.status == 0:
        return f'{took:.1f} s'
    check('timed out' in done.err and took >= 4.5, f'{took:.1f} s: {done}')
    check(len(qmp('web', 'query-cpus-fast')) < before, f'the vCPU is not gone: {done}')
    again = virsh('setvcpus', 'web', cores, '--live')
    check(again.status == 0, again)
    return f'timed out after {took:.1f} s though it was gone, and done when repeated'


def by_virsh(load):
    """1 -> 2 -> 4 -> 3 -> 2 -> 1 past ixctl, one at a time downward; ixd follows, and says how the policy gets its say back."""
    to_one(load)
    load.forget()
    ways = []
    for before, cores in ((1, 2), (2, 4), (4, 3), (3, 2), (2, 1)):
        told = len(events())
        if cores > before:
            done = virsh('setvcpus', 'web', cores, '--live')
            check(done.status == 0, done)
        else:
            ways.append(f'{before} -> {cores}: {virsh_down(cores, before)}')
        await_so(cores)
        share(load, cores)
        hostlab.wait_for(lambda n=told: len(events()) > n, SECONDS, 'an event')
        last = events()[told]
        check(last['event'] == 'scale' and last['detail']['by'] == 'virsh' and '--auto' in last['detail']['hint'], last)
        check((last['detail']['from'], last['detail']['to']) == (before, cores), last)
        check(hostlab.ps('web')['mode'] == 'manual', hostlab.ps('web'))
    stall = load.goes_on()
    return f'{"; ".join(ways)}; stall {stall * 1000:.0f} ms'


def asked_for():
    """The record on disk, which says whether a resize is under way."""
    return json.loads(pathlib.Path('/var/lib/ix/guests/web/guest.json').read_text(encoding='ascii'))


def kill_ixd(load, to, delay):
    """ixd dies @delay s after a resize was begun; the next one brings it to an end, one way or the other."""
    before, qemu = hostlab.ps('web')['cores'], hostlab.pid_of('/run/libvirt/qemu/web.pid')
    pid = hostlab.pid_of('/run/ix/ixd.pid')
    with subprocess.Popen([hostlab.program('ixctl'), 'scale', 'web', '--cpus', str(to)], stdin=subprocess.DEVNULL,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while 'scaling' not in asked_for() and process.poll() is None:
            pass
        time.sleep(delay)
        os.kill(pid, signal.SIGKILL)
        process.wait(SECONDS)
    hostlab.wait_for(lambda: hostlab.pid_of('/run/ix/ixd.pid') != pid, 10, 'ixd ends')
    asked = asked_for()
    hostlab.start_ixd()
    hostlab.wait_for(lambda: (hostlab.ps('web') or {}).get('health') == 'ready', SECONDS, lambda: f'ready: {hostlab.ps("web")}')
    await_so(asked['cores'])
    check(asked['cores'] in (before, to), asked)
    share(load, asked['cores'])
    check(hostlab.pid_of('/run/libvirt/qemu/web.pid') == qemu, 'QEMU was started again')
    return f'{before} -> {to} after {delay * 1000:.0f} ms ({"under way" if "scaling" in asked else "done already"})'


def libvirtd_killed(load):
    """libvirtd dies while a resize is under way; once it is back, what was asked for is so, or what was so before, and all agree."""
    to_one(load)
    load.forget()
    pid = hostlab.pid_of('/run/libvirtd.pid')
    with subprocess.Popen([hostlab.program('ixctl'), 'scale', 'web', '--cpus', '3'], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE) as process:
        while 'scaling' not in asked_for() and process.poll() is None:
            pass
        os.kill(pid, signal.SIGKILL)
        said = process.communicate(timeout=SECONDS)[1].decode().splitlines()
    left = 'scaling' in asked_for()
    hostlab.wait_for(lambda: hostlab.pid_of('/run/libvirtd.pid') != pid, 10, 'libvirtd ends')
    hostlab.set_up()
    hostlab.wait_for(lambda: is_so(asked_for()['cores']), SECONDS, seen)
    cores = asked_for()['cores']
    check(cores in (1, 3), seen())
    share(load, cores)
    stall = load.goes_on()
    check(not left or 'goes on when libvirt answers' in said[-1], said)
    return f'"{said[-1] if said else ""}"; then {cores} cores; stall {stall * 1000:.0f} ms'


def ixd_killed(load, delays):
    """At several moments, on the way up and down."""
    to_one(load)
    load.forget()
    ways = [kill_ixd(load, to, delay) for delay in delays for to in (3, 1)]
    stall = load.goes_on()
    check(sum('under way' in way for way in ways) >= len(ways) // 2, f'too few were hit while they were under way: {ways}')
    return f'{"; ".join(ways)}; stall {stall * 1000:.0f} ms'


def quiet(load):
    """What a stall is when nothing changes."""
    load.goes_on()
    load.forget()
    time.sleep(3)
    return f'stall {load.goes_on() * 1000:.0f} ms while nothing changes'


def mistakes():
    """One line each, and nothing changes."""
    for words, status, says in ((('web', '--cpus', '5'), 64, 'serves on 1 to 4 cores'), (('web', '--cpus', '0'), 64, '1..64'), (('web',), 64, '--auto'),
                                (('web', '--cpus', '2', '--auto'), 64, 'either'), (('wbe', '--cpus', '2'), 64, 'did you mean web'),
                                (('--cpus', '2'), 64, 'scale')):
        done = hostlab.ixctl('scale', *words, status=status)
        check(says in done.err and done.err.count('\n') == 1, done)
    check(is_so(1), f'{hostlab.ps("web")}')
    return 'six, each one line'


def make_tiny():
    """A guest whose machine may have few vCPUs in its life: as ixd made it, but for that number. ixd finds it as another QEMU."""
    hostlab.up('tiny', 'images/echo.ix', address=f'{TINY}/16', cpus={'min': 1, 'max': 2})
    xml = virsh('dumpxml', '--inactive', 'tiny').out
    changed = re.sub(r"(<vcpu[^>]*>)\d+(</vcpu>)", rf'\g<1>{TINY_LIFE}\g<2>', xml)
    check(changed != xml, xml)
    path = pathlib.Path('/run/tiny.xml')
    path.write_text(changed, encoding='ascii')
    pid = hostlab.pid_of('/run/ix/ixd.pid')
    os.kill(pid, signal.SIGKILL)
    hostlab.wait_for(lambda: hostlab.pid_of('/run/ix/ixd.pid') != pid, 10, 'ixd ends')
    for words in ('destroy', 'tiny'), ('define', path), ('start', 'tiny'):
        done = virsh(*words)
        check(not done.status, done)
    hostlab.start_ixd()
    hostlab.wait_for(lambda: hostlab.ps('tiny')['health'] == 'ready', SECONDS, lambda: f'{hostlab.ps("tiny")}')


def budget():
    """The vCPU that would end QEMU is refused, by the next ixd, too; another QEMU counts anew."""
    make_tiny()
    for cores in 2, 1:
        hostlab.ixctl('scale', 'tiny', '--cpus', cores)
        check(is_so(cores, 'tiny'), seen('tiny'))
    # One more comes and goes past us and libvirt, sooner than anybody looks.
    check(not virsh('setvcpus', 'tiny', 2, '--live').status, seen('tiny'))
    qmp('tiny', 'device_del', id='vcpu1')
    await_so(1, 'tiny')
    done = hostlab.ixctl('scale', 'tiny', '--cpus', 2, status=64)
    check(f'used {TINY_LIFE} of the {TINY_LIFE} vCPUs' in done.err and 'replace' in done.err and done.err.count('\n') == 1, done)
    hostlab.echo(TINY)
    check(is_so(1, 'tiny') and events('tiny')[-1]['event'] == 'scale-refused', events('tiny')[-1])
    check(record('tiny')['vcpus']['made'] == TINY_LIFE, record('tiny'))
    with open(lab.build_folder() / 'images/echo.ix', 'rb') as image:
        hostlab.ask('replace', [image.fileno()], name='tiny', drain_s=0)
    hostlab.ixctl('scale', 'tiny', '--cpus', 2)
    check(is_so(2, 'tiny'), seen('tiny'))
    hostlab.ixctl('down', 'tiny')
    return done.err.strip()


def anew():
    """Another QEMU for web, so that there are vCPUs left for what comes next."""
    with open(lab.build_folder() / 'images/echo.ix', 'rb') as image:
        hostlab.ask('replace', [image.fileno()], name='web', drain_s=0)
    await_so(1)


def has_left(plugs):
    """Whether the machine of web can be given so many vCPUs."""
    return record()['vcpus']['made'] + plugs <= LIFE


def quick():
    """Up and down again at once, 100 times, on as few machines as bear it. QEMU 10.0 ends when a vCPU comes while the thread of the one
    before has not ended: both its questions are asked, so it does not happen to who asks us."""
    rounds = machines = 0
    while rounds < QUICK_ROUNDS:
        anew()
        hostlab.ixctl('scale', 'web', '--cpus', 1)
        pid, machines = hostlab.ask('inspect', name='web')[0]['domain']['pid'], machines + 1
        while rounds < QUICK_ROUNDS and has_left(1):
            for cores in 2, 1:
                hostlab.ask('scale', name='web', cpus=cores)
            rounds += 1
        check(is_so(1) and hostlab.ask('inspect', name='web')[0]['domain']['pid'] == pid, seen())
        hostlab.echo(ADDRESS)
    return f'{rounds} times up and down on {machines} machines'


def long_run(report):
    """Ways of both kinds again and again, over as many machines as that takes."""
    report.run('quick', quick)
    load, rng = Streams(CONNECTIONS, [ADDRESS]), random.Random(6)
    for turn in range(ROUNDS):
        if not has_left(4 * PLUGS):
            report.run(f'bytes_{turn}', lambda n=load: f'{n.stop()} bytes came back as they were sent')
            anew()
            load = Streams(CONNECTIONS, [ADDRESS])
        report.run(f'by_hand_{turn + 1}', by_hand, load)
        report.run(f'by_virsh_{turn + 1}', by_virsh, load)
        report.run(f'ixd_killed_{turn + 1}', ixd_killed, load, [rng.uniform(0.0, 0.1)])
    report.run('bytes', lambda: f'{load.stop()} bytes came back as they were sent')


def main():
    report = Report()
    hostlab.enter()
    hostlab.set_up()
    hostlab.up('web', 'images/echo.ix', address=f'{ADDRESS}/16', cpus={'min': 1, 'max': 4})
    hostlab.wait_for(lambda: hostlab.ps('web')['health'] == 'ready', SECONDS, lambda: f'{hostlab.ps("web")}')
    hostlab.ixctl('scale', 'web', '--cpus', 1)      # by hand from now on
    if '--long' in sys.argv:
        long_run(report)
    else:
        report.run('mistakes', mistakes)
        load = Streams(CONNECTIONS, [ADDRESS])
        report.run('quiet', quiet, load)
        report.run('by_hand', by_hand, load)
        report.run('by_virsh', by_virsh, load)
        report.run('ixd_killed', ixd_killed, load, (0, 0.02))
        report.run('libvirtd_killed', libvirtd_killed, load)
        report.run('bytes', lambda: f'{load.stop()} bytes came back as they were sent, none was reset')
        report.run('budget', budget)
    report.close()


if __name__ == '__main__':
    main()
