#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A core's registers, of ring 3: a core that goes and comes, on a processor that is another one, goes on with what it had (general, x87,
SSE, AVX, FS); in a new life of the program it begins with nothing of the old one; what the processor allows (XCR0) is as on the first.
"""
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'lib'))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import lab  # noqa: E402  pylint: disable=wrong-import-position
import parking  # noqa: E402  pylint: disable=wrong-import-position
from report import Report, check  # noqa: E402  pylint: disable=wrong-import-position

NAMES = ('core', 'dirty', 'wrong', 'rounds', 'leaving', 'back', 'xcr0')
CORE = 1                # that comes and goes
AVX = 4                 # in XCR0


class NoLoad:
    """For wait(), which turns some."""

    def turn(self):
        """Nothing, for a moment."""
        time.sleep(0.01)


def look(m):
    """What ring 3 says of its cores. No register may ever have been another after a sleep than before."""
    with lab.connect() as s:
        s.sendall(b'?')
        text = lab.receive(s, 4096).decode()
    cores = [dict(zip(NAMES, map(int, line.split()))) for line in text.splitlines()]
    check(all(core['wrong'] == 0 for core in cores), f'registers were others after a sleep than before: {cores}; {m.guest.text()[-500:]}')
    return cores


def check_began(cores):
    """It began with nothing, on a processor like core 0's."""
    check(cores[CORE]['rounds'] and cores[CORE]['dirty'] == 0, f'core {CORE} began with registers of another life: {cores}')
    check(cores[CORE]['xcr0'] == cores[0]['xcr0'], f'XCR0: {cores}')


def until(m, holds):
    """Ring 3 is told a moment after the core has come."""
    for _ in range(200):
        cores = look(m)
        if holds(cores[CORE]):
            break
        m.traffic.turn()
    check(holds(cores[CORE]), f'{cores}')
    return cores


def test_sleep(m):
    """In one life."""
    m.monitor.plug(CORE)
    m.wait([0, CORE], 2)
    check_began(until(m, lambda core: core['rounds']))
    for n in range(1, 4):
        m.set(1)
        m.set(2)
        until(m, lambda core, n=n: core['back'] >= n)
    for n in range(4, 7):
        m.monitor.unplug(CORE)
        m.wait([0], 1)
        m.monitor.plug(CORE)
        m.wait([0, CORE], 2)
        cores = until(m, lambda core, n=n: core['back'] >= n)
    check(cores[CORE]['leaving'] == cores[CORE]['back'] == 6, f'{cores}')
    return f'{cores[CORE]["rounds"]} returns to ring 3, AVX {"too" if cores[0]["xcr0"] & AVX else "is not there"}'


def fault(m):
    """The next life."""
    start = m.guest.mark()
    with lab.connect() as s:
        s.sendall(b'X')
        check(m.guest.wait_line('^ready', start=start), m.guest.text()[-1500:])


def test_lives(m):
    """One that is taken away in one life comes into another; one that is parked; one that runs."""
    m.monitor.unplug(CORE)
    m.wait([0], 1)
    fault(m)
    m.monitor.plug(CORE)
    m.wait([0, CORE], 2)
    check_began(until(m, lambda core: core['rounds']))
    m.set(1)
    fault(m)
    m.set(2)
    check_began(until(m, lambda core: core['rounds']))
    fault(m)
    m.wait([0, CORE], 2)
    cores = until(m, lambda core: core['rounds'])
    check_began(cores)
    check(cores[CORE]['leaving'] == cores[CORE]['back'] == 0, f'{cores}')
    return 'three lives more, each begun with nothing'


def main():
    report = Report()
    lab.enter(1)
    with parking.Machine(1, 1, overrides=('restart.on_fault=true',), image='test/images/move_state.ix') as m:
        m.traffic = NoLoad()
        if report.run('parking_state.sleep', test_sleep, m):
            report.run('parking_state.lives', test_lives, m)
    report.close()


if __name__ == '__main__':
    main()
