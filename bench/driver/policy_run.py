# SPDX-License-Identifier: MIT
"""Runs in the lab of test/lib/hostlab.py, which it makes: one guest under ixd that is sent each shape of load twice, once with all the cores
that it may have and once with those that ixd's policy gives it.

python3 policy_run.py BUILD '{"shapes": [...], "seconds": ..., "cores": ..., "connections": ..., "peak": REQUESTS A SECOND,
                              "work_ns": ..., "bound_us": ...}'
A line "host: {...}" first, "measured: {...}" for each run, "failed: {...}" for what ends it early.
"""
import json
import os
import pathlib
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), '..'))
from driver.guest import ECHO_PORT, Failure  # noqa: E402  pylint: disable=wrong-import-position
from driver.wire import lab  # noqa: E402  pylint: disable=wrong-import-position
import hostlab  # noqa: E402  of test/lib, where wire has shown the way  pylint: disable=wrong-import-position
from report import Failed  # noqa: E402  pylint: disable=wrong-import-position

NAME, ADDRESS = 'bench', '10.77.0.9'
SEED = 1
SAMPLE_S = 0.1
SETTLE_S = 3                # of a guest whose cores were changed by hand
DRAIN_S = 30                # that the client may take longer than its load
FIRST = -15                 # nice


def be_first():
    """All processes of the lab, which are ours, before those of other sessions: nice alone is about those of the own one."""
    for path in pathlib.Path('/proc').glob('[0-9]*/autogroup'):
        try:
            path.write_text(str(FIRST), encoding='ascii')
        except OSError:     # it has ended, or the kernel does not know of that
            pass


class Cores(threading.Thread):
    """Looks how many cores the guest has, until stop(): those that run, and those that are on their way."""

    def __init__(self):
        super().__init__(daemon=True)
        self.samples, self.is_over, self.error = [], threading.Event(), None
        self.start()

    def run(self):
        try:
            while not self.is_over.wait(SAMPLE_S):
                row = hostlab.ps(NAME)
                self.samples.append((time.monotonic_ns(), max(row['cores'], row['cores_asked'])))
        except (Failed, OSError, TypeError) as e:
            self.error = f'{type(e).__name__}: {e}'

    def stop(self):
        self.is_over.set()
        self.join()
        if self.error:
            raise Failure(f'how many cores it has: {self.error}')
        return self.samples


def accelerator():
    """What guests run with, as the machine of ours says."""
    said = [a.split(b'\0') for a in (p.read_bytes() for p in pathlib.Path('/proc').glob('[0-9]*/cmdline')) if b'qemu-system' in a]
    return 'kvm' if any(b'kvm' in word.split(b',') or word == b'accel=kvm' for words in said for word in words) else 'tcg'


def changes(since):
    """What the policy did since so many events, and how many there are now."""
    rows = [row for row in hostlab.ask('events', name=NAME)[1] if row['event'].startswith('scale')]
    done = [row['detail'] for row in rows[since:] if row['event'] == 'scale' and row['detail']['by'] == 'policy']
    return [{'from': d['from'], 'to': d['to'], 'signal': d['why']['signal'], 'steps': d['steps']} for d in done
            if d['to'] != d['from']], len(rows)


def load(build, shape, plan):
    """What the client says: when it began, and its line."""
    words = [build / 'bench' / 'shaped', ADDRESS, ECHO_PORT, plan['connections'], shape, plan['seconds'], plan['peak'],
             plan['work_ns'], plan['bound_us'], SEED]
    done = subprocess.run([str(w) for w in words], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
                          timeout=plan['seconds'] + DRAIN_S, preexec_fn=lab.die_with_parent)
    if done.returncode:
        raise Failure(done.stderr.strip() or f'the client: status {done.returncode}')
    first, line = done.stdout.splitlines()
    return int(first.removeprefix('begins ')), json.loads(line)


def measure(build, shape, policy, plan):
    """One run."""
    hostlab.ixctl('scale', NAME, '--cpus', 1 if policy == 'ix' else plan['cores'])
    if policy == 'ix':
        hostlab.ixctl('scale', NAME, '--auto')
    time.sleep(SETTLE_S)
    be_first()
    _, since = changes(0)
    cores = Cores()
    begins_ns, said = load(build, shape, plan)
    samples = cores.stop()
    print('measured:', json.dumps({'shape': shape, 'policy': policy, 'begins_ns': begins_ns, 'samples': samples,
                                   'changes': changes(since)[0], **said}), flush=True)


def main():
    build, plan = pathlib.Path(sys.argv[1]), json.loads(sys.argv[2])
    hostlab.enter()
    lab.build_folder = lambda: build
    try:
        hostlab.ixctl('host', 'setup', '--no-install', '--cores', plan['cores'])
        hostlab.start_ixd()
        hostlab.up(NAME, 'bench/toil.ix', cpus={'min': 1, 'max': plan['cores']}, address=f'{ADDRESS}/{hostlab.PREFIX}')
        print('host:', json.dumps({'accelerator': accelerator()}), flush=True)
        for shape in plan['shapes']:
            for policy in 'fixed', 'ix':
                measure(build, shape, policy, plan)
        hostlab.ixctl('down', NAME)
    except (Failed, Failure, subprocess.TimeoutExpired) as e:
        print('failed:', json.dumps({'why': str(e)}), flush=True)
        sys.exit(1)


if __name__ == '__main__':
    main()
