#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""vCPUs come and go under images/echo by QEMU alone (device_add, device_del), one and several at once, more than there is room for,
and fewer than the image wants, while connections stream and every byte is compared: none is lost, none is reset. What the guest
tells QEMU of it (_OST) and what it says on its control page must be what happened.
"""
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'lib'))
import lab  # noqa: E402  pylint: disable=wrong-import-position
from guest import Guest  # noqa: E402  pylint: disable=wrong-import-position
from load import Load  # noqa: E402  pylint: disable=wrong-import-position
from page import ABSENT, RUNS, Page  # noqa: E402  pylint: disable=wrong-import-position
from qmp import Qmp  # noqa: E402  pylint: disable=wrong-import-position
from report import Report, check  # noqa: E402  pylint: disable=wrong-import-position

IMAGE = 'images/echo.ix'
MOST = 4                # cores.max of the image
CONNECTIONS = 32
STEP = 32 * 1024        # bytes that every connection has to get back after each change
INSERT, EJECT = 1, 3    # sources of _OST
MINIMUM, MANY = 1, 4    # enum ix_page_refusal
MACHINE = 64            # vCPUs that QEMU can have ever had
SCI = 9                 # interrupt of the machine's events


class World:
    """A guest, its page, QEMU's control socket and the load."""

    def __init__(self, guest, page, qmp, load):
        self.guest, self.page, self.qmp, self.load = guest, page, qmp, load

    def wait_cores(self, *cores):
        """Until exactly these run, groups are dealt evenly among them, and every connection has gone on since."""
        def even(page):
            owners = page.owners()
            return set(owners) == set(cores) and max(owners.values()) - min(owners.values()) <= 1
        self.page.wait(lambda page: page.guest()['cores'] == len(cores) and even(page), f'groups on cores {cores} alone')
        for core in range(MOST):
            self.page.wait(lambda page, n=core: (page.core(n)['state'] == RUNS) == (n in cores), f'core {core} in another state', 2)
        self.go_on()

    def go_on(self):
        """Every connection gets its bytes."""
        self.load.progress(STEP, 60)
        check(not self.guest.panicked(), self.guest.text()[-2000:])

    def first_frame(self, core):
        """Waits for the first that it takes. Where groups are queues, a tap goes on to send what it knows to the queue that it was answered
        from, and only new connections come to others."""
        def taken(page):
            with lab.connect() as s:
                s.sendall(b'one')
                lab.receive(s, 3)
            return page.core(core)['first_frame']
        self.page.wait(taken, f'a frame on core {core}')

    def refusals(self):
        """How many, and the last one's core and reason."""
        now = self.page.resize()
        return now['refused'], now['refused_core'], now['refused_why']


def test_plug(w):
    w.wait_cores(0)
    check(w.page.guest()['present'] == 1, 'more vCPUs than there are')
    since = time.monotonic()
    w.qmp.plug(1)
    w.first_frame(1)
    took = time.monotonic() - since
    w.wait_cores(0, 1)
    steps = w.page.steps(1)
    check(steps['inserted'] <= steps['started'] <= steps['given'], f'{steps}')
    first = w.page.core(1)['first_frame'] // 1000 - steps['inserted']
    return (f'core 1 takes its first frame {took * 1000:.0f} ms after device_add; noticed, it turned after '
            f'{steps["started"] - steps["inserted"]} us, had its groups after {steps["given"] - steps["inserted"]} us, '
            f'a frame after {first} us')


def test_two_at_once(w):
    w.qmp.plug(2, 3)
    w.wait_cores(0, 1, 2, 3)
    check(w.page.resize()['plugged'] == 3, f'{w.page.resize()}')
    return f'groups {w.page.owners()}'


def test_beyond(w):
    before = w.refusals()[0]
    w.qmp.plug(MOST)
    w.qmp.wait_event('ACPI_DEVICE_OST', slot=str(MOST), source=INSERT, status=1)
    w.page.wait(lambda page: w.refusals() == (before + 1, MOST, MANY), 'the page tells of it')
    w.wait_cores(0, 1, 2, 3)
    w.qmp.unplug(MOST)
    w.qmp.wait_gone(MOST)
    w.qmp.wait_event('ACPI_DEVICE_OST', slot=str(MOST), source=EJECT, status=0)
    w.go_on()
    return 'a fifth vCPU for four cores is refused, and given back at once'


def test_unplug(w):
    w.qmp.unplug(3)
    w.qmp.wait_gone(3)
    w.qmp.wait_event('ACPI_DEVICE_OST', slot='3', source=EJECT, status=0)
    w.wait_cores(0, 1, 2)
    check(w.page.core(3)['state'] == ABSENT, 'core 3 is still there')
    steps = w.page.steps(3)
    return f'core 3 drained in {steps["parked"] - steps["leaving"]} us, its vCPU was given back after {steps["ejected"] - steps["leaving"]} us'


