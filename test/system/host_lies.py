#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A guest whose control page says what is not so: wrong answers, counters that never settle, states that change all the time, cores and
groups that cannot be. Meanwhile each verb is used: it works, or ends in one clear line; ixd lives, and another guest serves.

Usage: host_lies.py
"""
import json
import os
import pathlib
import random
import re
import struct
import sys
import time
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'lib'))
import hostlab  # noqa: E402  pylint: disable=wrong-import-position
import lab  # noqa: E402  pylint: disable=wrong-import-position
import puppet  # noqa: E402  pylint: disable=wrong-import-position
from liar import Liar  # noqa: E402  pylint: disable=wrong-import-position
from report import Report, check  # noqa: E402  pylint: disable=wrong-import-position

GOOD, BAD = '10.77.0.5', '10.77.0.6'
IMAGE = 'images/echo.ix'
SECONDS = 90
U64, U32 = (1 << 64) - 1, (1 << 32) - 1
VALUES = 38                 # about as many as IX_PAGE_VALUES has; those behind them are nobody's
PUPPET = None


def health():
    return hostlab.ps('bad')['health']


def await_health(*wanted):
    hostlab.wait_for(lambda: health() in wanted, SECONDS, lambda: f'bad is {wanted}: {hostlab.ps("bad")}')


def await_known():
    """ixd has looked at the QEMU that runs: what its record has of that does not change any more while nobody does anything."""
    def is_known():
        now = hostlab.ask('inspect', name='bad')[0]
        return now['domain']['state'] == 'running' and now['record']['vcpus']['pid'] == now['domain']['pid']
    hostlab.wait_for(is_known, SECONDS, lambda: f'{hostlab.ask("inspect", name="bad")[0]}')


def one_line(text, what):
    check(text and '\n' not in text and len(text) < 600 and text.isprintable(), f'{what}: not one clear line: {text!r}')


def tries(verb, **request):
    """What it says, None if it works. It must do one of the two, soon."""
    began, text = time.monotonic(), None
    try:
        fds = hostlab.ask(verb, **request)[2]
        for fd in fds:
            os.close(fd)
    except hostlab.Refused as no:
        one_line(no.text, verb)
        text = no.text
    check(time.monotonic() < began + 30, f'{verb} took {time.monotonic() - began:.0f} s')
    return text


def looks():
    """All that only looks, at the guest that lies and at all of them."""
    tries('ps')
    for verb, request in (('inspect', {}), ('top', {'span_ms': 100}), ('events', {}), ('logs', {'lines': 3}), ('crash', {}), ('console', {})):
        tries(verb, name='bad', **request)
    tries('top', span_ms=100)
    with urllib.request.urlopen('http://127.0.0.1:9177/metrics', timeout=30) as answer:
        for line in answer.read().decode().splitlines():
            check(line.startswith('# ') or re.fullmatch(r'[a-z_]+(\{[^{}]*\})? -?[0-9.]+', line), f'/metrics: {line!r}')
    for path in 'guests', 'guests/bad':
        with urllib.request.urlopen(f'http://127.0.0.1:9177/api/{path}', timeout=30) as answer:
            json.loads(answer.read())
    check(hostlab.ps('good')['health'] == 'ready', f'{hostlab.ps("good")}')


def replace(**request):
    """With an image of this build."""
    with open(lab.build_folder() / IMAGE, 'rb') as image:
        return tries('replace', fds=[image.fileno()], name='bad', **request)


def refused_replace(words, **request):
    """Refused so, and the guest is as it was."""
    before = hostlab.ask('inspect', name='bad')[0]
    text = replace(**request)
    check(text and words in text, f'expected "{words}": {text}')
    now = hostlab.ask('inspect', name='bad')[0]
    check(now['record'] == before['record'] and now['domain'] == before['domain'], f'{before} {now}')
    return text


def good_again():
    """The puppet says nothing but what can be."""
    PUPPET.answers, PUPPET.before, PUPPET.beats = PUPPET.good, None, True
    PUPPET.set(state=puppet.READY, cores=1, cores_max=1)
    PUPPET.write(puppet.AT_ANSWER, puppet.ANSWER.pack(PUPPET.seen, 0, 0, 0, 0, 0))     # nothing that would fit the next command
    await_health('ready')


def test_answers():
    """Right sums, wrong words: of another command, of none, statuses that there are not, values beyond all bounds."""
    rng, said = random.Random(3), []

    def to_others(p, sequence, *_):
        p.before = lambda q: q.write(puppet.AT_ANSWER, puppet.ANSWER.pack(
            rng.choice((0, sequence - 1, sequence + 1, sequence ^ 0x80000000, U32)) & U32, 0, U64, 0, 0, 0))
    PUPPET.answers = to_others
    said.append(refused_replace('does not answer a command within 3 s; with --drain 0', drain_s=2))
    good_again()
    for status in -1, -2147483648, 2147483647:
        PUPPET.answers = lambda _, sequence, *__, s=status: (sequence, s, (U64, U64, U64, U64))
        said.append(refused_replace(f'refused a command ({status})', drain_s=2))
        looks()
    good_again()
    return '; '.join(dict.fromkeys(re.sub('[-0-9]+', 'N', s) for s in said))


def test_never_whole():
    """A sequence counter that stays odd, in the guest's area and in its cores'."""
    PUPPET.beats = False
    for at in puppet.AT_GUEST, puppet.AT_CORES, puppet.AT_GROUPS, puppet.AT_CRASH:
        PUPPET.write(at, struct.pack('<I', 0x77777777))
    await_health('unmanaged', 'stuck')
    looks()
    why = hostlab.ps('bad')['why']
    check(tries('capture', name='bad', seconds=1, count=1) is None, 'its port is not its page')
    good_again()
    return f'unmanaged, "{why}", and ready again when the counter is even'


def test_states():
    """Another state each time that one looks: not more events than one a second for long."""
    log = pathlib.Path('/var/log/ix/_all.events')
    rng, before = random.Random(4), len(log.read_bytes().splitlines())

    def flip(p):
        p.guest.update(state=rng.choice((0, 1, 2, 3, 4, 5, 1, 6, U32)), restarts=p.guest['restarts'] + 1)
    PUPPET.before, began = flip, time.monotonic()
    time.sleep(5)
    looks()
    lines, took = len(log.read_bytes().splitlines()) - before, time.monotonic() - began
    check(lines <= 30 + 2 * took, f'{lines} events in {took:.0f} s')
    PUPPET.before = None
    PUPPET.set(state=puppet.READY)
    await_health('ready')
    return f'{lines} events in {took:.0f} s'


def test_numbers():
    """What cannot be: the guest is not believed, and it is said why."""
    found = []
    for wrong, words in (({'cores': 2}, 'cores is 2'), ({'cores_max': U32}, 'cores_max is'), ({'groups': U32}, 'groups is'), ({'queue_pairs': 257}, 'queue_pairs is'),
                         ({'exit_how': U32}, 'exit_how is'), ({'prefix': 33}, 'prefix is'), ({'prefix6': 129}, 'prefix6 is'),
                         ({'tsc_khz': U64}, 'tsc_khz is'), ({'connections_max': U32}, 'connections_max is')):
        was = {key: PUPPET.guest[key] for key in wrong}
        PUPPET.set(**wrong)
        hostlab.wait_for(lambda w=words: w in hostlab.ps('bad')['why'], SECONDS, lambda w=words: f'why: {w}: {hostlab.ps("bad")}')
        one_line(hostlab.ps('bad')['why'], 'why')
        found.append(hostlab.ps('bad')['why'])
        PUPPET.set(**was)
        await_health('ready')
    return '; '.join(found[:2])


def test_cores():
    """Cores that count backwards, have all connections that there can be, or more; groups of cores that are not there."""
    core = struct.Struct(f'<IIQ{VALUES}Q')
    rng = random.Random(5)

    def lie(p):
        for number in range(64):
            value = rng.choice((0, 1, U64, U64 >> 1, 1 << 28, 1 << 63))
            p.write(puppet.AT_CORES + number * puppet.CORE_STRIDE,
                    core.pack(2, rng.choice((0, 1, 2, 3, U32)), rng.choice((0, U64, 5)), *[value] * VALUES))
        p.write(puppet.AT_GROUPS, struct.pack('<II', 2, rng.choice((128, 129, U32))) + rng.randbytes(128))
        p.write(puppet.AT_CRASH, struct.pack('<IIIIII', 2, rng.getrandbits(32), 1, rng.choice((0, 64, U32)), 101, 14) + rng.randbytes(300))
        p.write(puppet.AT_RESIZE, struct.pack('<I', 2) + rng.randbytes(60))
    PUPPET.set(cores=64, cores_max=64, cores_present=64, cores_wanted=64, groups=128)
    PUPPET.before, end = lie, time.monotonic() + 3
    while time.monotonic() < end:
        looks()
    PUPPET.before = None
    check(health() in ('unmanaged', 'ready') and 'cores is' not in hostlab.ps('bad')['why'], f'{hostlab.ps("bad")}')
    folders = list(pathlib.Path('/var/log/ix').glob('bad.crash/*'))
    check(len(folders) <= 3, f'reports of crashes: {folders}')
    return f'{health()}: {hostlab.ps("bad")["why"]}'


def test_replaced():
    """With --drain 0 it ends whatever it says, and what comes then is a guest like others."""
    check(replace(drain_s=0) is None, 'not replaced')
    PUPPET.stop()
    await_health('ready')
    hostlab.echo(BAD)


def start_liar():
    liar = Liar('bad', BAD)
    liar.start(keep_page=True)
    return puppet.Puppet('bad')


def test_down():
    """So it does when it is to go, with answers that do not end and a page that is cut short at the end."""
    global PUPPET  # pylint: disable=global-statement
    PUPPET = start_liar()
    PUPPET.set(state=puppet.STOPPING)
    await_health('stopping')
    os.truncate('/dev/shm/ix-bad', 8192)
    check(tries('down', name='bad', timeout_s=1) is None, 'it did not go')
    PUPPET.stop()
    check(list(hostlab.ps()) == ['good'], f'{hostlab.ps()}')


def main():
    global PUPPET  # pylint: disable=global-statement
    report = Report()
    hostlab.enter()
    hostlab.set_up()
    one = {'min': 1, 'max': 1}
    hostlab.up('good', IMAGE, address=f'{GOOD}/16', cpus=one)
    hostlab.up('bad', IMAGE, address=f'{BAD}/16', cpus=one)
    pid, echo = hostlab.pid_of('/run/ix/ixd.pid'), hostlab.Echo(GOOD)
    PUPPET = start_liar()
    await_health('ready')
    await_known()
    files = len(os.listdir(f'/proc/{pid}/fd'))
    for test in test_answers, test_never_whole, test_states, test_numbers, test_cores, test_replaced, test_down:
        if not report.run(test.__name__[5:], test):
            break

    def lives():
        """The same process, which has not been eaten up."""
        check(hostlab.pid_of('/run/ix/ixd.pid') == pid, 'ixd is another process')
        hostlab.wait_for(lambda: len(os.listdir(f'/proc/{pid}/fd')) <= files + 2, 30, lambda: f'files: {files}, {os.listdir(f"/proc/{pid}/fd")}')
        return f'the other guest returned {echo.stop()} bytes'
    report.run('lives', lives)
    report.close()


if __name__ == '__main__':
    main()
