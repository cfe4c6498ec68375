#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The native port (bench/native) on a vhost-user port of OVS-DPDK, with Linux's TCP for a client: ping, verified streams with
many buffers under way, short requests, and an application that ends at once when it cannot start. Needs libdpdk-dev.
"""
import json
import os
import pathlib
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'lib'))
import lab  # noqa: E402  pylint: disable=wrong-import-position
import ovs  # noqa: E402  pylint: disable=wrong-import-position
from load import Load  # noqa: E402  pylint: disable=wrong-import-position
from report import Report, check  # noqa: E402  pylint: disable=wrong-import-position

BUILD = lab.build_folder()
BENCH = BUILD / 'bench'
START_SECONDS = 60
CONNECTIONS, STREAM_BYTES, OUTSTANDING = 16, 1 << 18, 32768
EAL = ['--no-huge', '--no-pci', '--no-telemetry', '--no-shconf', '--file-prefix', 'native', '-m', '256']


class Native:
    """`with Native(switch) as native:`; it waits for the switch to come to its socket."""

    def __init__(self, switch, app=BUILD / 'apps' / 'echo_native'):
        self.folder = switch.folder.name
        self.argv = [BENCH / 'native' / 'native', *EAL, '-l', str(max(os.sched_getaffinity(0))),
                     f'--vdev=net_virtio_user0,path={switch.socket},server=1,mac=52:54:00:07:00:02', '--', app,
                     f'net.address={lab.GUEST}/{lab.PREFIX}', f'net.gateway={lab.HOST}']
        self.log = os.path.join(self.folder, 'native.log')
        self.process = None

    def __enter__(self):
        with open(self.log, 'wb') as log:
            self.process = subprocess.Popen([str(w) for w in self.argv], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env={**os.environ, 'RUNTIME_DIRECTORY': self.folder}, preexec_fn=lab.die_with_parent)
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def text(self):
        """What it said."""
        return pathlib.Path(self.log).read_text(errors='replace')

    def await_ready(self):
        """The core serves and answers a ping."""
        deadline = time.monotonic() + START_SECONDS
        while subprocess.run(['ping', '-qc1', '-W1', lab.GUEST], stdout=subprocess.DEVNULL, check=False).returncode:
            check(self.process.poll() is None and time.monotonic() < deadline, f'it does not start:\n{self.text()}')


def test_streams():
    """More is under way than one segment holds, so that frames come in bursts and answers lie in many buffers."""
    with Load(CONNECTIONS, outstanding=OUTSTANDING) as load:
        load.progress(STREAM_BYTES)
    return f'{CONNECTIONS} connections, {STREAM_BYTES} verified bytes each'


def test_requests():
    """As bench/run asks, by sockets."""
    done = subprocess.run([str(BENCH / 'loadgen'), '-h', lab.GUEST, '-c', '64', '-s', '64', '-w', '0.2', '-t', '2'],
                          capture_output=True, text=True, timeout=120, check=False)
    check(done.returncode == 0, done.stderr)
    got = json.loads(done.stdout)
    check(got['requests'] > 64, f'only {got["requests"]} requests')
    return f'{got["requests"]} verified'


def test_no_application(switch):
    """What is no application is refused with a reason, and the status says so."""
    with Native(switch, app=pathlib.Path(__file__)) as native:
        status = native.process.wait(START_SECONDS)
        check(status == 1 and 'the application cannot be loaded' in native.text(), f'status {status}:\n{native.text()}')
    return 'refused'


def main():
    built = subprocess.run(['cmake', '--build', str(BUILD), '--target', 'bench_native_all', 'bench_loadgen'],
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    lab.enter()
    report = Report()
    with ovs.Switch() as switch:
        report.run('native.built', lambda: check(built.returncode == 0, built.stdout[-2000:]))
        with Native(switch) as native:
            report.run('native.starts', native.await_ready)
            report.run('native.streams', test_streams)
            report.run('native.requests', test_requests)
            report.run('native.still_there', lambda: check(native.process.poll() is None, native.text()))
        os.unlink(switch.socket)
        report.run('native.no_application', lambda: test_no_application(switch))
    report.close()


main()
