# SPDX-License-Identifier: MIT
"""Who is measured: the table of peers, in which works each of them takes part, and how the command line brings another one."""
import os
import re
import shlex

from driver.guest import Guest, IxGuest, LinuxGuest
from driver.wire import GUEST, HOST, MAC, PREFIX, TAP

FRAME_BYTES = 1472                  # of a datagram that fits a frame of 1,500
ALL = ('echo', 'size', 'churn', 'udp', 'boot', 'idle')      # works that any peer can take part in


class LinuxDefaultGuest(LinuxGuest):
    """The same Linux as its distribution starts it: with what it does against speculating processors."""
    peer = 'linux_default'
    how_started = ''


class FloorGuest(Guest):
    """Our driver alone: datagrams go back, and there is nothing else. Where others are asked by TCP, it is asked by UDP."""
    peer = 'floor'
    is_udp = True
    message_max = FRAME_BYTES

    def images(self):
        return [self.bench.part('floor.elf')]

    def kernel(self):
        return ['-kernel', *self.images()]


class CommandGuest(Guest):
    """Somebody else's guest, started by a shell command that is told by its environment what to do; bench/README.md has the
    contract."""
    text = ''

    def command(self, words):
        wire, value = self.bench.wire, {}
        for key, of in (('QEMU', self.bench.qemu), ('ARGS', shlex.join(words)), ('PLUGIN', self.plugin),
                        ('BACKEND', wire.backend), ('TAP', TAP if wire.backend == 'tap' else ''),
                        ('SOCKET', wire.switch.socket if wire.backend == 'ovs' else ''), ('MAC', MAC), ('CARD', self.card),
                        ('ADDRESS', GUEST), ('PREFIX', PREFIX), ('GATEWAY', HOST), ('MEMORY_MIB', self.memory_mib),
                        ('CORES', self.cores), ('QUEUES', self.queues), ('LOG', self.log), ('FOLDER', self.bench.work)):
            value[f'IX_BENCH_{key}'] = str(of)
        self.environ = {**os.environ, **value}
        return ['/bin/sh', '-c', self.text]


# Peer: works. Linux first: it is the slowest to boot, and what it leaves in the host's caches is not in the others' favour.
TABLE = {LinuxGuest: (*ALL, 'cores', 'connections', 'latency', 'loss', 'elastic'), LinuxDefaultGuest: ALL,
         IxGuest: (*ALL, 'cores', 'connections', 'latency', 'loss', 'elastic'),
         FloorGuest: ('echo', 'size', 'udp', 'boot', 'idle')}
NAMES = [kind.peer for kind in TABLE]


def parse(text):
    """NAME[:WORK,...]=COMMAND -> (class of guest, works). ValueError says what is wrong with @text."""
    head, equals, command = text.partition('=')
    name, colon, works = head.partition(':')
    works = tuple(works.split(',')) if colon else ALL
    if not equals or not command.strip():
        raise ValueError(f"'{text}' should be NAME=COMMAND, where COMMAND starts the guest as bench/README.md says")
    if not re.fullmatch(r'[a-z][a-z0-9_]*', name):
        raise ValueError(f"'{name}' should be a name of small letters, digits and _ that begins with a letter")
    if name in NAMES:
        raise ValueError(f"'{name}' is a peer of the bench's own, as are {', '.join(NAMES)}; give it another name")
    unknown = [w for w in works if w not in ALL]
    if unknown:
        raise ValueError(f"'{unknown[0]}' is no work for a further peer; those are {', '.join(ALL)}")
    return type(f'Guest_{name}', (CommandGuest,), {'peer': name, 'text': command}), works


class Peers:
    """@further: what parse() made; @only: names that take part, None for all."""

    def __init__(self, further=(), only=None):
        self.table = {**TABLE, **dict(further)}
        if only is not None:
            self.table = {kind: works for kind, works in self.table.items() if kind.peer in only}

    def of(self, work):
        """Classes of guests, each to be started as kind(bench, ...)."""
        return [kind for kind, works in self.table.items() if work in works]


def further(out):
    """Peers of the rows that are neither ix nor linux, in the order of the table, then of the rows."""
    found = list(dict.fromkeys(r['peer'] for r in out.rows))
    return [p for p in NAMES if p in found and p not in ('ix', 'linux')] + [p for p in found if p not in NAMES]
