# SPDX-License-Identifier: MIT
"""The guests that are measured: same QEMU, machine, firmware, card and wire; kernel and command line differ."""
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import time

from driver.wire import GUEST, HOST, MAC, PREFIX, SOURCES, SOURCES_COUNT, lab

MEMORY_MIB = 256
MACHINE = 'q35,usb=off,sata=off,smbus=off,vmport=off,graphics=off,i8042=off'
ECHO_PORT = 7
CONNECTIONS_AN_ADDRESS = 1000       # of the host; more come from many
BOOT_S = 240                        # on a host that others keep busy
STOP_S = 10
# Of the card: a guest has to segment and to sum by itself.
NO_OFFLOADS = ''.join(f',{name}=off' for name in ('csum', 'guest_csum', 'gso', 'host_tso4', 'host_tso6', 'host_ufo',
                                                  'host_ecn', 'guest_tso4', 'guest_tso6', 'guest_ufo', 'guest_ecn'))


class Failure(Exception):
    """What went wrong, in one line."""


class Bench:
    """Where the built parts are, on what wire they are joined, which host CPU they share, and who takes part."""

    def __init__(self, build, wire, cpu, work, peers=None, pace=1):  # pylint: disable=R0913
        self.parts, self.build, self.wire, self.cpu, self.work = os.path.join(build, 'bench'), build, wire, cpu, work
        self.peers, self.pace = peers, pace     # of all windows, their share of what the works say
        self.qemu = shutil.which('qemu-system-x86_64')
        if not self.qemu:
            raise Failure('qemu-system-x86_64 is not on PATH: run ci/setup as root')

    def part(self, *names):
        return os.path.join(self.parts, *names)

    def built(self, *names):
        """A product, by its path in the build folder."""
        return os.path.join(self.build, *names)

    def file(self, name):
        return os.path.join(self.work, name)

    def pin(self):
        """Of a child process, before it becomes a program."""
        os.sched_setaffinity(0, {self.cpu})


