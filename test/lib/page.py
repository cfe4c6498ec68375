# SPDX-License-Identifier: MIT
"""A guest's control page (kernel/abi/page.h) without a control plane: the memory, and what stands in it, read under its sequence counters."""
import mmap
import os
import re
import struct
import time

import lab
from report import check

BYTES = 1 << 20
MAGIC, VERSION = 0x0065676150584978, 2
AT_COMMAND, AT_GUEST, AT_ANSWER, AT_RESIZE, AT_CORES, STRIDE, AT_CRASH = 0x1000, 0x2000, 0x3000, 0x5000, 0x10000, 0x1000, 0x80000
CRASH_SEEN, SET_CORES = 5, 6
CORES_MAX = 64
GUEST = struct.Struct('<II16sQQQIIIIIIII')
RESIZE = struct.Struct('<10I3Q')
STEPS = struct.Struct('<6Q')
COMMAND, ANSWER = struct.Struct('<II4Q'), struct.Struct('<Ii4Q')
ABSENT, RUNS, PARKED, STARTING, LEAVING = range(5)
VALUES = re.findall(r'^\tX\(\w+, (\w+), ', (lab.TOP / 'kernel' / 'abi' / 'page.h').read_text(encoding='utf-8'), re.M)


def crc32c(data):
    """Castagnoli's, bit by bit [RFC 3720 B.4]."""
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


class Page:
    """`with Page() as page: with Guest(..., qemu=page.words)`."""

    def __init__(self):
        self.fd = os.memfd_create('page')
        os.truncate(self.fd, BYTES)
        self.memory = mmap.mmap(self.fd, BYTES)
        self.memory[0:32] = struct.pack('<QII16s', MAGIC, VERSION, BYTES, os.urandom(16))
        path = f'/proc/{os.getpid()}/fd/{self.fd}'
        self.words = ['-object', f'memory-backend-file,id=page,size={BYTES},share=on,mem-path={path}',
                      '-device', 'ivshmem-plain,memdev=page']

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.memory.close()
        os.close(self.fd)

    def _copy(self, at, count):
        """A whole copy of an area that begins with its sequence counter."""
        for _ in range(1000):
            before = struct.unpack_from('<I', self.memory, at)[0]
            data = bytes(self.memory[at:at + count])
            if not before & 1 and struct.unpack_from('<I', self.memory, at)[0] == before:
                return data
            time.sleep(0.0001)
        check(False, f'the area at {at:#x} is always being written')
        return b''

    def guest(self):
        """Numbers about the guest as a whole, by name."""
        names = ('sequence', 'state', 'id', 'beat', 'up_us', 'tsc_khz', 'cores', 'cores_min', 'cores_max', 'present', 'wanted',
                 'groups', 'queue_pairs', 'restarts')
        return dict(zip(names, GUEST.unpack(self._copy(AT_GUEST, GUEST.size))))

    def resize(self):
        """How cores came and went, by name."""
        names = ('sequence', 'came', 'went', 'plugged', 'ejected', 'spurious', 'refused', 'refused_core', 'refused_why', 'reserved',
                 'groups', 'connections', 'forced')
        return dict(zip(names, RESIZE.unpack(self._copy(AT_RESIZE, RESIZE.size))))

    def steps(self, core):
        """When a core was where, in us, by name."""
        names = ('inserted', 'started', 'given', 'leaving', 'parked', 'ejected')
        data = self._copy(AT_RESIZE, RESIZE.size + CORES_MAX * STEPS.size)
        return dict(zip(names, STEPS.unpack_from(data, RESIZE.size + core * STEPS.size)))

    def core(self, core):
        """Its state and what it counts, by name."""
        data = self._copy(AT_CORES + core * STRIDE, 16 + 8 * len(VALUES))
        values = dict(zip(VALUES, struct.unpack_from(f'<{len(VALUES)}Q', data, 16)))
        return {'state': struct.unpack_from('<I', data, 4)[0], **values}

    def command(self, op, *args, timeout=20):
        """Given, and what is answered: status, first value. Nobody rings: the guest looks once a second at least."""
        sequence = struct.unpack_from('<I', self.memory, AT_COMMAND)[0] + 1
        data = COMMAND.pack(sequence, op, *args, *[0] * (4 - len(args)))
        self.memory[AT_COMMAND + 4:AT_COMMAND + COMMAND.size + 4] = data[4:] + struct.pack('<I', crc32c(data))
        self.memory[AT_COMMAND:AT_COMMAND + 4] = data[:4]
        self.wait(lambda page: struct.unpack_from('<I', page.memory, AT_ANSWER)[0] == sequence, f'an answer to command {op} {args}', timeout)
        return ANSWER.unpack_from(self.memory, AT_ANSWER)[1:3]

    def is_held(self):
        """Whether what is left of a fault is kept for who may want to see it."""
        return struct.unpack_from('<III', self._copy(AT_CRASH, 12))[2] == 1

    def owners(self):
        """Cores by how many flow groups they own."""
        data = self._copy(0x4000, 8 + 128)
        owner = data[8:8 + struct.unpack_from('<I', data, 4)[0]]
        return {core: owner.count(core) for core in set(owner)}

    def wait(self, holds, what, timeout=20):
        """Until holds(self)."""
        deadline = time.monotonic() + timeout
        while not holds(self):
            check(time.monotonic() < deadline, f'not within {timeout} s: {what}; {self.guest()}, {self.resize()}, groups {self.owners()}')
            time.sleep(0.01)
