# SPDX-License-Identifier: MIT
"""The guest's half of a control page (kernel/abi/page.h), written by a test in the place of a guest that does not (Liar with keep_page): what
a guest that means harm would write, at moments that the test chooses."""
import os
import struct
import threading
import time

PAGE_BYTES = 1 << 20
AT_HEAD, AT_COMMAND, AT_GUEST, AT_ANSWER, AT_GROUPS, AT_RESIZE = 0, 0x1000, 0x2000, 0x3000, 0x4000, 0x5000
AT_CORES, AT_CRASH = 0x10000, 0x80000
CORE_STRIDE = 0x1000
BOOTING, READY, DRAINING, STOPPING, FAULTED, ENDED = range(6)
PING, STOP, DRAIN, MOVE_GROUP, CRASH_SEEN = range(1, 6)
GUEST = struct.Struct('<II16sQQQ10I6s4s16sBBII4x')
COMMAND, ANSWER = struct.Struct('<II4QII'), struct.Struct('<Ii4Q')
FIELDS = ('sequence', 'state', 'id', 'beat', 'up_us', 'tsc_khz', 'cores', 'cores_min', 'cores_max', 'cores_present', 'cores_wanted', 'groups',
          'queue_pairs', 'restarts', 'exit_how', 'reserved', 'mac', 'address', 'address6', 'prefix', 'prefix6', 'connections_max', 'buffers_total')
BEAT_S = 0.02


class Puppet(threading.Thread):
    """Keeps the page of @name alive: its heart beats, and each command is answered, as @guest (FIELDS) and @answers say.

    answers(puppet, sequence, op, args): what is written as the answer (sequence, status, four values), or None for nothing.
    @before: called before each beat, may write anything."""

    def __init__(self, name):
        super().__init__(daemon=True)
        self.fd = os.open(f'/dev/shm/ix-{name}', os.O_RDWR)
        self.guest = dict(zip(FIELDS, GUEST.unpack(os.pread(self.fd, GUEST.size, AT_GUEST))))
        self.guest['id'] = os.pread(self.fd, 16, AT_HEAD + 16)
        self.guest['sequence'] += self.guest['sequence'] % 2
        self.answers, self.before, self.is_over, self.beats, self.commands = self.good, None, False, True, []
        self.seen = COMMAND.unpack(os.pread(self.fd, COMMAND.size, AT_COMMAND))[0]
        self.start()

    @staticmethod
    def good(_, sequence, *__):
        """An answer that says: done."""
        return sequence, 0, (0, 0, 0, 0)

    def set(self, **fields):
        """From the next beat on. Returns when it has been."""
        self.guest.update(fields)
        beat = self.guest['beat']
        while self.beats and self.guest['beat'] < beat + 2 and self.is_alive():
            time.sleep(BEAT_S)

    def write(self, at, data):
        """Anything, anywhere."""
        os.pwrite(self.fd, data, at)

    def beat(self):
        self.guest['beat'] += 1
        self.guest['up_us'] += int(BEAT_S * 1e6)
        self.guest['sequence'] = self.guest['sequence'] + 2 & 0xffffffff
        self.write(AT_GUEST, GUEST.pack(*(self.guest[field] for field in FIELDS)))

    def listen(self):
        sequence, op, *rest = COMMAND.unpack(os.pread(self.fd, COMMAND.size, AT_COMMAND))
        if sequence == self.seen:
            return
        self.seen = sequence
        self.commands.append(op)
        said = self.answers(self, sequence, op, rest[:4])
        if said:
            self.write(AT_ANSWER, ANSWER.pack(said[0] & 0xffffffff, said[1], *said[2]))

    def run(self):
        while not self.is_over:
            if self.before:
                self.before(self)
            if self.beats:
                self.beat()
            self.listen()
            time.sleep(BEAT_S)
        os.close(self.fd)

    def stop(self):
        """It is dead."""
        self.is_over = True
        self.join()
