#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Cores are parked and come while the device is reset, and while the application faults. In the first case not one byte or connection
may be missing; in the second one the next life has the cores that were wanted meanwhile, and each that comes serves.

Usage: parking_trouble.py [--faults | --long]
"""
import pathlib
import select
import signal
import socket
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'lib'))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import lab  # noqa: E402  pylint: disable=wrong-import-position
import moves  # noqa: E402  pylint: disable=wrong-import-position
import ovs  # noqa: E402  pylint: disable=wrong-import-position
import parking  # noqa: E402  pylint: disable=wrong-import-position
from guest import Guest  # noqa: E402  pylint: disable=wrong-import-position
from page import CRASH_SEEN, SET_CORES, Page  # noqa: E402  pylint: disable=wrong-import-position
from parking import CORES, SECONDS  # noqa: E402  pylint: disable=wrong-import-position
from qmp import Qmp  # noqa: E402  pylint: disable=wrong-import-position
from report import Report, check  # noqa: E402  pylint: disable=wrong-import-position

RESTART = ('restart.on_fault=true', 'restart.max=60', 'restart.window_s=1')
DELAYS_MS = (0, 1, 3, 7)
STALL_S = 2             # of a switch; a device that keeps frames so long is reset


class Machine(parking.Machine):
    """With orders whose answers are waited for later, and a load that may end with the program."""
    traffic = None

    def say(self, line):
        """An order, or "reset"."""
        self.orders.socket.sendall(line.encode() + b'\n')

    def turn(self):
        """Load, if there is some."""
        if self.traffic:
            self.traffic.turn()
        else:
            time.sleep(0.01)

    def pause(self, ms):
        """So long."""
        end = time.monotonic() + ms / 1000
        while time.monotonic() < end:
            self.turn()

    def answers(self, count):
        """The next ones, as lists of words."""
        got = b''
        deadline = time.monotonic() + SECONDS
        while got.count(b'\n') < count:
            check(time.monotonic() < deadline, f'{got} within {SECONDS} s; {self.guest.text()[-1500:]}')
            self.turn()
            if select.select([self.orders.socket], [], [], 0)[0]:
                got += self.orders.socket.recv(4096)
        return [line.split() for line in got.decode().splitlines()]

    def reset(self):
        """The device, soon. Return: how often it was before."""
        return int(self.orders.ask('reset').split()[1])

    def drop(self):
        """The load ends as it likes."""
        for one in (*self.traffic.streams, *self.traffic.idle):
            one.socket.close()
        self.traffic = None

    def go_on(self):
        """Every stream gets something."""
        before = [s.got for s in self.traffic.streams]
        deadline = time.monotonic() + SECONDS
        while any(s.got == got for s, got in zip(self.traffic.streams, before)):
            check(time.monotonic() < deadline, f'streams stand still; {self.guest.text()[-1500:]}')
            self.turn()

    def check_cores(self, cores):
        """These run and own all groups, soon."""
        deadline = time.monotonic() + SECONDS
        while self.running() != cores or self.owners() != cores:
            check(time.monotonic() < deadline, f'{self.running()} run, {self.owners()} own instead of {cores}; {self.guest.text()[-1500:]}')
            self.turn()


# ---- the device ----
def reset_and_set(m, count, ms, is_before):
    """So many cores are to run, and the device is reset @ms before that or after."""
    words = ['reset', f'cores {count}'] if is_before else [f'cores {count}', 'reset']
    m.say(words[0])
    m.pause(ms)
    m.say(words[1])
    answer = next(a for a in m.answers(2) if a[0] == 'cores')
    check(answer[:4] == ['cores', str(count), 'ok', str(count)], f'{words} were answered {answer}')
    m.check_cores(list(range(count)))


def test_resets(queues, rounds):
    """While cores leave, while they are parked, while they come."""
    with Machine(CORES, queues) as m:
        m.load(queues)
        before = m.reset()
        for n in range(rounds):
            for ms in DELAYS_MS:
                for is_before in (True, False):
                    reset_and_set(m, 1 + n % 2, ms, is_before)
                    m.reset()
                    m.run(0.1)
                    reset_and_set(m, CORES, ms, is_before)
        m.run(0.2)
        done = m.reset() - before
        check(done >= len(DELAYS_MS) * rounds * 4, f'{done} resets only')
        return f'{done} resets; {m.finish()[1]}'


def test_resets_plug(queues, rounds):
    """The same while processors come and go."""
    with Machine(1, queues) as m:
        m.load(queues)
        for _ in range(rounds):
            for ms in DELAYS_MS:
                m.monitor.plug(1)
                m.monitor.plug(2)
                m.pause(ms * 3)
                m.reset()
                m.wait([0, 1, 2], 3)
                m.monitor.unplug(1)
                m.pause(ms)
                m.reset()
                m.wait([0, 2], 2)
                m.monitor.unplug(2)
                m.reset()
                m.wait([0], 1)
                m.run(0.1)
        return m.finish()[1]


def take_answer(m, count):
    """So many run."""
    answer = m.answers(1)[0]
    check(answer[:4] == ['cores', str(count), 'ok', str(count)], f'cores {count} without a switch is answered {answer}')
    m.check_cores(list(range(count)))


def test_backend(queues, rounds):
    """The switch dies while cores leave, are away, and come, and is back later; then it stands still, with frames in its hands."""
    lab.delete_link(lab.TAP)
    with ovs.Switch() as switch, Machine(CORES, queues, net=f'vhost-user={switch.socket}') as m:
        switch.steer('hash')
        m.load(queues)
        for one in m.traffic.streams:  # BBR, where the host has it, takes outages for a wire of some kbit/s and keeps to that
            one.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b'reno')
        counts = (1, CORES, 2, CORES)
        for n, count in enumerate(counts * rounds):
            if n % 2:
                m.say(f'cores {count}')
            switch.kill()
            if not n % 2:
                m.say(f'cores {count}')
            take_answer(m, count)
            switch.start()
            m.go_on()
        switch.processes['vswitchd'].send_signal(signal.SIGSTOP)
        m.say('cores 1')
        time.sleep(STALL_S)
        switch.processes['vswitchd'].send_signal(signal.SIGCONT)
        take_answer(m, 1)
        m.go_on()
        return f'{len(counts) * rounds} times killed; {m.finish()[1]}'


# ---- the application ----
def ready_to_fault():
    """A connection of which the next byte makes the program fault."""
    s = lab.connect()
    s.sendall(b'\0\0X')
    return s


def fault(m, s, start):
    """Now; until the next life serves. @start: place in the console."""
    s.sendall(b'\0')
    m.drop()
    check(m.guest.wait_line('^ready', start=start), m.guest.text()[-1500:])
    s.close()


def check_life(m, cores):
    """A new life, which runs on @cores, and on the others of its machine when they come."""
    m.check_cores(cores)
    m.load(len(cores))
    m.run(0.3)
    beats = moves.ask_guest()
    check(all((beats[f'beats{core}'] > 0) == (core in cores) for core in range(CORES)), f'the new life is to run on {cores}: {beats}')


def check_all(m):
    """All of them serve."""
    beats = moves.ask_guest()
    m.run(0.3)
    after = moves.ask_guest()
    check(all(after[f'beats{core}'] > beats[f'beats{core}'] for core in range(CORES)), f'not all cores serve: {beats}, {after}')
    check(after['misplaced'] == 0, f'{after}')


def test_faults(rounds):
    """While cores leave, while they come, and while they are parked from one life to the next but one."""
    with Machine(CORES, 1, overrides=RESTART) as m:
        m.load(3)
        for _ in range(rounds):
            for ms in DELAYS_MS:
                for was, count in ((CORES, 1), (1, 3), (3, 1)):
                    s, start = ready_to_fault(), m.guest.mark()
                    m.set(was)
                    m.say(f'cores {count}')
                    time.sleep(ms / 1000)
                    fault(m, s, start)
                    check(m.answers(1)[0][:4] == ['cores', str(count), 'ok', str(count)], 'the order was not carried out')
                    check_life(m, list(range(count)))
                m.set(CORES)
                check_all(m)
        m.drop()
        return f'{rounds * len(DELAYS_MS) * 3} faults'


def test_faults_plug(rounds):
    """While a processor comes, and while one is taken away; one that had a life comes into the next."""
    with Machine(1, CORES, overrides=RESTART) as m:
        m.load(4)
        for _ in range(rounds):
            for ms in DELAYS_MS:
                s, start = ready_to_fault(), m.guest.mark()
                m.monitor.plug(1)
                time.sleep(ms * 3 / 1000)
                fault(m, s, start)
                check_life(m, [0, 1])
                s, start = ready_to_fault(), m.guest.mark()
                m.monitor.unplug(1)
                time.sleep(ms / 1000)
                fault(m, s, start)
                check_life(m, [0])
            for core in range(1, CORES):
                m.monitor.plug(core)
            m.wait(list(range(CORES)), CORES)
            m.run(0.3)
            check_all(m)
            for core in range(1, CORES):
                m.monitor.unplug(core)
            m.wait([0], 1)
        m.drop()
        return f'{rounds * len(DELAYS_MS) * 2} faults'


def wait_beats():
    """Until the timers of all cores go."""
    before = moves.ask_guest()
    deadline = time.monotonic() + SECONDS
    while True:
        now = moves.ask_guest()
        if all(now[f'beats{core}'] > before[f'beats{core}'] for core in range(CORES)):
            return
        check(time.monotonic() < deadline, f'not all cores serve: {before}, {now}')
        time.sleep(0.05)


def hold(page):
    """What is left of a fault is to be kept for another second. Return: whether it still is."""
    check(page.command(CRASH_SEEN, 1)[0] == 0, 'it cannot be kept')
    return page.is_held()


def test_held(rounds):
    """While what is left of a fault is kept for the host, cores go, come, and are given back."""
    lab.make_tap(1)
    with Page() as page, Qmp(1, 64) as qmp, Guest(moves.IMAGE, qemu=page.words + qmp.words, overrides=RESTART) as guest:
        guest.wait_ready()
        qmp.connect()
        qmp.plug(1, 2, 3)
        page.wait(lambda page: page.guest()['cores'] == CORES, 'four cores', SECONDS)
        for n in range(1, 2 * rounds + 1):
            s, start = ready_to_fault(), guest.mark()
            s.sendall(b'\0')
            page.wait(lambda page: page.is_held(), 'a fault', SECONDS)
            check(hold(page), 'it is not kept')
            for count in (1, 3, 2):
                check(page.command(SET_CORES, count) == (0, count), f'{count} cores are not obeyed while a fault is kept')
                check(hold(page), f'{count} cores are obeyed only when the next life begins')
            since = time.monotonic()
            for core in (1, 3):  # one runs, one is parked
                qmp.unplug(core)
                qmp.wait_gone(core)
            took = time.monotonic() - since
            check(page.is_held() or took > 1, 'the next life has begun')
            check(page.command(CRASH_SEEN, 0)[0] == 0, 'it is kept for ever')
            check(guest.wait_line('^ready', start=start), guest.text()[-1500:])
            s.close()
            check(page.guest()['cores'] == 2, f'{page.guest()}')
            qmp.plug(1, 3)
            page.wait(lambda page: page.guest()['cores'] == CORES, 'four cores', SECONDS)
            wait_beats()
            check(page.guest()['restarts'] == n and page.resize()['refused'] == 0, f'{page.guest()}, {page.resize()}')
        check(not guest.panicked(), guest.text()[-1500:])
        return f'{page.resize()["ejected"]} vCPUs given back, {page.guest()["restarts"]} lives'


def main():
    report = Report()
    lab.enter(1)
    rounds = 10 if '--long' in sys.argv else 1
    if '--faults' not in sys.argv:
        for queues in (2, CORES):
            report.run(f'parking_trouble.resets.queues_{queues}', test_resets, queues, rounds)
        report.run('parking_trouble.resets_plug', test_resets_plug, 2, min(rounds, 7))  # of 64 vCPUs in a life of an emulated QEMU
        for queues in (2, CORES) if rounds > 1 else (CORES,):
            report.run(f'parking_trouble.backend.queues_{queues}', test_backend, queues, rounds)
    if '--faults' in sys.argv or rounds > 1:
        report.run('parking_trouble.faults', test_faults, rounds)
        report.run('parking_trouble.faults_plug', test_faults_plug, min(rounds, 8))
        report.run('parking_trouble.held', test_held, rounds)
    report.close()


if __name__ == '__main__':
    main()
