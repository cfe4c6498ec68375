#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How a run ends: exit statuses through `ixctl run`, Ctrl-C, restarts and their limit, and what peers see meanwhile."""
import pathlib
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'lib'))
import lab  # noqa: E402  pylint: disable=wrong-import-position
from guest import Guest  # noqa: E402  pylint: disable=wrong-import-position
from report import Report, check  # noqa: E402  pylint: disable=wrong-import-position

ENDINGS = 'test/images/endings.ix'
NO_RESTART = ('restart.on_fault=false',)
# What the application does, and ixctl's exit status for it.
STATUSES = ((('exit', '0'), 0), (('exit', '7'), 7), (('exit', '100'), 100), (('exit', '101'), 100), (('exit', '255'), 100),
            (('exit_raw', '18446744073709551615'), 100), (('exit_on_core_1', '9'), 9), (('fault',), 101), (('hang',), 104))


def test_status(args, status):
    with Guest(ENDINGS, cpus=2, args=args, overrides=NO_RESTART) as guest:
        have = guest.wait_exit()
        check(have == status, f'exit status {have}, expected {status}; console:\n{guest.text()[-1500:]}')
        check(not guest.panicked(), guest.text()[-1500:])
    return f'exit status {status}'


def test_panic():
    """The bare kernel, without an image around it, cannot start anything."""
    kernel = lab.build_folder() / 'kernel.elf'
    with Guest(ENDINGS, qemu=('-kernel', str(kernel))) as guest:
        have = guest.wait_exit()
        check(have == 102, f'exit status {have}, expected 102')
        check(guest.wait_line('kernel panic: this kernel carries no application'), guest.text())
    return 'exit status 102 and the remedy'


def test_interrupt():
    with Guest('images/echo.ix') as guest:
        guest.wait_ready()
        qemu = guest.qemu_pid()
        with lab.connect() as s:
            s.sendall(b'hello')
            check(lab.receive(s, 5) == b'hello', 'no echo')
            guest.interrupt()
            have = guest.wait_exit(20)
        check(have == 130, f'exit status {have}, expected 130')
        check(not pathlib.Path(f'/proc/{qemu}').exists(), 'QEMU is still there')
    return 'exit status 130, QEMU is gone'


def test_killed():
    """Nobody can say goodbye for a process that is killed; QEMU must not outlive it."""
    with Guest('images/echo.ix') as guest:
        guest.wait_ready()
        qemu = pathlib.Path(f'/proc/{guest.qemu_pid()}')
        guest.process.kill()
        deadline = time.monotonic() + 5
        while qemu.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        check(not qemu.exists(), 'QEMU outlives ixctl')


def end_once(guest, how):
    """Has the program end and waits until it serves again; how long that took, and how pings fared meanwhile."""
    mark, pinger = guest.mark(), lab.Pinger()
    with lab.connect() as s:
        s.sendall(f'run {how} 0\n'.encode())
        try:
            s.recv(100)
        except ConnectionResetError:
            pass
        started = time.monotonic()
        # While it is down a SYN is dropped, not refused: this waits for the restarted service.
        with lab.connect(timeout=10) as again:
            again.sendall(b'hello\n')
            check(lab.receive(again, 6) == b'hello ', 'no answer after the restart')
        seconds = time.monotonic() - started
    check(pinger.ping(), 'no answer to ping')
    check(guest.wait_line('^serving', mark), 'it was not started again')
    return seconds


def test_restart_limit():
    with Guest(ENDINGS, overrides=('restart.max=3', 'restart.window_s=60', 'watchdog_ms=2000')) as guest:
        guest.wait_ready()
        seconds = [end_once(guest, how) for how in ('fault', 'hang', 'fault')]
        check(guest.is_running(), 'it ended before the limit')
        with lab.connect() as s:
            s.sendall(b'run fault 0\n')
        have = guest.wait_exit()
        check(have == 101, f'exit status {have}, expected 101')
        check('giving up' in guest.text(), 'it does not say why')
    return f'three restarts, new connections after {", ".join(f"{s:.2f}" for s in seconds)} s; the fourth fault ends it with 101'


def test_peers_see_reset():
    """What a partition's end means for the connections it had: RST, at once."""
    with Guest(ENDINGS) as guest:
        guest.wait_ready()
        others = [lab.connect() for _ in range(20)]
        for s in others:
            s.sendall(b'hello\n')
            check(lab.receive(s, 8) == b'hello 0\n', 'no answer')
        end_once(guest, 'fault')
        for s in others:
            s.settimeout(5)
            try:
                check(s.recv(1) == b'x', 'the stream ended as if all were well')
            except ConnectionResetError:
                pass
    return '20 of 20 connections were reset'


def test_no_such_tap():
    done = subprocess.run([str(lab.build_folder() / 'bin' / 'ixctl'), 'run', str(lab.build_folder() / ENDINGS), '--net', 'tap=nothere'],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=20)
    check(done.returncode == 64 and 'ip tuntap add' in done.stdout, f'status {done.returncode}: {done.stdout}')
    return 'exit status 64 and the remedy'


def main():
    report = Report()
    lab.enter(1)
    for args, status in STATUSES:
        report.run(f'endings.{"_".join(args)}', test_status, args, status)
    for test in (test_panic, test_interrupt, test_killed, test_restart_limit, test_peers_see_reset, test_no_such_tap):
        report.run('endings.' + test.__name__[5:], test)
    report.close()


if __name__ == '__main__':
    main()
