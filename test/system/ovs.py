#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""images/echo with two cores and two queue pairs on a vhost-user port of OVS-DPDK, the switch of production: 32 connections stream
verified bytes while the port's steering changes between `thread` and `hash`, and while ovs-vswitchd is killed and started again.

Usage: ovs.py [--many]
"""
import contextlib
import os
import pathlib
import subprocess
import sys
import time

LIB = str(pathlib.Path(__file__).resolve().parents[1] / 'lib')
sys.path.insert(0, LIB)
import lab  # noqa: E402  pylint: disable=wrong-import-position
import ovs  # noqa: E402  pylint: disable=wrong-import-position
from guest import Guest  # noqa: E402  pylint: disable=wrong-import-position
from load import Load  # noqa: E402  pylint: disable=wrong-import-position
from report import Report, check  # noqa: E402  pylint: disable=wrong-import-position

CONNECTIONS = 32
END_SECONDS = 10
STEP_BYTES = 32768                      # of each connection, after each disturbance


def given(switch, load):
    """Frames that each of the guest's queues is given, and gives, while every connection goes on for a while."""
    load.progress(STEP_BYTES)           # what was under way when the steering changed
    before = switch.queue_frames('tx'), switch.queue_frames('rx')
    load.progress(STEP_BYTES)
    after = switch.queue_frames('tx'), switch.queue_frames('rx')
    return [[b - a for a, b in zip(*way)] for way in zip(before, after)]


def test_steering(switch, load, rounds):
    """The queue of half the flows changes, back and forth."""
    for _ in range(rounds):
        switch.steer('thread')
        load.progress(STEP_BYTES)
        switch.steer('hash')
        load.progress(STEP_BYTES)
    hashed, by_hash = given(switch, load)
    switch.steer('thread')
    pinned, by_thread = given(switch, load)
    check(min(hashed) > 0, f'frames by queue, steered by hash: {hashed}')
    check(sorted(pinned)[:-1] == [0], f'frames by queue, steered by thread: {pinned}')
    # Each core sends on a queue of its own: the connections have followed their frames to the core that polls the queue.
    check(min(by_thread) * 20 < max(by_thread), f'frames by queue that they are sent on, steered by thread: {by_thread}')
    switch.steer('hash')
    return f'{rounds} rounds, frames by queue {hashed} by hash, {pinned} by thread; sent {by_hash}, {by_thread}'


def test_crash(switch, load, rounds):
    """The back end dies under load and comes back, after a moment and after some seconds."""
    for i in range(rounds):
        switch.kill()
        time.sleep(2 if i % 2 else 0.1)
        switch.start()
        load.progress(STEP_BYTES)
    to_guest, from_guest = given(switch, load)
    check(min(to_guest) > 0, f'frames by queue to the guest: {to_guest}')
    check(min(from_guest) > 0, f'frames by queue from the guest: {from_guest}')
    return f'{rounds} times killed, then frames by queue {to_guest} to and {from_guest} from the guest'


def test_end(guest, load):
    """Nothing was lost: every connection gives back all that was sent, then closes."""
    count = load.drain()
    text = guest.text()
    check(not guest.panicked(), text[-2000:])
    check('device was reset' not in text, text[-2000:])
    return f'{count} bytes verified'


def processes_of(folder):
    """Command lines that name it."""
    found = []
    for path in pathlib.Path('/proc').glob('[0-9]*/cmdline'):
        with contextlib.suppress(OSError):
            found += [text for text in [path.read_bytes().decode(errors='replace')] if folder in text]
    return found


def test_killed():
    """Nothing is left of a switch whose test was killed but a folder, which the next one removes; that of a living one stays."""
    words = [sys.executable, '-c', f'import sys, time; sys.path.insert(0, {LIB!r}); import ovs\n'
             'with ovs.Switch() as switch:\n    print(switch.folder.name, flush=True)\n    time.sleep(600)']
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as child:
        folder = child.stdout.readline().strip()
        ovs.remove_stale()
        is_kept = os.path.exists(os.path.join(folder, 'conf.db'))
        daemons = processes_of(folder)
        child.kill()
    deadline = time.monotonic() + END_SECONDS
    while processes_of(folder) and time.monotonic() < deadline:
        time.sleep(0.05)
    check(is_kept and len(daemons) == 2, f'{folder} was removed while it was used, or its daemons were not found: {daemons}')
    check(not processes_of(folder), f'outlive their test: {processes_of(folder)}')
    check(os.path.exists(folder), f'{folder} is gone without having been swept')
    ovs.remove_stale()
    check(not os.path.exists(folder), f'{folder} stays')
    return f'{len(daemons)} daemons ended with their test, its folder was removed'


def run_all(report, rounds):
    """One guest for all, so that each part finds what the one before has left."""
    with ovs.Switch() as switch, Guest('images/echo.ix', cpus=2, net=f'vhost-user={switch.socket}') as guest:
        guest.wait_ready()
        switch.steer('hash')
        with Load(CONNECTIONS) as load:
            report.run('ovs.steering', test_steering, switch, load, rounds)
            report.run('ovs.crash', test_crash, switch, load, rounds)
            report.run('ovs.end', test_end, guest, load)
    return 'guest and switch ended'


def main():
    report = Report()
    lab.enter()
    report.run('ovs.killed', test_killed)
    report.run('ovs', run_all, report, 20 if sys.argv[1:] == ['--many'] else 3)
    report.close()


if __name__ == '__main__':
    main()
