#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""NIC and flow from outside: the kernel test/guest/frames sends every frame back and says which core it was on, which core owns
its flow, flags and segments. One and several queues and cores, checksums left to the other side, large frames both ways, device
resets under load, and firmware that leaves the PCI addresses to the kernel.

Usage: frames.py [NAME...]
"""
import os
import pathlib
import re
import select
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'lib'))
import frame  # noqa: E402  pylint: disable=wrong-import-position
import lab  # noqa: E402  pylint: disable=wrong-import-position
from report import Report, check  # noqa: E402  pylint: disable=wrong-import-position

HOST_MAC = b'\x02\x00\x00\x00\x00\x01'
GUEST_MAC = b'\x52\x54\x00\x12\x34\x56'
SOL_PACKET, PACKET_VNET_HDR = 263, 15
COMMAND = 0x88b5


class Kernel:
    """The kernel under test on the tap, its console line by line."""

    def __init__(self, cpus=1, queues=1, options='', bios='qboot.rom', behind=()):
        tap = f'tap,id=n,ifname={lab.TAP},script=no,downscript=no,vhost=off'
        device = f'virtio-net-pci,netdev=n,mac={":".join(f"{b:02x}" for b in GUEST_MAC)}'
        if queues > 1:
            tap += f',queues={queues}'
            device += ',mq=on'
        self.seed = tempfile.NamedTemporaryFile()  # pylint: disable=consider-using-with
        self.seed.write(os.urandom(32))
        self.seed.flush()
        words = ['qemu-system-x86_64', '-accel', 'tcg', '-machine', 'q35', '-cpu', 'max', '-smp', str(cpus), '-m', '256',
                 '-bios', bios, '-nodefaults', '-display', 'none', '-serial', 'stdio', '-no-reboot',
                 '-fw_cfg', f'name=opt/ix/seed,file={self.seed.name}', '-device', 'isa-debug-exit,iobase=0xf4,iosize=4',
                 *behind, '-kernel', str(lab.build_folder() / 'test' / 'images' / 'frames.elf'), '-netdev', tap,
                 '-device', device + options]
        self.lines = []
        self.changed = threading.Condition()
        self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                        preexec_fn=lab.die_with_parent)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for raw in self.process.stdout:
            with self.changed:
                self.lines.append(raw.decode(errors='replace').rstrip())
                self.changed.notify_all()

    def __enter__(self):
        self.wait('^ready', 30)
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.seed.close()

    def wait(self, pattern, timeout=10, start=0):
        """The match of the first console line that @pattern is found in."""
        deadline = time.monotonic() + timeout
        with self.changed:
            while True:
                for line in self.lines[start:]:
                    match = re.search(pattern, line)
                    if match:
                        return match
                left = deadline - time.monotonic()
                check(left > 0 and self.process.poll() is None, f'no line "{pattern}"; console:\n' + '\n'.join(self.lines))
                self.changed.wait(left)

    def info(self):
        """(offload bits, queue pairs, whether the queue is the group)."""
        found = self.wait(r'offloads (\w+) pairs (\d+) queue_is_group (\d)')
        return int(found[1], 16), int(found[2]), found[3] == '1'

    def stats(self, wire):
        """The kernel's counters by name."""
        with self.changed:
            start = len(self.lines)
        wire.send(frame.ether(GUEST_MAC, HOST_MAC, COMMAND, b'stats'.ljust(46, b'\0')))
        line = self.wait('^stats', 10, start).string
        return {k: int(v) for k, v in re.findall(r'(\w+)=(\d+)', line)}


def packet(port, payload, proto=frame.UDP):
    """A frame to the guest of the flow that @port names."""
    make = frame.udp('10.7.0.1', '10.7.0.2', 20000 + port, 7, payload) if proto == frame.UDP else \
        frame.tcp('10.7.0.1', '10.7.0.2', 20000 + port, 7, 1, 1, frame.ACK, payload)
    return frame.ether(GUEST_MAC, HOST_MAC, frame.ETH_IPV4, frame.ipv4('10.7.0.1', '10.7.0.2', proto, make))


def echoed(got):
    """(core, owner by our hash, flags, segments, rest) of a frame that came back, None for any other."""
    if got[:6] != HOST_MAC or got[6:12] != GUEST_MAC or got[12:14] != b'\x08\x00':
        return None
    return (*got[26:30], got[:26] + got[30:])


