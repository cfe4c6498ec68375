# SPDX-License-Identifier: MIT
"""A guest started with `ixctl run`: its console line by line, its exit status, what it costs."""
import os
import re
import select
import signal
import subprocess
import threading
import time

import lab
from report import Failed

BOOT_SECONDS = 60
ACCEL = os.environ.get('IX_ACCEL', 'tcg')  # nested.py's machine has a KVM that can be relied on
PANIC = re.compile(r'kernel panic|window self-test|in ring 0')


class Guest:
    """One guest on the tap. Use as a context: it is ended, by its process id, whatever happens."""

    def __init__(self, image, cpus=1, memory=None, overrides=(), qemu=(), args=None, address=f'{lab.GUEST}/{lab.PREFIX}',
                 net=f'tap={lab.TAP}', words=()):
        ixctl = str(lab.build_folder() / 'bin' / 'ixctl')
        image = lab.build_folder() / image
        words = [ixctl, 'run', str(image), '--net', net, '--cpus', str(cpus), '--accel', ACCEL, *words]
        words += ['--memory', str(memory)] if memory else []
        words += ['--address', address, '--gateway', lab.HOST] if address else []
        words += ['--set', f'net.address6={lab.GUEST6}/{lab.PREFIX6}'] if address else []
        for word in overrides:
            words += ['--set', word]
        for word in qemu:
            words += [f'--qemu-arg={word}']
        words += ['--', *args] if args is not None else []
        self.lines = []
        self.changed = threading.Condition()
        self.is_open = True
        self.started = time.monotonic()
        self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                        preexec_fn=lab.die_with_parent, start_new_session=True)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for raw in self.process.stdout:
            with self.changed:
                self.lines.append(raw.decode(errors='replace').rstrip('\r\n'))
                self.changed.notify_all()
        with self.changed:
            self.is_open = False
            self.changed.notify_all()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def mark(self):
        """A place in the console from which to look on."""
        with self.changed:
            return len(self.lines)

    def text(self, start=0):
        """The console from @start on, lines joined."""
        with self.changed:
            return '\n'.join(self.lines[start:])

    def wait_line(self, pattern, start=0, timeout=30):
        """Waits for a console line that @pattern is found in; returns its match, None when there is none in time."""
        find = re.compile(pattern).search
        deadline = time.monotonic() + timeout
        with self.changed:
            while True:
                while start < len(self.lines):
                    match = find(self.lines[start])
                    if match:
                        return match
                    start += 1
                if not self.is_open or not self.changed.wait(deadline - time.monotonic()):
                    return None

    def wait_ready(self, timeout=BOOT_SECONDS):
        """Waits until the service answers; returns seconds since the start."""
        if not self.wait_line(r'^ready', timeout=timeout):
            raise Failed(f'no line "ready" within {timeout} s; console:\n{self.text()}')
        return time.monotonic() - self.started

    def wait_exit(self, timeout=30):
        """The exit status of ixctl run; a Failed when it goes on."""
        try:
            status = self.process.wait(timeout)
        except subprocess.TimeoutExpired as e:
            raise Failed(f'the guest did not end within {timeout} s') from e
        self.reader.join(5)
        return status

    def is_running(self):
        """Whether it still lives."""
        return self.process.poll() is None

    def interrupt(self):
        """Ctrl-C."""
        self.process.send_signal(signal.SIGINT)

    def stop(self):
        """Ends it at once; ixctl takes QEMU with it, and with QEMU the tap is free for the next guest."""
        qemu = self._qemu_fd() if self.is_running() else None
        if self.is_running():
            self.process.kill()
        self.process.wait()
        if qemu is not None:
            ended = select.poll()  # a pidfd can be read when its process has ended
            ended.register(qemu, select.POLLIN)
            ended.poll(10000)
            os.close(qemu)
        self.reader.join(5)
        self.process.stdout.close()

    def panicked(self):
        """The first line that tells of trouble in ring 0, or None."""
        with self.changed:
            return next((line for line in self.lines if PANIC.search(line)), None)

    def qemu_pid(self):
        """Process id of QEMU."""
        with open(f'/proc/{self.process.pid}/task/{self.process.pid}/children', encoding='ascii') as f:
            return int(f.read().split()[0])

    def _qemu_fd(self):
        """A pidfd of QEMU, None while or when there is none."""
        try:
            return os.pidfd_open(self.qemu_pid())
        except (OSError, IndexError):
            return None

    def cpu_seconds(self):
        """Time of the host's CPUs that QEMU has used."""
        with open(f'/proc/{self.qemu_pid()}/stat', encoding='ascii') as f:
            fields = f.read().rsplit(')', 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')
