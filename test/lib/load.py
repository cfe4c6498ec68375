# SPDX-License-Identifier: MIT
"""Connections to the echo service that stream without end, each byte of each answer compared with what was sent there."""
import random
import selectors
import socket
import threading
import time

import lab
from report import Failed

OUTSTANDING = 4096                      # bytes of a connection that are on their way, if not said
PATTERN = 1 << 16


class Stream:
    """One connection; what it sends is its own pattern, over and over."""

    def __init__(self, number, address, port, outstanding):
        self.number, self.outstanding = number, outstanding
        pattern = random.Random(number).randbytes(PATTERN)
        self.pattern = pattern * (2 + outstanding // PATTERN)
        self.socket = lab.connect(port=port, address=address, timeout=60)
        self.socket.setblocking(False)
        self.sent = self.verified = 0
        self.has_ended = False

    def send(self):
        """As much as is allowed to be on its way."""
        room = self.outstanding - (self.sent - self.verified)
        at = self.sent % PATTERN
        if room:
            try:
                self.sent += self.socket.send(self.pattern[at:at + room])
            except BlockingIOError:
                pass

    def receive(self):
        """What came; an error if it is not what was sent."""
        got = self.socket.recv(self.outstanding)
        at = self.verified % PATTERN
        if self.pattern[at:at + len(got)] != got:
            wrong = next(i for i, (a, b) in enumerate(zip(self.pattern[at:], got)) if a != b)
            where = (self.pattern[:PATTERN] * 2).find(got[wrong:wrong + 16])
            raise Failed(f'connection {self.number}: another answer at byte {self.verified + wrong}, {wrong} of {len(got)} that '
                         f'came at once; {where - (at + wrong) % PATTERN if where >= 0 else "not"} bytes away in what was sent')
        self.verified += len(got)
        self.has_ended = not got


class Load:
    """`with Load(32) as load:`: they stream in a thread of their own; an error in it ends the next call."""

    def __init__(self, connections, address=lab.GUEST, port=7, outstanding=OUTSTANDING):
        self.streams = [Stream(i, address, port, outstanding) for i in range(connections)]
        self.is_draining = False
        self.error = None
        self.thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.is_draining = True
        self.error = self.error or Failed('not drained')
        self.thread.join(30)
        for s in self.streams:
            s.socket.close()

    def _run(self):
        try:
            self._stream()
        except (OSError, Failed) as e:
            self.error = e

    def _stream(self):
        with selectors.DefaultSelector() as selector:
            for s in self.streams:
                selector.register(s.socket, selectors.EVENT_READ, s)
                s.send()
            while selector.get_map() and not self.error:
                for key, _ in selector.select(0.2):
                    s = key.data
                    s.receive()
                    if s.has_ended:
                        self._end(selector, s)
                    elif not self.is_draining:
                        s.send()
                    elif s.verified == s.sent:
                        s.socket.shutdown(socket.SHUT_WR)

    def _end(self, selector, stream):
        if not self.is_draining or stream.verified != stream.sent:
            raise Failed(f'connection {stream.number}: the end after {stream.verified} of {stream.sent} bytes')
        selector.unregister(stream.socket)

    def _wait(self, is_done, timeout, what):
        deadline = time.monotonic() + timeout
        while not is_done():
            if self.error:
                raise Failed(f'{type(self.error).__name__}: {self.error}')
            if time.monotonic() > deadline:
                raise Failed(what())
            time.sleep(0.01)

    def total(self):
        """Verified bytes of all."""
        return sum(s.verified for s in self.streams)

    def progress(self, count, timeout=60):
        """Returns when every connection has had @count more bytes verified."""
        goals = [s.verified + count for s in self.streams]

        def late():
            return [s.number for s, goal in zip(self.streams, goals) if s.verified < goal]
        self._wait(lambda: not late(), timeout, lambda: f'connections {late()} do not go on')

    def drain(self, timeout=60):
        """Ends all: everything that was sent has come back, then both sides close. Returns the bytes."""
        self.is_draining = True
        self._wait(lambda: not self.thread.is_alive(), timeout,
                   lambda: f'connections {[s.number for s in self.streams if not s.has_ended]} do not end')
        self._wait(lambda: True, 0, str)
        if self.error:
            raise Failed(str(self.error))
        return self.total()
