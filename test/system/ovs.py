#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""images/echo with two cores and two queue pairs on a vhost-user port of OVS-DPDK, the switch of production: 32 connections stream
verified bytes while the port's steering changes between `thread` and `hash`, and while ovs-vswitchd is killed and started again.

Usage: ovs.py [--many]
"""
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'lib'))
import lab  # noqa: E402  pylint: disable=wrong-import-position
import ovs  # noqa: E402  pylint: disable=wrong-import-position
from guest import Guest  # noqa: E402  pylint: disable=wrong-import-position
from load import Load  # noqa: E402  pylint: disable=wrong-import-position
from report import Report, check  # noqa: E402  pylint: disable=wrong-import-position

CONNECTIONS = 32
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
    report.run('ovs', run_all, report, 20 if sys.argv[1:] == ['--many'] else 3)
    report.close()


if __name__ == '__main__':
    main()
