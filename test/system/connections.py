#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Many connections from many addresses, opened by TCP, idle, then each asked once: every reply byte is compared.
--many: 250,000 in a guest of 1 GiB, idle for a minute. --million: 1,000,000 in one of 2 GiB."""
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'lib'))
import lab  # noqa: E402  pylint: disable=wrong-import-position
from guest import Guest  # noqa: E402  pylint: disable=wrong-import-position
from report import Report, Skipped, check  # noqa: E402  pylint: disable=wrong-import-position

ON_LINK = '10.7.0.128/64'           # first address and how many; the guest asks for each by ARP
FAR = '10.8.0.1/64'                 # it sends to these by its gateway
LOCAL = ('10.7.0.128/25', '10.8.0.0/16')
SPARE = 16                          # connections that the guest may have beside those of the load
HOST_BYTES_A_CONNECTION = 5000      # of a socket of the host, with its file
BYTES_MAX = 600
RATE, WINDOW_S, PAUSE_S = 1000, 4, 0.4      # of the open loop
PAUSE_AFTER_S = 2.2                         # from its start: in the window, also if a SYN is lost on a busy host
IDLE_SHARE_MAX = 0.05


def load(connections, sources, idle_s, seconds):
    """What the load generator says; it ends with a sentence if anything is not as it should be."""
    words = [lab.build_folder() / 'bench' / 'loadgen', '-h', lab.GUEST, '-c', connections, '-S', sources, '-i', idle_s, '-o',
             '-t', seconds]
    done = subprocess.run([str(w) for w in words], capture_output=True, text=True, check=False, timeout=600 + idle_s + seconds)
    check(done.returncode == 0, done.stderr.strip())
    return json.loads(done.stdout)


def available_mib():
    """Memory of the host."""
    for line in pathlib.Path('/proc/meminfo').read_text(encoding='ascii').splitlines():
        if line.startswith('MemAvailable:'):
            return int(line.split()[1]) // 1024
    return 0


def test_open_idle_ask(connections, sources, idle_s, memory, heap):
    needed = connections * HOST_BYTES_A_CONNECTION // (1 << 20) + memory + 512
    if available_mib() < needed:
        raise Skipped(f'{available_mib()} MiB are free on the host, {needed} are needed')
    overrides = (f'connections={connections + SPARE}', f'heap_mib={heap}')
    with Guest('images/echo.ix', memory=memory, overrides=overrides) as guest:
        guest.wait_ready()
        got = load(connections, sources, idle_s, 120)
        check(got['requests'] == connections, f'{got["requests"]} replies')
        with lab.connect() as s:
            s.sendall(b'and one more')
            check(lab.receive(s, 12) == b'and one more', 'no echo afterwards')
        check(lab.Pinger().ping(), 'no answer to ping')
        check(not guest.panicked(), guest.text()[-2000:])
    return f'{connections:,} opened in {got["open_s"]:.1f} s, idle for {got["idle_s"]:.0f} s, asked in {got["seconds"]:.1f} s'


def test_idle_share(connections):
    """Idle connections do not wake the guest."""
    overrides = (f'connections={connections + SPARE}',)
    with Guest('images/echo.ix', overrides=overrides) as guest:
        guest.wait_ready()
        words = [str(lab.build_folder() / 'bench' / 'loadgen'), '-h', lab.GUEST, '-c', str(connections), '-S', FAR, '-i', '6', '-o']
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as client:
            time.sleep(2.5)
            before, since = guest.cpu_seconds(), time.monotonic()
            time.sleep(2.5)
            share = (guest.cpu_seconds() - before) / (time.monotonic() - since)
            said = client.communicate(timeout=60)[1]
            check(client.returncode == 0, said)
    check(share <= IDLE_SHARE_MAX, f'{share:.1%} of a host CPU with {connections} idle connections, {IDLE_SHARE_MAX:.0%} are allowed')
    return f'{share:.1%} of a host CPU with {connections:,} idle connections'


def test_on_time():
    """The load generator's open loop: requests are due while the guest is stopped, and their waiting shows."""
    with Guest('images/echo.ix') as guest:
        guest.wait_ready()
        words = [str(lab.build_folder() / 'bench' / 'loadgen'), '-h', lab.GUEST, '-c', '64', '-r', str(RATE), '-w', '0.3', '-t', str(WINDOW_S)]
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as client:
            time.sleep(PAUSE_AFTER_S)
            os.kill(guest.qemu_pid(), signal.SIGSTOP)
            time.sleep(PAUSE_S)
            os.kill(guest.qemu_pid(), signal.SIGCONT)
            said, complaint = client.communicate(timeout=60)
            check(client.returncode == 0, complaint)
    got = json.loads(said)
    check(abs(got['due'] - RATE * WINDOW_S) <= 1 and got['requests'] == got['due'] and got['unsent'] == got['unanswered'] == 0, said)
    check(got['max_us'] >= 0.9e6 * PAUSE_S and got['p99_us'] >= 0.8e6 * PAUSE_S, f'a pause of {PAUSE_S} s does not show: {said}')
    check(got['sent_late'] >= RATE * PAUSE_S / 2, f'requests did not wait their turn: {said}')
    return f'{got["due"]} requests were due, a pause of {PAUSE_S} s: p99 {got["p99_us"] / 1000:.0f} ms'


def test_stated_memory():
    image = lab.build_folder() / 'images' / 'echo.ix'
    words = [str(lab.build_folder() / 'bin' / 'ixctl'), 'image', 'inspect', '--json', str(image)]
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    parts = json.loads(said)['connection_bytes']
    total = parts.pop('total')
    check(total == sum(parts.values()), f'{parts} are not {total}')
    check(total <= BYTES_MAX, f'{total} bytes a connection, {BYTES_MAX} are promised')
    return f'{total} bytes: {parts}'


def test_refused(memory, connections):
    """Too little memory is said with numbers, and before the service pretends to be there."""
    with Guest('images/echo.ix', memory=memory, overrides=(f'connections={connections}',)) as guest:
        status = guest.wait_exit(60)
        check(status != 0, 'it runs')
        said = guest.text()
        check('connections' in said and 'MiB' in said, f'status {status}, it says: {said[-500:]}')
        check('ready' not in said, said)
    return said.splitlines()[-1]


def main():
    report = Report()
    lab.enter(1)
    for prefix in LOCAL:
        lab.ip('route', 'add', 'local', prefix, 'dev', 'lo')
    pathlib.Path('/proc/sys/net/ipv4/ip_local_port_range').write_text('1024 65535', encoding='ascii')
    if '--many' in sys.argv:
        report.run('connections.many', test_open_idle_ask, 250_000, FAR, 60, 1024, 80)
        report.run('connections.many.on_link', test_open_idle_ask, 250_000, ON_LINK, 5, 1024, 80)
    elif '--million' in sys.argv:
        report.run('connections.million', test_open_idle_ask, 1_000_000, FAR, 60, 2048, 288)
    else:
        report.run('connections.far', test_open_idle_ask, 5000, FAR, 1, 256, 8)
        report.run('connections.on_link', test_open_idle_ask, 5000, ON_LINK, 1, 256, 8)
        report.run('connections.idle', test_idle_share, 5000)
        report.run('connections.on_time', test_on_time)
        report.run('connections.memory_stated', test_stated_memory)
        report.run('connections.memory_refused', test_refused, 256, 250_000)
    report.close()


if __name__ == '__main__':
    main()