def exchange(wire, frames, timeout=20):
    """Sends @frames, at most 32 unanswered; returns what came back by UDP source port."""
    answers, sent, deadline = {}, 0, time.monotonic() + timeout
    while len(answers) < len(frames) and time.monotonic() < deadline:
        while sent < len(frames) and sent - len(answers) < 32:
            wire.send(frames[sent])
            sent += 1
        while select.select([wire.socket], [], [], 0 if sent - len(answers) < 32 and sent < len(frames) else 0.2)[0]:
            got, where = wire.socket.recvfrom(1 << 17)
            mark = echoed(got) if where[2] != socket.PACKET_OUTGOING else None
            if mark:
                answers.setdefault(struct.unpack_from('!H', got, 34)[0] - 20000, []).append(mark)
    return answers


def compare(frames, answers):
    """Each frame came back once, changed only where it should be."""
    check(len(answers) == len(frames), f'{len(answers)} of {len(frames)} frames came back')
    for port, marks in answers.items():
        check(len(marks) == 1, f'frame {port} came back {len(marks)} times')
        want = frames[port]
        want = want[6:12] + want[:6] + want[12:26] + want[30:]
        check(marks[0][4][:len(want)] == want, f'frame {port} came back changed')
        check(marks[0][0] == marks[0][1], f'frame {port} of core {marks[0][1]} was on core {marks[0][0]}')


def ports(count, size=18):
    """@count frames of as many flows, of lengths up to @size and 1400 mixed."""
    return [packet(i, bytes([i & 255]) * (size + i * 37 % 1383)) for i in range(count)]


def test_one():
    """One core, one queue."""
    with Kernel() as k, frame.Wire(lab.TAP) as wire:
        frames = ports(3000)
        compare(frames, exchange(wire, frames))
        s = k.stats(wire)
        check(s['rx_bad'] == 0 and s['tx_full'] == 0 and s['handed_over'] == 0, str(s))
        return f'3000 frames, {s["tx_kicks"]} doorbells, offloads {k.info()[0]:x}'


def cores_of(answers):
    """How many flows each core had."""
    counts = {}
    for marks in answers.values():
        counts[marks[0][0]] = counts.get(marks[0][0], 0) + 1
    return counts


def test_hand_over():
    """Three cores, one queue: the polling core hands over, the others send through it."""
    with Kernel(cpus=3) as k, frame.Wire(lab.TAP) as wire:
        frames = ports(2000)
        answers = exchange(wire, frames)
        compare(frames, answers)
        s, counts = k.stats(wire), cores_of(answers)
        check(len(counts) == 3 and min(counts.values()) > 300, f'flows by core: {counts}')
        check(s['handed_over'] == s['tx_remote'] == 2000 - counts[0], f'{counts} {s}')
        return f'flows by core {counts}, {s["wakes"]} wake-ups'


def test_queues():
    """Two cores, two queues picked by the host: each core answers what came to it."""
    with Kernel(cpus=2, queues=2) as k, frame.Wire(lab.TAP) as wire:
        check(k.info()[1:] == (2, True), f'queues {k.info()}')
        frames = ports(2000)
        answers = exchange(wire, frames)
        compare(frames, answers)
        s, counts = k.stats(wire), cores_of(answers)
        check(len(counts) == 2 and s['tx_remote'] == 0, f'{counts} {s}')
        return f'flows by core {counts}, handed over {s["handed_over"]}'


def test_more_cores_than_queues():
    """Three cores, two queues."""
    with Kernel(cpus=3, queues=2) as k, frame.Wire(lab.TAP) as wire:
        frames = ports(2000)
        answers = exchange(wire, frames)
        compare(frames, answers)
        counts = cores_of(answers)
        check(len(counts) == 3, f'flows by core: {counts}')
        return f'flows by core {counts}, {k.stats(wire)["handed_over"]} handed over'


def test_rss():
    """The device steers by our key and table: every frame comes to the queue that our own hash computes, also after a reset."""
    texts = []
    for pairs, options in ((2, ',rss=on'), (4, ',rss=on,hash=on')):
        with Kernel(cpus=pairs, queues=pairs, options=options) as k, frame.Wire(lab.TAP) as wire:
            offloads, got, is_group = k.info()
            check(offloads & 8 and got == pairs and not is_group, f'{k.info()}')
            for proto in frame.UDP, frame.TCP:
                frames = [packet(i, bytes(18), proto) for i in range(1000)]
                answers = exchange(wire, frames)
                compare(frames, answers)    # among other things: arrived where it was computed
                counts = cores_of(answers)
                check(len(counts) == pairs and min(counts.values()) > 600 / pairs, f'flows by core: {counts}')
                start = len(k.lines)
                wire.send(frame.ether(GUEST_MAC, HOST_MAC, COMMAND, b'reset'.ljust(46, b'\0')))
                k.wait('device was reset', 10, start)
                wire.drain()
            s = k.stats(wire)
            check(s['handed_over'] == 0 and s['tx_remote'] == 0 and s['resets'] == 2, str(s))
            texts.append(f'{pairs} queues: flows by core {dict(sorted(counts.items()))}')
    return ', '.join(texts)


