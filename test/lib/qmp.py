# SPDX-License-Identifier: MIT
"""A second control socket of a guest's QEMU: commands, events, and vCPUs that are added and asked back [QEMU docs/interop/qmp-spec]."""
import json
import os
import socket
import tempfile
import time

from report import Failed, check


class Qmp:
    """`with Qmp(cpus=1, most=64) as qmp: with Guest(..., qemu=qmp.words) as guest: qmp.connect()`. Each vCPU
    that is added gets an id of its own: the one of a vCPU that has gone may be taken for a moment yet."""

    def __init__(self, cpus=1, most=64):
        self.folder = tempfile.TemporaryDirectory(prefix='ix-qmp')
        self.path = os.path.join(self.folder.name, 'qmp')
        self.words = ['-smp', f'{cpus},maxcpus={most}', '-qmp', f'unix:{self.path},server=on,wait=off']
        self.pins = os.path.join(self.folder.name, 'qtest')
        self.words += ['-qtest', f'unix:{self.pins},server=on,wait=off', '-qtest-log', 'none']
        self.socket = None
        self.buffered = b''
        self.events = []
        self.ids = {}
        self.plugged = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.socket:
            self.socket.close()
        self.folder.cleanup()

    def connect(self, timeout=30):
        """Once QEMU is there."""
        deadline = time.monotonic() + timeout
        while not self.socket:
            s = socket.socket(socket.AF_UNIX)
            try:
                s.connect(self.path)
                self.socket = s
            except OSError as e:
                s.close()
                if time.monotonic() > deadline:
                    raise Failed(f'no control socket of QEMU: {e}') from e
                time.sleep(0.05)
        self._message(timeout)
        self.ask('qmp_capabilities')

    def _message(self, timeout):
        """The next thing that it says; None if there is none in time."""
        deadline = time.monotonic() + timeout
        while b'\n' not in self.buffered:
            self.socket.settimeout(max(0.001, deadline - time.monotonic()))
            try:
                data = self.socket.recv(65536)
            except socket.timeout:
                return None
            check(data, 'QEMU has ended')
            self.buffered += data
        line, _, self.buffered = self.buffered.partition(b'\n')
        return json.loads(line)

    def ask(self, command, **arguments):
        """What it returns; events that come in between are kept."""
        self.socket.sendall(json.dumps({'execute': command, 'arguments': arguments}).encode() + b'\n')
        while True:
            message = self._message(30)
            check(message is not None, f'{command} is not answered')
            if 'event' in message:
                self.events.append(message)
            else:
                check('return' in message, f'{command} {arguments}: {message.get("error")}')
                return message['return']

    def wait_event(self, name, timeout=10, **data):
        """An event that has come or comes, whose data hold these; it is kept no longer."""
        deadline = time.monotonic() + timeout

        def fits(event):
            got = event.get('data') or {}
            got = got.get('info', got)
            return event['event'] == name and all(got.get(key) == value for key, value in data.items())
        while True:
            found = next((event for event in self.events if fits(event)), None)
            if found:
                self.events.remove(found)
                return found
            message = self._message(max(0, deadline - time.monotonic()))
            check(message is not None, f'no event {name} {data}; there were: {[(e["event"], e.get("data")) for e in self.events]}')
            self.events.append(message)

    def _places(self):
        """All vCPUs that there can be, by number."""
        def order(entry):
            return [entry['props'].get(key, 0) for key in ('socket-id', 'die-id', 'core-id', 'thread-id')]
        return sorted(self.ask('query-hotpluggable-cpus'), key=order)

    def present(self):
        """Numbers of the vCPUs that are there. One that goes is first no longer in its place, and while its thread ends QEMU would abort if
        another one came there; it is gone when it has left the list of those that run."""
        here = [cpu['props'] for cpu in self.ask('query-cpus-fast')]
        return {number for number, place in enumerate(self._places()) if 'qom-path' in place or place['props'] in here}

    def plug(self, *numbers):
        """Adds them, one directly after the other."""
        places = self._places()
        for number in numbers:
            self.plugged += 1
            self.ids[number] = f'v{number}.{self.plugged}'
            self.ask('device_add', driver=places[number]['type'], id=self.ids[number], **places[number]['props'])

    def unplug(self, *numbers):
        """Asks the guest to give them back, one directly after the other; those of the start by their paths."""
        places = self._places()
        for number in numbers:
            self.ask('device_del', id=self.ids.get(number, places[number]['qom-path']))

    def wait_gone(self, *numbers, timeout=15):
        """Until QEMU has them no more, as it says itself: under TCG the event DEVICE_DELETED never comes for a vCPU."""
        deadline = time.monotonic() + timeout
        while self.present() & set(numbers):
            check(time.monotonic() < deadline, f'of vCPUs {sorted(numbers)} there are still {sorted(self.present())}')
            time.sleep(0.02)

    def set_line(self, gsi, level):
        """The level of an input of the I/O APIC, whatever its device says, until that changes its mind [QEMU qtest protocol]."""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(10)
            s.connect(self.pins)
            s.sendall(f'set_irq_in /machine/q35/ioapic unnamed-gpio-in {gsi} {level}\n'.encode())
            check(s.recv(100) == b'OK\n', f'interrupt {gsi} cannot be set')
