#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""An application that faults under libvirt on the switch: its report and its core file, which gdb opens with the application's
ELF; the guest goes on at once, and so do the others; only the newest are kept."""
import contextlib
import os
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'lib'))
import hostlab
import lab
from hostlab import Done, ask, echo, ixctl, ps, up, wait_for
from report import Report, check

FALL = 13
ADDRESS, OTHER = '10.77.0.21', '10.77.0.22'
KEPT = 3
APP = lab.build_folder() / 'apps' / 'hostile_crash'


def events(kind):
    """Of guest web."""
    return [row for row in ask('events', name='web')[1] if row['event'] == kind]


def fall(count):
    """The application falls for the @count-th time, and serves again."""
    with contextlib.suppress(OSError):  # it may be reset before we hear that it was there
        lab.connect(FALL, address=ADDRESS).close()
    wait_for(lambda: len(events('crash')) == count, 20, lambda: f'crash {count}: {events("crash")}')
    wait_for(lambda: ps('web')['restarts'] == count and ps('web')['health'] == 'ready', 20, lambda: ps('web'))
    echo(ADDRESS)


def test_core():
    """gdb finds the function that faulted, those that called it, and what was in their variables."""
    other = hostlab.Echo(OTHER)
    fall(1)
    check(other.longest < 1, f'another guest stood still for {other.longest:.3f} s')
    other.stop()
    answer, _, fds = ask('crash', name='web')
    report = answer['report']
    for pattern in r'guest +web', r'image +crash 0\.1\.0', r'vector 14, error 0x6, address 0\n', r'rip 0+[0-9a-f]+ fall\+', r'ix_run\+':
        check(re.search(pattern, report), f'no {pattern} in the report:\n{report}')
    check(answer['has_core'] and len(fds) == 1, f'no core: {report}')
    core = pathlib.Path('/run/core')
    with os.fdopen(fds[0], 'rb') as file:
        core.write_bytes(file.read())
    gdb = Done(['gdb', '-batch', '-nx', '-ex', 'backtrace', '-ex', 'print/x marker', '-ex', 'frame 3', '-ex', 'print/x marker', APP, core],
               60)
    for pattern in r'terminated with signal SIGSEGV', r'#0 .* fall \(depth=', r'#4 .* on_fall \(', r'\$1 = 0xc0ffee00', r'\$2 = 0xc0ffee03':
        check(re.search(pattern, gdb.out), f'gdb says no {pattern}:\n{gdb}')


def test_kept():
    """Reports do not fill the disk, and a guest that falls again and again is not copied each time."""
    for count in range(2, KEPT + 3):
        fall(count)
    folders = sorted(pathlib.Path('/var/log/ix/web.crash').iterdir())
    check(len(folders) == KEPT, f'{KEPT} are to be kept: {folders}')
    check(all((folder / 'report.txt').is_file() for folder in folders), 'a report is missing')
    check(folders[-1].name == ask('crash', name='web')[0]['stamp'], 'the newest is handed out')
    check(folders[0].stat().st_mode & 0o077 == 0, 'others can read what was in its memory')


def test_none():
    """Errors are one line."""
    for name, text in (('other', 'has not crashed'), ('webb', 'did you mean web'), ('We', 'name')):
        try:
            ask('crash', name=name)
        except hostlab.Refused as e:
            check(text in e.text, e)
        else:
            check(False, f'{name}: no error')


def main():
    """All of it in one lab."""
    hostlab.enter()
    hostlab.set_up()
    up('web', 'test/images/crash.ix', address=f'{ADDRESS}/16')
    up('other', 'images/echo.ix', address=f'{OTHER}/16')
    report = Report()
    report.run('core', test_core)
    report.run('kept', test_kept)
    report.run('none', test_none)
    for name in 'web', 'other':
        ask('down', name=name)
    report.close()


if __name__ == '__main__':
    main()
