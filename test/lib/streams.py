# SPDX-License-Identifier: MIT
"""Many slow connections to the echo service, each with a thread of its own, for a test in which things go away: bytes are random
and compared. A stall is no failure, and is measured; a reset or another byte is one."""
import os
import threading
import time

import hostlab
import lab
from report import check

CHUNK = 2048
SECONDS = 60       # for anything to come back, on the busiest machine


class Stream(threading.Thread):
    """A connection that sends random bytes and compares what comes back."""

    def __init__(self, address, pause_s):
        super().__init__(daemon=True)
        self.pause_s = pause_s
        self.socket = lab.connect(address=address, timeout=4 * SECONDS)
        self.is_over, self.bytes, self.at, self.longest, self.error = False, 0, time.monotonic(), 0.0, None
        self.start()

    def run(self):
        try:
            while not self.is_over:
                data = os.urandom(CHUNK)
                self.socket.sendall(data)
                check(lab.receive(self.socket, CHUNK) == data, 'other bytes came back, or too few')
                now = time.monotonic()
                self.longest = max(self.longest, now - self.at)
                self.bytes, self.at = self.bytes + CHUNK, now
                time.sleep(self.pause_s)
        except Exception as e:  # pylint: disable=broad-except
            self.error = f'{type(e).__name__}: {e}'


class Streams:
    """@count of them, dealt out to @addresses; each pauses between two rounds: they are to run for long, not to fill the machine."""

    def __init__(self, count, addresses, pause_s=0.01):
        self.streams = [Stream(addresses[i % len(addresses)], pause_s) for i in range(count)]

    def check(self):
        """None has failed."""
        failed = [s.error for s in self.streams if s.error]
        check(not failed, f'{len(failed)} of {len(self.streams)} connections failed: {failed[:1]}')

    def forget(self):
        """The longest stall is counted from now on."""
        for s in self.streams:
            s.longest = 0.0

    def goes_on(self):
        """Every connection carries bytes that were sent from now on. Returns the longest stall of any so far, in seconds."""
        before = [s.bytes for s in self.streams]

        def moved():
            self.check()
            return all(s.bytes > b + CHUNK for s, b in zip(self.streams, before))
        hostlab.wait_for(moved, SECONDS, 'all connections go on')
        return max(s.longest for s in self.streams)

    def stop(self):
        """Ends them. Returns the bytes that came back."""
        for s in self.streams:
            s.is_over = True
        for s in self.streams:
            s.join(SECONDS)
        self.check()
        check(not any(s.is_alive() for s in self.streams), 'a connection does not end')
        for s in self.streams:
            s.socket.close()
        return sum(s.bytes for s in self.streams)