class Guest:
    """One boot, not pinned until pin(). `with LinuxGuest(bench) as g:`; plugin: arguments of the counter, None for none;
    card: more properties of the network card; cores, and queues if not one each; words: more of the kernel's command line;
    memory_mib: of the guest."""
    peer = ''
    is_udp = False                  # answers datagrams alone
    message_max = 1 << 30           # bytes that it can be asked to echo
    counter = 'insn.so'
    accel, processor = 'tcg,thread=multi', 'max'
    booted = 0

    def __init__(self, bench, plugin=None, card='', cores=1, queues=None, words='', memory_mib=MEMORY_MIB):
        self.bench, self.process, self.boot_s, self.is_pinned = bench, None, None, False
        self.cores, self.words, self.memory_mib, self.environ = cores, words, memory_mib, None
        Guest.booted += 1
        self.log = bench.file(f'{self.peer}-{Guest.booted}.log')
        self.queues, wire = queues or cores, bench.wire
        wire.ready(self.queues)
        self.card = wire.card + card + (f',mq=on,vectors={2 * self.queues + 2}' if self.queues > 1 else '')
        self.marks, self.plugin = None, ''
        if plugin is not None:
            self.marks = bench.file(f'{self.peer}-{Guest.booted}.marks')
            self.plugin = ','.join([bench.part(self.counter), f'socket={self.marks}', *plugin])
        self.argv = self.command([
            '-machine', MACHINE + wire.machine(), '-accel', self.accel, '-cpu', self.processor, '-smp', str(cores),
            '-m', f'{memory_mib}M', '-nodefaults', '-no-user-config', '-no-reboot', '-display', 'none', '-bios', 'qboot.rom',
            '-serial', f'file:{self.log}', *wire.netdev(self.queues, memory_mib),
            '-device', f'virtio-net-pci,netdev=net0,romfile=,mac={MAC}{self.card}', *(['-plugin', self.plugin] if self.plugin else [])])

    def command(self, words):
        """What starts it; @words: all of QEMU's arguments but what is booted."""
        return [self.bench.qemu, *words, *self.kernel()]

    def kernel(self):
        """QEMU's arguments that say what is booted."""
        raise NotImplementedError

    def images(self):
        """The files that it is booted from, as far as the bench knows them."""
        return []

    def __enter__(self):
        begin_ns = time.monotonic_ns()
        with open(self.log + '.qemu', 'wb') as out:
            self.process = subprocess.Popen(self.bench.wire.inside + self.argv, stdin=subprocess.DEVNULL,
                                            stdout=out, stderr=out, env=self.environ, start_new_session=True,
                                            preexec_fn=lab.die_with_parent)
        try:
            self.boot_s = self.first_reply(begin_ns)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(STOP_S)
            if not self.pids():
                return

    def client(self, *words, timeout):
        """A measuring program in the namespace, on the guest's CPU if that is pinned; its JSON."""
        done = subprocess.run(self.bench.wire.inside + [str(w) for w in words], capture_output=True, text=True,
                              check=False, timeout=timeout, preexec_fn=self.bench.pin if self.is_pinned else None)
        if done.returncode:
            raise Failure(f'{self.peer}: {done.stderr.strip()}\n{self.tail()}')
        return json.loads(done.stdout, object_pairs_hook=add_up)

    def first_reply(self, begin_ns):
        """Seconds from @begin_ns; ends early if the guest does."""
        words = [self.bench.part('first_reply'), GUEST, str(ECHO_PORT), str(begin_ns), str(BOOT_S), *(['udp'] if self.is_udp else [])]
        with subprocess.Popen(self.bench.wire.inside + words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as client:
            while True:
                try:
                    said, error = client.communicate(timeout=0.1)
                    break
                except subprocess.TimeoutExpired:
                    if self.process.poll() is not None:
                        client.kill()
                        raise Failure(f'{self.peer}: QEMU ended with status {self.process.returncode} before its guest answered\n'
                                      f'{self.tail()}') from None
        if client.returncode:
            raise Failure(f'{self.peer}: {error.strip()}\n{self.tail()}')
        return json.loads(said)['reply_s']

    def pids(self):
        """The processes of its session: QEMU, and what a command left beside it."""
        found = []
        for pid in os.listdir('/proc'):
            with contextlib.suppress(OSError, ValueError):
                if os.getsid(int(pid)) == self.process.pid and state_of(pid) != 'Z':
                    found.append(int(pid))
        return found

    def memory(self):
        """Resident bytes: {'qemu': all of its processes, 'guest': of its RAM, None if that is not found}."""
        total, ram = 0, None
        for pid in self.pids():
            with open(f'/proc/{pid}/smaps', encoding='ascii', errors='replace') as f:
                for size, rss in re.findall(r'^Size:\s+(\d+) kB(?:\n.*){2,3}?\nRss:\s+(\d+) kB', f.read(), re.M):
                    total += int(rss) * 1024
                    if int(size) == self.memory_mib * 1024:
                        ram = int(rss) * 1024
        return {'qemu': total, 'guest': ram}

    def pin(self):
        """From now on all threads of this QEMU, and its clients, share the bench's CPU."""
        for pid in self.pids():
            for thread in os.listdir(f'/proc/{pid}/task'):
                os.sched_setaffinity(int(thread), {self.bench.cpu})
        self.is_pinned = True

    def load(self, connections, message_bytes, warm_s, window_s, active=0, is_churn=False, idle_s=0, depth=1, is_udp=False,
             rate=None, seed=None):
        """What loadgen says, or with is_udp udpgen. active: so many connections have a request under way, the others wait their turn;
        is_churn: each request has a connection of its own; idle_s: so long nothing happens before, and is counted too;
        depth: so many requests are under way on each; rate: an open loop, so many requests a second are due, with a seed at random."""
        warm_s, window_s, idle_s = (round(s * self.bench.pace, 3) for s in (warm_s, window_s, idle_s))
        words = [self.bench.part('udpgen' if is_udp or self.is_udp else 'loadgen'), '-h', GUEST, '-p', ECHO_PORT, '-c', connections,
                 '-s', message_bytes, '-w', warm_s, '-t', window_s]
        if depth > 1:
            words += ['-d', depth]
        if active:
            words += ['-a', active]
        if is_churn:
            words += ['-x']
        if idle_s:
            words += ['-i', idle_s]
        if rate:
            words += ['-r', f'{rate:.3f}', *(['-e', seed] if seed else [])]
        if is_churn or connections > CONNECTIONS_AN_ADDRESS:
            words += ['-S', f'{SOURCES}/{SOURCES_COUNT}']
        if self.marks:
            words += ['-P', self.marks]
        return self.client(*words, timeout=300 + warm_s + window_s)

    def tail(self):
        """The last lines that the guest and QEMU wrote."""
        lines = []
        for path in (self.log, self.log + '.qemu'):
            if os.path.exists(path):
                with open(path, encoding='utf-8', errors='replace') as f:
                    lines += f.read().splitlines()[-15:]
        return '\n'.join(f'  | {line}' for line in lines)


class IxGuest(Guest):
    peer = 'ix'

    def images(self):
        return [os.path.join(self.bench.build, 'images', 'echo.ix')]

    def kernel(self):
        seed = self.bench.file('seed')
        with open(seed, 'wb') as f:
            f.write(os.urandom(32))
        return ['-kernel', *self.images(),
                '-append', f'net.address={GUEST}/{PREFIX} net.gateway={HOST} cores.min={self.cores} cores.max={self.cores} {self.bench.wire.words} {self.words}',
                '-fw_cfg', f'name=opt/ix/seed,file={seed}',
                '-device', 'isa-debug-exit,iobase=0xf4,iosize=4', '-device', 'pvpanic']


class LinuxGuest(Guest):
    peer = 'linux'
    how_started = 'nokaslr mitigations=off'     # the fastest Linux that this package can be

    def images(self):
        return [self.bench.part('linux', 'kernel', 'vmlinuz'), self.bench.part('linux', 'echo.cpio')]

    def kernel(self):
        kernel, ramdisk = self.images()
        # Without a look whether timer interrupts come, as under KVM: on a busy host it finds that they do not.
        return ['-kernel', kernel, '-initrd', ramdisk, '-append',
                f'console=ttyS0 quiet panic=-1 net.ifnames=0 no_timer_check {self.how_started} bench.ip={GUEST} {self.words}']


def state_of(pid):
    """One letter, as ps has it."""
    with open(f'/proc/{pid}/stat', encoding='ascii', errors='replace') as f:
        return f.read().rpartition(')')[2].split()[0]


def add_up(pairs):
    """JSON object in which a name may come twice (static functions of one name): their numbers are added."""
    out = {}
    for name, value in pairs:
        out[name] = out[name] + value if name in out and isinstance(value, (int, float)) else value
    return out