def test_unplug_two(w):
    w.qmp.unplug(1, 2)
    w.qmp.wait_gone(1, 2)
    w.wait_cores(0)
    return f'two at once; {w.page.resize()["connections"]} connections have moved so far'


def test_replug(w):
    """A core that was there before goes on where it was; one leaves while others come."""
    w.qmp.plug(3, 1)
    w.wait_cores(0, 1, 3)
    w.qmp.unplug(3)
    w.qmp.plug(2)
    w.qmp.wait_gone(3)
    w.wait_cores(0, 1, 2)
    w.first_frame(1)
    check(w.page.core(1)['first_frame'] // 1000 >= w.page.steps(1)['inserted'], 'the first frame of core 1 is of its first life')
    return f'{w.page.resize()["plugged"]} plugged, {w.page.resize()["ejected"]} ejected so far'


def test_all_is_well(w):
    # While they stream. A FIN that is repeated to a connection that is over is answered by a reset, which nobody sees.
    resets = sum(w.page.core(core)['resets_sent'] for core in range(MOST))
    check(resets == 0, f'{resets} resets')
    total = w.load.drain(60)
    with Load(4) as load:                           # and new ones can be made
        load.progress(STEP)
        load.drain()
    resize = w.page.resize()
    check(resize['forced'] == 0, f'{resize}')
    check(not w.guest.panicked(), w.guest.text()[-2000:])
    return f'{total >> 10} KiB verified over {CONNECTIONS} connections, no reset; {resize["connections"]} connections moved'


def test_minimum(w):
    """An image that wants two cores is asked for one of them."""
    w.wait_cores(0, 1)
    for number in (1, 2):
        w.qmp.unplug(1)
        w.qmp.wait_event('ACPI_DEVICE_OST', slot='1', source=EJECT, status=0x82)
        w.page.wait(lambda page, n=number: w.refusals() == (n, 1, MINIMUM), 'the page tells of it')
    w.wait_cores(0, 1)
    w.qmp.plug(2)
    w.wait_cores(0, 1, 2)
    w.qmp.unplug(1)                                 # now it can be spared
    w.qmp.wait_gone(1)
    w.wait_cores(0, 2)
    return 'refused twice, granted when there was a third'


def test_line(w):
    """The line of the machine's events says that there is one for ever, and there is none: the guest sleeps, and sees by itself what comes."""
    w.wait_cores(0)
    w.load.drain()
    before = w.page.core(0)['turns']
    w.qmp.set_line(SCI, 1)
    time.sleep(2)
    turns = w.page.core(0)['turns'] - before
    check(turns < 2000, f'{turns} turns in two seconds of nothing')
    with Load(CONNECTIONS) as w.load:
        w.qmp.plug(1)
        w.wait_cores(0, 1)
        w.qmp.unplug(1)
        w.qmp.wait_gone(1)
        w.wait_cores(0)
        w.qmp.set_line(SCI, 0)
        w.qmp.plug(2)
        w.wait_cores(0, 2)
        w.load.drain()
    return f'{turns} turns in two seconds; a vCPU comes and goes all the same'


def test_early(w):
    w.wait_cores(0, 1, 3)
    check(w.page.guest()['present'] == 3, f'{w.page.guest()}')
    w.qmp.unplug(1)
    w.qmp.wait_gone(1)
    w.wait_cores(0, 3)
    return 'vCPUs 1 and 3, added before the guest ran, serve; one of them goes'


def run(report, name, tests, cpus=1, early=(), overrides=(), queues=1):
    """A guest of its own with these vCPUs; @early are added before it runs."""
    lab.make_tap(queues)
    with Qmp(cpus, MACHINE) as qmp, Page() as page, \
            Guest(IMAGE, cpus=max(cpus, queues), qemu=qmp.words + page.words, overrides=overrides,
                  words=['--gdb'] if early else []) as guest:
        def start():
            qmp.connect()
            if early:
                qmp.plug(*early)
                qmp.ask('cont')
            return f'ready after {guest.wait_ready():.2f} s'
        if not report.run(f'hotplug.{name}', start):
            return
        with Load(CONNECTIONS) as load:
            world = World(guest, page, qmp, load)
            for test in tests:
                if not report.run(f'hotplug.{name}_{test.__name__[5:]}', test, world):
                    print(guest.text()[-3000:])
                    return


def main():
    report = Report()
    lab.enter()
    cycle = [test_plug, test_two_at_once, test_beyond, test_unplug, test_unplug_two, test_replug, test_all_is_well]
    run(report, 'one', cycle)
    run(report, 'queues', cycle, queues=MOST)
    run(report, 'early', [test_early, test_all_is_well], early=(1, 3))
    run(report, 'stuck', [test_line])
    run(report, 'least', [test_minimum, test_all_is_well], cpus=2, overrides=['cores.min=2'])
    report.close()


if __name__ == '__main__':
    main()
