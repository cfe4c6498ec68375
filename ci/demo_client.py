#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The client's side of ci/demo: boots an echo image with ixctl, sends 10,000 messages and 16 MiB, checks every byte.

Usage: demo_client.py IXCTL IMAGE.ix
"""
import os
import random
import re
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time

MESSAGES, MESSAGE_BYTES, CONNECTIONS = 10_000, 64, 16
STREAM_BYTES = 16 << 20
ECHO_PORT = 7
BOOT_SECONDS, WORK_SECONDS, STOP_SECONDS = 60, 120, 15


class Failure(Exception):
    """What went wrong, in one line."""


class Guest:
    """`ixctl run` in the background, its output kept."""

    def __init__(self, ixctl, image):
        self.port = free_port()
        self.lines, self.is_ready = [], threading.Event()
        self.begin = time.monotonic()
        self.process = subprocess.Popen([ixctl, 'run', image, '--cpus', '2', '-p', f'{self.port}:{ECHO_PORT}'],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                        text=True, errors='replace')
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip())
            if line.startswith('ready'):
                self.is_ready.set()
        self.is_ready.set()                     # the end of output wakes who waits, too

    def wait_ready(self):
        if not self.is_ready.wait(BOOT_SECONDS):
            raise Failure(f'no line "ready" within {BOOT_SECONDS} s')
        if not any(line.startswith('ready') for line in self.lines):
            raise Failure(f'the image ended before it was ready (status {self.process.wait(STOP_SECONDS)})')

    def accelerator(self):
        said = [m.group(1) for m in (re.search(r'\baccelerator (KVM|TCG)\b', line) for line in self.lines) if m]
        return said[-1] if said else 'not said'     # KVM may give way to TCG

    def stop(self):
        """Ends the guest as Ctrl-C does; returns ixctl's exit status."""
        self.process.send_signal(signal.SIGINT)
        try:
            return self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise Failure(f'the guest did not end within {STOP_SECONDS} s of Ctrl-C') from None


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


def connect(port):
    s = socket.create_connection(('127.0.0.1', port), timeout=WORK_SECONDS)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return s


def first_reply(port):
    with connect(port) as s:
        s.sendall(b'?')
        if s.recv(1) != b'?':
            raise Failure('the first byte did not come back')


class Conversation:
    """One connection with one message under way."""

    def __init__(self, port, number, count):
        self.socket, self.random, self.left = connect(port), random.Random(number), count
        self.send()

    def send(self):
        self.message, self.have = self.random.randbytes(MESSAGE_BYTES), b''
        self.socket.sendall(self.message)

    def receive(self):
        """Takes what is there; true when the last message of this connection is back."""
        data = self.socket.recv(MESSAGE_BYTES)
        self.have += data
        if not data or not self.message.startswith(self.have):
            raise Failure('a message came back changed, or its connection was closed')
        if len(self.have) == MESSAGE_BYTES:
            self.left -= 1
            if self.left:
                self.send()
        return self.left == 0


def exchange_messages(port):
    """Messages a second over all connections, one under way on each."""
    share = [MESSAGES // CONNECTIONS + (i < MESSAGES % CONNECTIONS) for i in range(CONNECTIONS)]
    begin = time.monotonic()
    with selectors.DefaultSelector() as selector:
        for i, count in enumerate(share):
            talk = Conversation(port, i, count)
            selector.register(talk.socket, selectors.EVENT_READ, talk)
        while selector.get_map():
            ready = selector.select(WORK_SECONDS)
            if not ready or time.monotonic() - begin > WORK_SECONDS:
                raise Failure(f'{len(selector.get_map())} connections did not finish within {WORK_SECONDS} s')
            for key, _ in ready:
                if key.data.receive():
                    selector.unregister(key.fileobj)
                    key.fileobj.close()
    return MESSAGES / (time.monotonic() - begin)


def exchange_stream(port):
    """Bytes a second of one transfer, sent and read back at the same time; ends by half-close."""
    data = random.Random(STREAM_BYTES).randbytes(STREAM_BYTES)
    begin = time.monotonic()
    with connect(port) as s:
        def send():
            try:
                s.sendall(data)
                s.shutdown(socket.SHUT_WR)
            except OSError:
                pass                            # the reading side sees it, and says so

        sender = threading.Thread(target=send, daemon=True)
        sender.start()
        have = 0
        while piece := s.recv(1 << 18):
            if piece != data[have:have + len(piece)]:
                raise Failure(f'the transfer came back changed after {have} bytes')
            have += len(piece)
        sender.join(WORK_SECONDS)
    if have != STREAM_BYTES:
        raise Failure(f'{have} of {STREAM_BYTES} bytes of the transfer came back')
    return STREAM_BYTES / (time.monotonic() - begin)


def run(ixctl, image):
    guest = Guest(ixctl, image)
    try:
        guest.wait_ready()
        first_reply(guest.port)
        boot = time.monotonic() - guest.begin
        messages = exchange_messages(guest.port)
        stream = exchange_stream(guest.port)
    except (Failure, OSError) as e:
        if guest.process.poll() is None:
            guest.process.kill()
            guest.process.wait()
        raise Failure('\n'.join([*guest.lines[-30:], f'demo: {e}'])) from None
    status = guest.stop()
    if status not in (0, 130):
        raise Failure('\n'.join([*guest.lines[-30:], f'demo: Ctrl-C ended the guest with status {status}, not 130']))
    return [('boot, exec to first reply byte', f'{boot:.2f} s'),
            (f'{MESSAGES:,} messages of {MESSAGE_BYTES} B, {CONNECTIONS} connections', f'{messages:,.0f} requests/s'),
            (f'{STREAM_BYTES >> 20} MiB there and back, verified', f'{stream / 1e6:,.1f} MB/s'),
            ('image size', f'{os.path.getsize(image) / 1024:,.0f} KiB'),
            ('accelerator', guest.accelerator())]


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    try:
        rows = run(*sys.argv[1:])
    except (Failure, OSError) as e:
        sys.exit(str(e))
    for name, value in rows:
        print(f'{name:<45} {value:>18}')


main()
