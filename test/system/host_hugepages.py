#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Hugepages: where a machine has some, the switch and the guests that they are enough for lie in them; a guest that is larger gets
ordinary memory. This one asks the kernel for 800 MiB of them and gives them back."""
import os
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'lib'))
import hostlab  # noqa: E402  pylint: disable=wrong-import-position
import lab  # noqa: E402  pylint: disable=wrong-import-position
from report import Report, Skipped, check  # noqa: E402  pylint: disable=wrong-import-position

PAGES, PAGE_MIB = 400, 2
POOL = pathlib.Path('/sys/kernel/mm/hugepages/hugepages-2048kB')
SETTING = pathlib.Path('/proc/sys/vm/nr_hugepages')
NEEDED_MIB = 4096                                  # free, so that nobody else misses what we take
SMALL, LARGE, FALL = '10.77.0.5', '10.77.0.6', 13


def number(name):
    """Of the pool."""
    return int((POOL / name).read_text(encoding='ascii'))


def set_pages(count):
    """How many there are; the kernel gives as many as it can."""
    SETTING.write_text(str(count), encoding='ascii')
    return number('nr_hugepages')


def huge_mib(pid):
    """MiB of a process that lie in hugepages."""
    text = pathlib.Path(f'/proc/{pid}/smaps_rollup').read_text(encoding='ascii')
    return sum(int(n) for n in re.findall(r'^(?:Shared|Private)_Hugetlb: +(\d+) kB', text, re.M)) // 1024


def qemu(name):
    """Its pid."""
    return hostlab.pid_of(f'/run/libvirt/qemu/{name}.pid')


def test_switch():
    """A quarter of the pages, not less than 256 MiB."""
    said = hostlab.set_up().err
    check('256 MiB of hugepages' in said, said)
    got = huge_mib(hostlab.pid_of('/run/openvswitch/ovs-vswitchd.pid'))
    check(got >= 256, f'the switch has {got} MiB of hugepages')
    check(hostlab.ixctl('host', 'status', '--json').json()['good'], 'the host is not as it should be')
    return f'{got} MiB'


def test_guest():
    """One that fits: all of its memory, and bytes go through it; the file of its crash is read out of them."""
    before = number('free_hugepages') - number('resv_hugepages')
    hostlab.up('small', 'test/images/crash.ix', address=f'{SMALL}/16', memory_mib=200)
    after = number('free_hugepages') - number('resv_hugepages')
    check(before - after == 200 // PAGE_MIB and huge_mib(qemu('small')) == 200, f'{before} pages before, {after} after')
    hostlab.echo(SMALL)
    try:
        lab.connect(FALL, address=SMALL).close()
    except OSError:
        pass                                        # it may be reset before we hear that it was there
    hostlab.wait_for(lambda: hostlab.ps('small')['restarts'] == 1, 30, lambda: hostlab.ps('small'))
    answer, _, fds = hostlab.ask('crash', name='small')
    check(answer['has_core'] and len(fds) == 1, f'no core: {answer["report"]}')
    with os.fdopen(fds[0], 'rb') as core:
        check(core.read(4) == b'\x7fELF', 'the core is no ELF file')
    hostlab.echo(SMALL)
    return '200 MiB, all in hugepages'


def test_too_large():
    """There are fewer left than it has memory."""
    hostlab.up('large', 'images/echo.ix', address=f'{LARGE}/16', memory_mib=600)
    check(huge_mib(qemu('large')) == 0, 'it has hugepages')
    hostlab.echo(LARGE)
    hostlab.echo(SMALL)


def test_back():
    """What they had is free again."""
    for name in 'small', 'large':
        hostlab.ask('down', name=name)
    hostlab.ixctl('host', 'teardown', '--purge')
    hostlab.wait_for(lambda: number('free_hugepages') == PAGES, 20, lambda: f'{number("free_hugepages")} of {PAGES} are free')


def begin():
    """PAGES pages that nobody has."""
    if not POOL.exists() or number('nr_hugepages') != 0:
        raise Skipped('this machine has no hugepages of 2 MiB, or has some already, which are not ours')
    free = int(re.search(r'^MemAvailable: +(\d+)', pathlib.Path('/proc/meminfo').read_text(encoding='ascii'), re.M).group(1)) // 1024
    if free < NEEDED_MIB:
        raise Skipped(f'{free} MiB of memory are free, and {NEEDED_MIB} are to be, so that nobody misses what this takes')
    if not os.access(SETTING, os.W_OK):
        raise Skipped(f'{SETTING} is not this container\'s to change')
    if set_pages(PAGES) != PAGES:
        raise Skipped(f'the kernel finds only {number("nr_hugepages")} of {PAGES} pages')
    return f'{PAGES} pages'


def main():
    report = Report()
    restore = os.fork()                             # who lives on when the lab ends, however it ends
    if restore:
        _, status = os.waitpid(restore, 0)
        if OURS.exists():
            set_pages(0)
            OURS.unlink()
        os._exit(os.waitstatus_to_exitcode(status) & 0xff)
    lab.die_with_parent()
    if report.run('pages', begin):
        OURS.touch()
        hostlab.enter()
        for test in test_switch, test_guest, test_too_large, test_back:
            if not report.run(test.__name__[5:], test):
                break
    report.close()


OURS = pathlib.Path(f'/run/ix-hugepages.{os.getpid()}')
if __name__ == '__main__':
    main()
