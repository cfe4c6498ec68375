#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes the seeds of the fuzz targets: inputs that get far, from which a fuzzer begins. What they mean is said in fuzz_*.c.

Usage: make_seeds.py   (writes beside itself, under seeds/)
"""
import pathlib
import struct

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parents[1]


def write(target, name, data):
    folder = HERE / 'seeds' / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f'{name}.seed').write_bytes(data)


def put(memory, at, form, *values):
    struct.pack_into('<' + form, memory, at, *values)


def acpi_table(memory, at, name, length):
    memory[at:at + 4] = name
    put(memory, at + 4, 'I', length)


def acpi():
    """Firmware memory at 0xe0000: RSDP, RSDT or XSDT, MADT, FADT, DSDT with _S5, MCFG."""
    low = 0xe0000
    for is_xsdt in (0, 1):
        m = bytearray(0x500)
        m[0:8] = b'RSD PTR '
        m[15] = 2 if is_xsdt else 0
        put(m, 16, 'I', low + 0x40)
        put(m, 20, 'IQ', 36, low + 0x40 if is_xsdt else 0)
        tables = [low + 0x100, low + 0x200, low + 0x380]
        acpi_table(m, 0x40, b'XSDT' if is_xsdt else b'RSDT', 36 + len(tables) * (8 if is_xsdt else 4))
        put(m, 0x40 + 36, ('3Q' if is_xsdt else '3I'), *tables)
        acpi_table(m, 0x100, b'APIC', 44 + 3 * 8 + 16 + 10)
        for i in range(3):
            put(m, 0x12c + 8 * i, 'BBBBI', 0, 8, i, i, int(i < 2))
        put(m, 0x12c + 24, 'BBHIII', 9, 16, 0, 300, 1, 3)
        put(m, 0x12c + 40, 'BBBBIH', 2, 10, 0, 9, 9, 0x0d)
        acpi_table(m, 0x200, b'FACP', 244)
        put(m, 0x200 + 40, 'I', low + 0x300)
        put(m, 0x200 + 46, 'H', 9)
        put(m, 0x200 + 64, 'I', 0x604)
        put(m, 0x200 + 76, 'I', 0x608)
        put(m, 0x200 + 80, 'I', 0x620)
        put(m, 0x200 + 91, 'BB', 4, 16)
        acpi_table(m, 0x300, b'DSDT', 36 + 24)
        m[0x330:0x33a] = b'\x08_S5_\x12\x06\x04\x0a\x05'
        acpi_table(m, 0x380, b'MCFG', 60)
        put(m, 0x380 + 44, 'QHBB', 0xb0000000, 0, 0, 255)
        write('acpi', 'xsdt' if is_xsdt else 'rsdt', bytes([3]) + bytes(m))


def start_info():
    m = bytearray(0x1100)
    put(m, 0, 'II', 0x336ec578, 1)
    put(m, 24, 'QQQI', 0x110000 + 0x1000, 0xf5a40, 0x110000 + 0x800, 4)
    for i, entry in enumerate([(0, 0x9fc00, 1, 0), (0x100000, 0x7ee0000, 1, 0), (0x7fe0000, 0x20000, 2, 0), (1 << 32, 1 << 30, 1, 0)]):
        put(m, 0x800 + 24 * i, 'QQII', *entry)
    m[0x1000:0x1010] = b'cores.max=2 -- a'
    write('start_info', 'good', bytes(m))


def conf():
    lines = [b'', b'cores.max=2 poll_us=7 batch=8 connections=4096 rx_buffers=2048 heap_mib=32',
             b'net.address=10.0.0.2/24 net.gateway=10.0.0.1 net.dns=10.0.0.3 net.mtu=1400 net.slaac=true',
             b'net.address6=fd00::2/64 net.gateway6=fe80::1 ports.7/tcp.rto_floor_ms=5 ports.7/tcp.backlog=9',
             b'env.A="b c" env.HOME= restart.on_fault=false stats_s=5 tcp.timestamps=false -- one "two words" --']
    for i, line in enumerate(lines):
        write('conf', f'line_{i}', struct.pack('<H', 0x8000 | len(line)) + line)


def yaml():
    text = (TOP / 'images' / 'echo' / 'image.yaml').read_bytes()
    write('yaml', 'echo', text)
    write('yaml', 'full', b'name: echo\nversion: 1.2\napp: ./echo\nargs: [a, "b c", \'\']\nenv: {A: b, C: ""}\n'
          b'memory_mib: 256\nheap_mib: 32\ncores: {min: 2, max: 4}\nnet:\n  address: 10.0.2.15/24\n  gateway: 10.0.2.2\n'
          b'  dns: 10.0.2.3\n  mtu: 1400\n  address6: fd00::2/64\n  gateway6: fe80::1\n  slaac: false\n'
          b'ports: [{rto_floor_ms: 5, port: 7/tcp, backlog: 9}, 7/udp]\nconnections: 5000\nrx_buffers: 2048\nbatch: 32\n'
          b'poll_us: 10\nrestart: {on_fault: true, max: 5, window_s: 30}\nwatchdog_ms: 1000\nrto_floor_ms: 5\n'
          b'tcp: {timestamps: false}\nfiles: [a, {from: b, to: c/d}]\n')
    write('yaml', 'block', b'# comment\n---\nname: "x-1"\napp: >-\n  y\n  z\nargs:\n  - a\n  - |\n    b\n...\n')


def image():
    write('image', 'good', b'\0')
    for at in (0, 16, 24, 32, 40, 54, 56, 64, 0x78, 0x100, 0x1000):
        write('image', f'patch_{at}', b'\0' + struct.pack('<HB8s', at, 8, b'\xff' * 8))


def pci():
    """As QEMU lays a virtio-net device out: MSI-X in BAR 1, structures in BAR 4."""
    space = bytearray(256)
    put(space, 0, 'HHHH', 0x1af4, 0x1041, 0, 0x10)
    space[0x34] = 0x98

    def cap(at, following, kind, off, length):
        put(space, at, 'BBBBB3xII', 9, following, 20 if kind == 2 else 16, kind, 4, off, length)
    put(space, 0x98, 'BBHII', 0x11, 0x84, 2, 1, 0x801)
    cap(0x84, 0x70, 5, 0, 0)
    cap(0x70, 0x5c, 2, 0x1800, 0x800)
    put(space, 0x80, 'I', 4)
    cap(0x5c, 0x4c, 4, 0x1000, 0x40)
    cap(0x4c, 0, 1, 0, 0x800)
    bars = b''
    for i in range(6):
        kind = {1: 0x80, 4: 0xc0}.get(i, 0)
        body = bytearray(64)
        if i == 4:      # common configuration: queue count, queue size
            put(body, 18, 'H', 3)
            put(body, 24, 'HHHH', 64, 0xffff, 0, 0)
        bars += bytes([kind]) + bytes(body)
    write('pci', 'qemu', bytes(space) + bars)
    space[0x4d] = 0x70
    write('pci', 'circle', bytes(space) + bars)


def page():
    """A guest that begins, counts, crashes and answers (the id in its area is not known here: looks at cores and crashes)."""
    def put_u64(area, offset, value, even=True):
        return bytes([8 if even else 0, area]) + struct.pack('<HQ', offset, value)

    core = put_u64(4, 0, 1 << 32 | 2) + bytes([4, 0]) + put_u64(4, 16, 7) + bytes([4, 0]) + put_u64(4, 16, 6) + bytes([4, 0])
    write('page', 'core', core)
    crash = put_u64(3, 0, 1 << 32 | 2) + put_u64(3, 8, 1) + put_u64(3, 16, 14 << 32 | 101)
    registers = 40 + 27 * 8
    crash += put_u64(3, registers, 10 << 32 | 1) + put_u64(3, registers + 8, 0x400000) + put_u64(3, registers + 16, 0x200000)
    write('page', 'crash', crash + put_u64(3, registers + 24, 0x2000) + put_u64(3, registers + 32, 5) + bytes([6]))
    groups = put_u64(2, 0, 2 << 32 | 2) + put_u64(2, 8, 0x3f00) + bytes([6])
    write('page', 'command', groups + bytes([7, 4, 15]) + put_u64(1, 0, 1, False) + bytes([15, 7, 1, 5]))


def virtio():
    def offer(pairs=1, size=0, refused=0, answer=0, flags=b'\0\0\0\0', config=b'\0'):
        return struct.pack('<BBQB', pairs, size, refused, answer) + flags + config
    use_rx = b'\0' + b'\0' + struct.pack('<H', 60) + bytes(12)
    use_tx = b'\x08' + b'\0' + struct.pack('<H', 0) + bytes(12)     # queue 1 where there is one pair
    send, poll, publish_rx, publish_tx = b'\x04\0\x02', b'\x03', b'\x02', b'\x0a'
    work = use_rx * 3 + publish_rx + poll + send * 4 + use_tx * 2 + publish_tx + poll
    write('virtio', 'plain', offer() + b'\0' + work * 3)
    write('virtio', 'pairs', offer(pairs=4) + b'\3' + work)
    write('virtio', 'no_pairs', offer(pairs=0) + b'\0' + work)
    write('virtio', 'never_settles', offer(flags=b'\0\0\0\1') + b'\0' + work)
    write('virtio', 'mute', offer(pairs=2, flags=b'\0\0\1\0') + b'\1' + work)
    write('virtio', 'twice', offer() + b'\0' + (b'\0' + b'\2' + struct.pack('<H', 60) + bytes(12)) + publish_rx + poll + b'\x06' + work)
    write('virtio', 'bad_id', offer() + b'\0' + (b'\0' + b'\1' + struct.pack('<H', 60) + bytes(12) + b'\x50') + publish_rx + poll + b'\x06' + work)
    write('virtio', 'jump', offer() + b'\0' + b'\1' + struct.pack('<H', 999) + publish_rx + poll + b'\x06' + work)
    write('virtio', 'reset', offer() + b'\0' + work + b'\x05\x40\1\0\0' + b'\x06' + poll + b'\x06' + work)


def calls():
    def at(base, off):
        return bytes([base]) + struct.pack('<H', off)

    def call(op, flags=0, handle=b'\x1d', arg=b'\x1d', length=b'\x1d'):
        return bytes([op, flags]) + handle + arg + length
    zero, small = at(0, 0), at(0, 5)
    for op in range(20):
        write('calls', f'op_{op}', b'\0\1' + call(op, 0, zero, at(1, 0), small) + call(op, 0, small, zero, zero))
    memory = b'\1' + struct.pack('<HB', 0, 64) + at(1, 4096) + small + at(3, 0) + small + at(1, 0) + zero
    write('calls', 'sendv', memory + b'\0\0' + call(6, 0, small, at(1, 0), at(0, 2)))
    for number in range(8):
        write('calls', f'entry_{number}', b'\2' + bytes([number]) + at(1, 64) + small + small + b'\1\0\0\0')
    write('calls', 'time', b'\0\0' + call(15, 0, zero, at(0, 100), small) + b'\3\xff\0' + b'\4\3' + small + b'\0')


def opt_mark(step, tos):
    return bytes([step]) + struct.pack('<BBHhhHBBB', 0, 0x18, 100, 0, 0, 20000, tos, 1, 0)


def frames():
    def code(step, high=False):
        return next(n for n in range(0x80 if high else 0, 256) if n % 12 == step)
    frame, seg, opt, turn, time, send, done, end, device, error, knock, call = range(12)

    def s(peer, flags, size, seq=0, ack=0, window=20000):
        return bytes([code(seg, True)]) + struct.pack('<BBHhhH', peer, flags, size, seq, ack, window)

    def write_some(peer, size):
        return bytes([code(send)]) + struct.pack('<BBH', peer, 0, size)
    step = {n: bytes([code(v)]) for n, v in dict(turn=turn, done=done, end=end, device=device, time=time).items()}
    late = bytes([code(time, True)])
    echo = s(0, 0x18, 100) + step['done'] + b'\0' + write_some(0, 3000) + step['turn'] + s(0, 0x10, 0) + step['turn']
    for options in (0, 1, 2, 3, 5, 9, 13):
        write('frames', f'echo_{options}', bytes([options]) + echo * 3)
    write('frames', 'late', b'\5' + write_some(1, 9000) + step['turn'] + late + struct.pack('<H', 15) + s(1, 0x10, 0) + late + struct.pack('<H', 600))
    write('frames', 'close', b'\4' + s(0, 0x11, 0) + step['end'] + b'\0' + step['turn'] + s(0, 0x10, 0) + s(1, 4, 0) + step['end'] + b'\x81' + step['turn'])
    write('frames', 'early', b'\0' + s(0, 0x10, 500, 500) + s(0, 0x10, 500, 1500) + s(0, 0x10, 500) + s(0, 0x10, 500, -100) + step['turn'])
    sack = bytes([code(opt, True)]) + struct.pack('<BBHhhHB4HBB', 0, 0x10, 0, 0, -9000, 20000, 2, 1500, 3000, 6000, 1400, 1, 1)
    write('frames', 'sack', b'\5' + write_some(0, 12000) + step['turn'] + sack * 4 + step['device'] + b'\1' + sack + write_some(0, 100) + step['device'] + b'\0' + step['turn'] + s(0, 0x10, 0))
    write('frames', 'full', b'\1' + step['device'] + b'\3' + write_some(0, 9000) + step['turn'] * 3 + step['end'] + b'\0' + step['device'] + b'\4\5' + step['turn'])

    def report(kind, what, mtu=0, size=1500, back=1000, peer=0):
        return bytes([code(error)]) + struct.pack('<BBBHHH', peer, kind, what, mtu, size, back)
    for name, first, kinds in ('errors', 4, [(3, 0), (3, 1), (3, 3), (11, 0), (12, 0), (3, 4, 1400), (3, 4, 600), (3, 4, 100)]), ('errors6', 7, [
            (1, 0), (1, 4), (3, 0), (4, 1), (2, 0, 1400), (2, 0, 1280), (2, 0, 600)]):
        write('frames', name, bytes([first]) + b''.join(write_some(0, 4000) + step['turn'] + report(*k) + step['turn'] for k in kinds) + s(0, 0x10, 0))
        write('frames', name + '_late', bytes([first]) + write_some(0, 9000) + step['turn'] + report(*kinds[5]) + late + struct.pack('<H', 15) +
              report(*kinds[-1]) + s(0, 0x10, 0, ack=-4000) + step['turn'])
    knocks = bytes([code(knock)])
    for kind in (0x48, 0x78, 0x58, 0x08):
        write('frames', f'knock_{kind:x}', b'\4' + knocks + bytes([kind]) + step['turn'] + knocks + b'\x80\x20' + step['turn'] + knocks + b'\x80\x05' + step['turn'])
    calls = bytes([code(call)])
    write('frames', 'call', b'\4' + calls + b'\0' + calls + b'\x80' + calls + b'\xd0' + calls + b'\xd1' + step['turn'])
    write('frames', 'call_refused', b'\4' + calls + b'\0' + calls + b'\xd4' + calls + b'\1' + report(3, 3, peer=3, back=1) + step['turn'] + calls + b'\2' + report(3, 0, peer=3, back=1) + late + struct.pack('<H', 4000))
    for first in (0x10, 0x14):
        write('frames', f'ecn_{first:x}', bytes([first]) + opt_mark(code(opt, True), 0x30) * 2 + write_some(0, 9000) + step['turn'] + s(0, 0x50, 0) + step['turn'] +
              opt_mark(code(opt, True), 0x20) + write_some(0, 3000) + step['turn'] + s(0, 0xd0, 20) + step['turn'])
    write('frames', 'scarce', b'\x24' + s(0, 0x18, 1400) * 12 + s(1, 0x18, 1400) * 8 + step['turn'] + late + struct.pack('<H', 80) + s(1, 0x18, 1400) * 3 + s(2, 0x18, 9) + step['turn'])

    def ip4(protocol, payload, source=0x0a000002, to=0x0a000001):
        return struct.pack('>BBHHHBBHII', 0x45, 0, 20 + len(payload), 1, 0, 64, protocol, 0, source, to) + payload

    def raw(kind, payload):
        body = kind + payload
        return bytes([code(frame)]) + struct.pack('<H', 0x8000 | (12 + len(body))) + body
    v4, v6, arp = b'\x08\0', b'\x86\xdd', b'\x08\x06'
    for name, body in {
            'udp': raw(v4, ip4(17, struct.pack('>HHHH', 9, 7, 12, 0) + b'abcd')),
            'syn': raw(v4, ip4(6, struct.pack('>HHIIBBHHH', 99, 7, 1, 0, 0x80, 2, 999, 0, 0) + b'\2\4\5\xb4\1\3\3\3\1\1\4\2')),
            'ping': raw(v4, ip4(1, b'\x08\0\0\0\0\1\0\1data')),
            'frag_needed': raw(v4, ip4(1, b'\3\4\0\0\0\0\2\x40' + ip4(6, struct.pack('>HHI', 7, 20001, 1), 0x0a000001, 0x0a000002))),
            'arp': raw(arp, struct.pack('>HHBBH', 1, 0x800, 6, 4, 1) + b'\2\0\0\0\0\x09' + b'\x0a\0\0\2' + bytes(6) + b'\x0a\0\0\1' + bytes(18)),
            'fragment': raw(v4, ip4(17, bytes(16)).replace(b'\0\1\0\0\x40', b'\0\1\x20\0\x40')),
            }.items():
        write('frames', name, b'\0' + body + step['turn'] + s(0, 0x18, 10) + step['turn'])
    us, peer = bytes.fromhex('fd0000000000000000000000') + b'\x0a\0\0\1', bytes.fromhex('fd0000000000000000000000') + b'\x0a\0\0\2'

    def ip6(following, payload, to=us):
        return struct.pack('>IHBB', 6 << 28, len(payload), following, 255) + peer + to + payload
    for name, body in {
            'ping6': raw(v6, ip6(58, b'\x80\0\0\0\0\1\0\1data')),
            'ns': raw(v6, ip6(58, b'\x87\0\0\0\0\0\0\0' + us + b'\1\1\2\0\0\0\0\x09')),
            'ra': raw(v6, ip6(58, b'\x86\0\0\0\x40\0\7\x08' + bytes(8) + b'\3\4\x40\xc0' + b'\0\0\xff\xff' * 2 + bytes(4) + us)),
            'too_big': raw(v6, ip6(58, b'\2\0\0\0\0\0\5\0' + ip6(6, struct.pack('>HHI', 7, 20001, 1)))),
            'extension': raw(v6, ip6(0, b'\x3c\0\1\4\0\0\0\0' + b'\x2b\0' + bytes(6) + b'\x3a\0' + bytes(6) + b'\x80\0\0\0\0\1\0\1')),
            'udp6': raw(v6, ip6(17, struct.pack('>HHHH', 9, 7, 12, 0) + b'abcd')),
            }.items():
        write('frames', name, b'\3' + body + step['turn'] + s(0, 0x18, 10) + step['turn'])


def setup():
    """Advertisements with every option, answers of both kinds of DHCP server, neighbours."""
    def counted(data):
        return (bytes([len(data)]) if len(data) < 255 else b'\xff' + struct.pack('<H', len(data) - 255)) + data

    def icmp6(kind, data, which=0):
        return b'\0' + bytes([which, kind]) + counted(data)

    def dhcp6(kind, data, which=0x80):
        return b'\1' + bytes([which, kind]) + counted(data)

    def dhcp4(kind, data, which=0, address=b'\x0a\0\0\1'):
        return b'\2' + bytes([which]) + address + b'\x0a\0\0\2' + counted(b'\x35\1' + bytes([kind]) + data)

    def wait(n, seconds=False):
        return bytes([0x83 if seconds else 3]) + struct.pack('<H', n)
    prefix = b'\3\4\x40\xc0' + struct.pack('>III', 86400, 14400, 0) + b'\x20\1\x0d\xb8' + bytes(12)
    mtu, card = b'\5\1\0\0\0\0\5\x78', b'\1\1\2\0\0\0\0\x09'
    ra = b'\x40%c\7\x08' + bytes(8)
    lease4 = b'\x36\4\x0a\0\0\2\1\4\xff\0\0\0\3\4\x0a\0\0\x09\6\4\x0a\0\0\x03\x33\4\0\0\1\0\x3a\4\0\0\0\x80\x3b\4\0\0\0\xc0\xff'
    server = b'\0\2\0\x08\0\3\0\1\1\2\3\4'
    address = b'\0\5\0\x18\x20\1\x0d\xb8' + bytes(11) + b'\x42' + struct.pack('>II', 800, 1000)
    lease6 = b'\0\3\0\x28\0\0\0\1' + struct.pack('>II', 100, 160) + address
    refused6 = b'\0\3\0\x12\0\0\0\1' + bytes(8) + b'\0\x0d\0\2\0\2'
    write('setup', 'ra', icmp6(0, ra % 0 + prefix + mtu + card) + wait(2000) + icmp6(0, ra % 0 + prefix.replace(b'\xb8', b'\xb9')) + wait(9000, True))
    write('setup', 'ra_ends', icmp6(0, ra % 0 + prefix) + wait(2000) + icmp6(0, b'\x40' + bytes(11) + prefix[:4] + bytes(28)) + wait(9000, True))
    write('setup', 'ra_rogue', icmp6(0, ra % 0 + prefix, 1) + icmp6(0, ra % 0 + prefix, 0x12) + icmp6(0, ra % 0 + prefix, 0x21) + wait(100))
    write('setup', 'nd', icmp6(3, bytes(4) + b'\xfe\x80' + bytes(6) + b'\0\0\0\xff\xfe\0\0\1' + card) + icmp6(2, b'\x60\0\0\0\xfe\x80' + bytes(13) + b'\1\2\1\2\0\0\0\0\x09'))
    write('setup', 'duplicate', icmp6(0, ra % 0 + prefix) + icmp6(2, b'\x20\0\0\0\x20\1\x0d\xb8' + bytes(4) + b'\0\0\0\xff\xfe\0\0\1\2\1\2\0\0\0\0\x66') + wait(1500))
    write('setup', 'redirect_and_query', icmp6(4, bytes(36)) + icmp6(6, b'\x27\x10\0\0' + bytes(16) + b'\2\x7d\0\0') + wait(12000))
    write('setup', 'dhcp6', icmp6(0, ra % 0x80) + wait(3000) + dhcp6(0, server + lease6) + wait(1500) + dhcp6(1, server + lease6) + wait(110, True) + dhcp6(1, server + lease6) + wait(2000, True))
    write('setup', 'dhcp6_refused', icmp6(0, ra % 0x80) + wait(3000) + dhcp6(0, server + refused6) + wait(1500) + dhcp6(0, server + b'\0\7\0\1\xff' + lease6) + wait(200) + dhcp6(1, server + refused6) + wait(9000))
    write('setup', 'dhcp4', dhcp4(2, lease4) + wait(500) + dhcp4(5, lease4) + wait(3000) + wait(130, True) + dhcp4(5, lease4) + wait(400, True))
    write('setup', 'dhcp4_refused', dhcp4(2, lease4, 2) + wait(500) + dhcp4(6, b'\x36\4\x0a\0\0\2\xff') + wait(12000) + dhcp4(2, b'\x34\1\3' + lease4, 2) + wait(500) + dhcp4(5, lease4, 1))


def elf():
    def program(segments, entry=0x401000, kind=2, machine=62):
        head = struct.pack('<16sHHIQQQIHHHHHH', b'\x7fELF\2\1\1', kind, machine, 1, entry, 64, 0, 0, 64, 56, len(segments), 0, 0, 0)
        return head + b''.join(struct.pack('<IIQQQQQQ', *s) for s in segments) + bytes(4096 - 64 - 56 * len(segments)) + b'\xc3' * 4096
    code, data = (1, 5, 0, 0x400000, 0, 8192, 8192, 4096), (1, 6, 4096, 0x600000, 0, 100, 9000, 4096)
    write('elf', 'good', program([code, data, (0x6474e551, 6, 0, 0, 0, 0, 0, 16)]))
    write('elf', 'interpreter', program([(3, 4, 0, 0x400000, 0, 20, 20, 1), code]))
    write('elf', 'both_rights', program([(1, 7, *code[2:])]))
    write('elf', 'shared_page', program([code, (1, 6, 4096, 0x402000, 0, 100, 9000, 4096)]))
    write('elf', 'unsorted', program([data, code]))
    write('elf', 'many', program([(1, 6, 0, 0x400000 + n * 0x200000, 0, 16, 16, 4096) for n in range(9)]))
    write('elf', 'end_of_space', program([code, (1, 6, 4096, 2**64 - 4096, 0, 100, 2**63, 4096)]))
    write('elf', 'no_entry', program([code], entry=0x700000))
    write('elf', 'relocatable', program([code], kind=3))
    write('elf', 'other_machine', program([code], machine=40))


def qmp():
    hello = b'{"QMP": {"version": {"qemu": {"micro": 2, "minor": 2, "major": 9}, "package": ""}, "capabilities": []}}\r\n'
    write('qmp', 'run', b'\1' + hello + b'{"return": {}}\n{"event": "RESUME", "timestamp": {"seconds": 1, "microseconds": 2}}\n'
          b'{"event": "SHUTDOWN", "data": {"guest": true, "reason": "guest-shutdown"}}\n')
    for reason in ('guest-reset', 'guest-panic', 'host-signal'):
        write('qmp', reason, b'\xff' + hello + b'{"event": "SHUTDOWN", "data": {"reason": "%s"}}\n' % reason.encode())
    write('qmp', 'stop', b'\x40' + hello + b'{"event": "STOP"}\n{"return": {"status": "internal-error", "running": false}}\n{"event": "GUEST_PANICKED"}\n')
    write('qmp', 'odd', b'\0' + b'{"QMP": 1}\n{"event": []}\n[]\n\n{"QMP": {"version": {"qemu": {"major": 99999999999, "minor": "a"}}}}\n')
    write('qmp', 'without_end', b'\xff' + b'{' * 70000)


for make in (acpi, start_info, conf, yaml, image, pci, page, virtio, calls, frames, setup, elf, qmp):
    make()
