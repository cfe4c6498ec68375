# SPDX-License-Identifier: MIT
"""The client of work `elastic` (load/answers.c), and what its record says: which core answered when, and how late."""
import json
import struct
import subprocess

from driver.guest import ECHO_PORT, Failure
from driver.wire import GUEST, lab

RECORD = struct.Struct('<QQII')     # struct answer
NO_CORE = 0xffffffff
NEVER = 1 << 64
GIVEN_UP_NS = 2 * 10**9        # an answer that has not come by then is an error, not under way
READY_S = 120


class Answer:
    """A request: when it was due and when answered (ns; 0: not), by which core (NO_CORE: an error)."""
    __slots__ = 'due', 'done', 'connection', 'core'

    def __init__(self, due, done, connection, core):
        self.due, self.done, self.connection, self.core = due, done, connection, core

    def late_ns(self, until_ns):
        """What it has waited, by @until_ns at most."""
        return min(self.done or until_ns, until_ns) - self.due


def read(data):
    """The record as the client wrote it; a piece at the end is dropped."""
    whole = len(data) - len(data) % RECORD.size
    return [Answer(*fields) for fields in RECORD.iter_unpack(data[:whole])]


class Client:
    """`with Client(bench, connections, rate) as client:` serves until finish(); all connections have been answered once."""

    def __init__(self, bench, connections, rate, address=GUEST):
        self.path = bench.file('answers')
        self.process = subprocess.Popen([*bench.wire.inside, bench.part('answers'), address, str(ECHO_PORT), str(connections), str(rate),
                                         self.path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                        preexec_fn=lab.die_with_parent)

    def __enter__(self):
        if self.process.stdout.readline() != 'ready\n':
            self.process.kill()
            raise Failure(f'the client: {self.process.communicate()[1].strip()}')
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()

    def finish(self):
        """Return: what it says at its end, and its record."""
        said, error = self.process.communicate(timeout=READY_S)
        if self.process.returncode:
            raise Failure(f'the client: {error.strip()}')
        with open(self.path, 'rb') as f:
            return json.loads(said), read(f.read())


def stall_ns(answers, begin, end):
    """The longest that a request waited in @begin..@end, as far as it waited there."""
    waits = (a.late_ns(end) - max(0, begin - a.due) for a in answers if a.due < end and (not a.done or a.done > begin))
    return max(waits, default=0)


def first_by(answers, cores, begin, end):
    """When the first request due in @begin..@end was answered by one of @cores by then, None if none was."""
    return min((a.done for a in answers if a.core in cores and a.due >= begin and 0 < a.done <= end), default=None)


def last_by(answers, cores, begin, end):
    """When one of @cores answered for the last time, None if it did not."""
    return max((a.done for a in answers if a.core in cores and begin <= a.done < end), default=None)


def share_of(answers, cores, begin, end):
    """Of the answers of @cores in all, None if there are none."""
    mine, everybodys = 0, 0
    for a in answers:
        if begin <= a.done < end:
            everybodys += 1
            mine += a.core in cores
    return mine / everybodys if everybodys else None


def errors(answers, begin=0, end=NEVER):
    """How many requests failed in that time, or were due in it and have had no answer at all, though there was time for one."""
    last = max((a.done for a in answers), default=0)
    return sum(a.core == NO_CORE and begin <= (a.done or a.due) < end and (a.done > 0 or a.due < last - GIVEN_UP_NS) for a in answers)