def test_large():
    """A frame of 60,000 bytes with its sum left open: merged buffers in, segmentation out."""
    with Kernel() as k, frame.Wire(lab.TAP) as wire:
        check(k.info()[0] & 7 == 7, f'offloads {k.info()[0]:x}')
        wire.socket.close()
        wire.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        wire.socket.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
        wire.socket.bind((lab.TAP, 0))
        payload = os.urandom(60000)
        whole = packet(1, payload, frame.TCP)
        pseudo = ~frame._pseudo('10.7.0.1', '10.7.0.2', frame.TCP, b'\0' * 60020) & 0xffff  # pylint: disable=protected-access
        whole = whole[:50] + struct.pack('!H', pseudo) + whole[52:]
        for _ in range(20):
            wire.socket.send(struct.pack('<BBHHHH', 1, 1, 54, 1448, 34, 16) + whole)
            found = wire.receive(lambda got: len(got) > 50000 and got[10:16] == HOST_MAC and got, 10)
            check(found, 'nothing came back')
            head, got = found[0][:10], found[0][10:]
            flags, kind, _, gso, start, offset = struct.unpack('<BBHHHH', head)
            check((flags & 1, kind, gso, start, offset) == (1, 1, 1400, 34, 16), f'header {head.hex()}')
            check(got[54:] == payload, 'payload changed')
            check(got[28] == 1 and got[29] == 42, f'flags {got[28]}, segments {got[29]}')
        s = k.stats(frame.Wire(lab.TAP))
        check(s['rx_bad'] == 0, str(s))
        return '20 frames of 60 KB, 42 segments each, there and back'


def test_reset():
    """The device is reset under load, again and again; afterwards all is as before."""
    with Kernel(cpus=2, queues=2) as k, frame.Wire(lab.TAP) as wire:
        frames = ports(1000)
        for _ in range(5):
            wire.send(frame.ether(GUEST_MAC, HOST_MAC, COMMAND, b'reset'.ljust(46, b'\0')))
            exchange(wire, frames[:200], 3)
        time.sleep(0.5)
        wire.drain()
        compare(frames, exchange(wire, frames))
        s = k.stats(wire)
        check(s['resets'] == 5 and s['rx_bad'] == 0, str(s))
        check(s['free'] >= 4096 - 2 * 256 - 128, f'buffers are missing: {s}')
        return str(s)


def test_bridge():
    """The device behind two bridges, addresses given by the kernel and by SeaBIOS."""
    behind = ['-device', 'pcie-root-port,id=above,chassis=1', '-device', 'pcie-pci-bridge,id=below,bus=above']
    for bios in 'qboot.rom', 'bios-256k.bin':
        with Kernel(bios=bios, behind=behind, options=',bus=below,addr=3') as k, frame.Wire(lab.TAP) as wire:
            frames = ports(100)
            compare(frames, exchange(wire, frames))
            place = k.wait(r'virtio-net: (\S+),')[1]
            check(place == '02:03.0', f'device at {place}')
    return 'with qboot and with SeaBIOS'


def test_seabios():
    """Firmware that did assign addresses."""
    with Kernel(bios='bios-256k.bin') as k, frame.Wire(lab.TAP) as wire:
        frames = ports(100)
        compare(frames, exchange(wire, frames))
        return f'{k.stats(wire)["rx_frames"]} frames'


def test_plain_device():
    """A device without merged buffers, offloads, event indices and control queue."""
    off = ''.join(f',{n}=off' for n in ('mrg_rxbuf', 'csum', 'guest_csum', 'gso', 'guest_tso4', 'host_tso4', 'event_idx', 'ctrl_vq'))
    with Kernel(cpus=2, options=off) as k, frame.Wire(lab.TAP) as wire:
        check(k.info()[0] == 0, f'offloads {k.info()[0]:x}')
        frames = ports(1000)
        compare(frames, exchange(wire, frames))
        return f'{k.stats(wire)["tx_kicks"]} doorbells'


TESTS = [test_one, test_hand_over, test_queues, test_more_cores_than_queues, test_rss, test_large, test_reset, test_seabios,
         test_bridge, test_plain_device]


def main():
    """Runs all, or those named."""
    names = sys.argv[1:]
    report = Report()
    lab.enter(address=False)
    for test in TESTS:
        name = test.__name__.removeprefix('test_')
        if names and name not in names:
            continue
        multi = name in ('queues', 'more_cores_than_queues', 'rss', 'reset')
        lab.make_tap(3 if multi else 1, address=False)
        report.run(f'frames_{name}', test)
    report.close()


main()
