#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""ixctl against every mistake a person can make: one clear line, the right exit status, nothing left behind.

The guests are a few bytes long (elf_fixture.py), so this needs QEMU but neither kernel nor libix.
Usage: ixctl.py IXCTL
"""
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import elf_fixture as fixture
from fake_qemu import GREETS, STUCK, fake_qemu

USAGE, DATA, MACHINE, INTERRUPTED = 64, 65, 103, 130
MANIFEST = 'name: toy\napp: ./app\nports: [7/tcp]\n'
READY = fixture.say('booted\r\nready toy 7/tcp\r\n')


class Wrong(Exception):
    """What was seen instead."""


class Lab:
    """A folder of its own with kernels, a program and a manifest; ixctl is run in it."""

    def __init__(self, ixctl):
        self.ixctl = os.path.realpath(ixctl)
        self.folder = tempfile.mkdtemp(prefix='ix-ixctl-')
        self.put('app', fixture.program())
        self.put('kernel.elf', fixture.kernel(READY + fixture.finish(0)))
        self.put('toy/image.yaml', MANIFEST)
        self.put('toy/app', fixture.program())

    def path(self, name):
        return os.path.join(self.folder, name)

    def put(self, name, content):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), 'wb') as f:
            f.write(content.encode() if isinstance(content, str) else content)
        return name

    def run(self, *words, env=None, seconds=30):
        """(status, stdout, stderr)"""
        done = subprocess.run([self.ixctl, *words], cwd=self.folder, env={**os.environ, **(env or {})}, text=True,
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds, check=False)
        return done.returncode, done.stdout, done.stderr

    def build(self, manifest=MANIFEST, kernel='kernel.elf', output='toy.ix'):
        self.put('toy/image.yaml', manifest)
        return self.run('image', 'build', 'toy', '--kernel', kernel, '-o', output)

    def image(self, name, code):
        """An image whose kernel is just `code`."""
        self.put(name + '.elf', fixture.kernel(code))
        status, _, said = self.build(kernel=name + '.elf', output=name + '.ix')
        if status:
            raise Wrong(said)
        return name + '.ix'


def expect(result, status, pattern, lines=1):
    """One line that matches, and the status."""
    got, out, said = result
    if got != status:
        raise Wrong(f'status {got}, expected {status}: {out}{said}')
    last = said.strip().splitlines()[-lines:]
    if not re.search(pattern, '\n'.join(last)):
        raise Wrong(f'expected /{pattern}/, got: {said.strip()}')
    if lines == 1 and status in (USAGE, DATA) and len(said.strip().splitlines()) != 1:
        raise Wrong(f'expected one line, got: {said}')


# ---- bad words on the command line: (words, status, what the line says) ----
WORDS = [
    ([], USAGE, r'run, image, host, up, ps or help'),
    (['rnu'], USAGE, r'unknown command rnu, did you mean run\?'),
    (['frobnicate'], USAGE, r'unknown command frobnicate'),
    (['image'], USAGE, r'new, build or inspect'),
    (['image', 'biuld'], USAGE, r'did you mean build\?'),
    (['image', 'build'], USAGE, r'expected one folder'),
    (['image', 'build', 'toy', 'toy'], USAGE, r'expected one folder.*got 2'),
    (['image', 'build', 'toy', '--ouptut', 'x'], USAGE, r'did you mean --output\?'),
    (['image', 'build', 'nosuch'], DATA, r'nosuch: no such folder'),
    (['image', 'build', '.'], DATA, r'no image\.yaml in this folder .*image new'),
    (['image', 'build', 'toy', '--kernel', 'nosuch'], DATA, r'nosuch: no kernel here.*--kernel'),
    (['image', 'build', 'toy', '--kernel', 'app'], DATA, r'app: .*without a PVH note'),
    (['image', 'inspect', 'nosuch.ix'], DATA, r'nosuch\.ix: No such file'),
    (['image', 'inspect', 'toy'], DATA, r'expected a file, got a folder'),
    (['image', 'inspect', 'toy/image.yaml'], DATA, r'got something that is no ELF file'),
    (['image', 'inspect', 'kernel.elf'], DATA, r'got a kernel without an application.*image build'),
    (['image', 'new', 'Bad Name'], USAGE, r'expected a name'),
    (['image', 'new', 'toy'], USAGE, r'cannot make the folder toy: File exists'),
    (['run'], USAGE, r'expected one image or folder'),
    (['run', 'nosuch.ix'], DATA, r'nosuch\.ix: No such file'),
    (['run', 'kernel.elf'], DATA, r'got a kernel without an application'),
    (['run', 'toy.ix', '--memroy', '64'], USAGE, r'unknown option --memroy, did you mean --memory\?'),
    (['run', 'toy.ix', '-x'], USAGE, r'unknown option -x'),
    (['run', 'toy.ix', '-p'], USAGE, r'-p: a value is missing'),
    (['run', 'toy.ix', '--json=1'], USAGE, r'--json takes no value'),
    (['run', 'toy.ix', '-p', '7'], USAGE, r'-p: expected \[ADDRESS:\]HOSTPORT:GUESTPORT.*got 7'),
    (['run', 'toy.ix', '-p', '70000:7'], USAGE, r'-p: expected'),
    (['run', 'toy.ix', '-p', '1:2/sctp'], USAGE, r'-p: expected'),
    (['run', 'toy.ix', '-p', 'nohost:1:2'], USAGE, r'-p: expected'),
    (['run', 'toy.ix', '-p', '198.51.100.1:7007:7'], USAGE, r'cannot listen on 198\.51\.100\.1:7007'),
    (['run', 'toy.ix', '-p', '17:7', '-p', '17:8'], USAGE, r'host port 17 is given twice'),
    (['run', 'toy.ix', '--cpus', '0'], USAGE, r'--cpus: expected a number 1\.\.64, got 0'),
    (['run', 'toy.ix', '--cpus', '2'], USAGE, r'--cpus: toy takes 1\.\.1 .*got 2'),
    (['run', 'toy.ix', '--memory', 'lots'], USAGE, r'--memory: expected a number'),
    (['run', 'toy.ix', '--memory', '64', '--set', 'heap_mib=64'], USAGE, r'at least \d+ MiB .*heap 64'),
    (['run', 'toy.ix', '--net', 'bridge'], USAGE, r'--net: expected user, tap='),
    (['run', 'toy.ix', '--net', 'tap='], USAGE, r'--net: expected'),
    (['run', 'toy.ix', '--net', 'tap=ix-none0'], USAGE, r'no such interface: ip tuntap add'),
    (['run', 'toy.ix', '--net', 'tap=lo'], USAGE, r'expected a tap interface, got another kind|in use'),
    (['run', 'toy.ix', '--net', 'tap=lo', '-p', '1:2'], USAGE, r'-p works with --net user only'),
    (['run', 'toy.ix', '--net', 'vhost-user=toy.ix'], USAGE, r'toy\.ix is no socket'),
    (['run', 'toy.ix', '--address', '10.1.1.1/24'], USAGE, r'--net user gives the guest 10\.0\.2\.15'),
    (['run', 'toy.ix', '--set', 'pol_us=1'], USAGE, r'pol_us: unknown field, did you mean poll_us\?'),
    (['run', 'toy.ix', '--set', 'batch=65'], USAGE, r'batch: expected a number 1\.\.64, got 65'),
    (['run', 'toy.ix', '--set', 'name=x'], USAGE, r'name: cannot be changed when it runs'),
    (['run', 'toy.ix', '--set', 'batch'], USAGE, r'expected KEY=VALUE'),
    (['run', 'toy.ix', '--accel', 'fast'], USAGE, r'--accel: expected auto, kvm or tcg'),
    (['run', 'toy.ix', '--', 'x' * 5000], USAGE, r'bytes together, at most 4095 fit'),
    (['run', 'toy.ix', '--', *['x'] * 33], USAGE, r'at most 32 arguments'),
    (['help', 'nosuch'], USAGE, r'unknown command nosuch'),
]

# ---- bad manifests: (text, line, field and words) ----
MANIFESTS = [
    ('', 1, r'manifest: expected fields, got an empty file'),
    ('[1, 2]', 1, r'manifest: expected fields.*got a list'),
    ('name: toy\n', 1, r'app: expected this field, got none'),
    ('app: ./app\n', 1, r'name: expected this field, got none'),
    ('name: toy\n\tapp: x\n', 2, r'manifest: expected YAML'),
    ('name: [unclosed\n', None, r'manifest: expected YAML'),
    ('name: Toy\napp: x\n', 1, r'name: expected a name of a-z.*got Toy'),
    (MANIFEST + 'memry_mib: 9\n', 4, r'memry_mib: unknown field, did you mean memory_mib\?'),
    (MANIFEST + 'net:\n  zzzzzzzz: 9\n', 5, r'net\.zzzzzzzz: unknown field, known here are net\.dhcp'),
    (MANIFEST + 'net.mtu: 900\n', 4, r'net\.mtu: unknown field'),
    (MANIFEST + 'memory_mib: lots\n', 4, r'memory_mib: expected a number 64\.\.1048576, got lots'),
    (MANIFEST + 'memory_mib: -1\n', 4, r'memory_mib: expected a number'),
    (MANIFEST + 'memory_mib: 0x80\n', 4, r'memory_mib: expected a number'),
    (MANIFEST + 'memory_mib: 99999999999999999999\n', 4, r'memory_mib: expected a number'),
    (MANIFEST + 'memory_mib:\n', 4, r'memory_mib: expected a number.*got nothing'),
    (MANIFEST + 'memory_mib: [1]\n', 4, r'memory_mib: expected a number.*got a list'),
    (MANIFEST + 'memory_mib: 128\nmemory_mib: 128\n', 5, r'memory_mib: expected once, but line 4'),
    (MANIFEST + 'memory_mib: 64\nheap_mib: 200\n', 4,
     r'memory_mib: expected at least \d+, got 64: image \d+ \+ rx_buffers \d+ .* heap 200 .* = \d+ MiB'),
    (MANIFEST + 'rx_buffers: 1000\n', 4, r'rx_buffers: expected a number 1024\.\..*multiple of 1024'),
    (MANIFEST + 'cores: 2\n', 4, r'cores: expected a mapping, got 2'),
    (MANIFEST + 'cores: {min: 2, max: 1}\n', 4, r'cores\.max: expected a number 2\.\.64'),
    (MANIFEST + 'cores: {min: 65}\n', 4, r'cores\.min: expected a number 1\.\.64, got 65'),
    (MANIFEST + 'watchdog_ms: 5\n', 4, r'watchdog_ms: expected a number 10\.\.600000, or 0, got 5'),
    (MANIFEST + 'poll_us: soon\n', 4, r'poll_us: expected .* or auto, got soon'),
    (MANIFEST + 'restart: {on_fault: maybe}\n', 4, r'restart\.on_fault: expected true or false'),
    (MANIFEST + 'args: hello\n', 4, r'args: expected a list of texts, got hello'),
    (MANIFEST + 'args: [[1]]\n', 4, r'args: expected a text'),
    (MANIFEST + f'args: [{"a, " * 33}]\n', 4, r'args: expected at most 32'),
    (MANIFEST + 'env: [A]\n', 4, r'env: expected a mapping'),
    (MANIFEST + 'env: {A=B: c}\n', 4, r"env: expected a name without '='"),
    (MANIFEST + 'env:\n  A: b\n  A: c\n', 6, r'env: expected each name once'),
    (MANIFEST + 'files: [nosuch]\n', 4, r'files: expected a file, got this: toy/nosuch: No such file'),
    (MANIFEST + 'files: [../app]\n', 4, r"files: expected a path in the image without '\.'"),
    (MANIFEST + 'files: [{from: app, to: /a/../b}]\n', 4, r'files: expected a path in the image'),
    (MANIFEST + 'files: [{form: app}]\n', 4, r'files: expected only the keys from and to'),
    (MANIFEST + 'net: {address: 10.0.0.1}\n', 4, r'net\.address: expected a host address with its prefix'),
    (MANIFEST + 'net: {address: 10.0.0.0/24}\n', 4, r'net\.address: expected a host address'),
    (MANIFEST + 'net: {address: 10.0.0.2/24, dhcp: true}\n', 4, r'net\.dhcp: expected either'),
    (MANIFEST + 'net: {dhcp: false}\n', 4, r'net\.dhcp: expected net\.address'),
    (MANIFEST + 'net: {gateway: 10.0.0.1}\n', 4, r'net\.gateway: expected only beside net\.address'),
    (MANIFEST + 'net: {address: 10.0.0.2/24, gateway: 10.0.1.1}\n', 4, r'net\.gateway: .*got 10\.0\.1\.1'),
    ('name: toy\napp: ./app\nports: [tcp/7]\n', 3, r'ports: expected PORT/tcp or PORT/udp.*got tcp/7'),
    ('name: toy\napp: ./app\nports: [7/tcp, 0/udp]\n', 3, r'ports: expected PORT/tcp'),
    ('name: toy\napp: ./app\nports: [7/tcp, 7/tcp]\n', 3, r'ports: expected each port once'),
    ('name: toy\napp: ./app\nports: [{port: 7/tcp, rto_floor_ms: 4}]\n', 3, r'ports: expected rto_floor_ms: a number 5\.\.1000, got 4'),
    ('name: toy\napp: ./app\nports: [{port: 7/udp, backlog: 4}]\n', 3, r'ports: expected backlog only of a TCP port'),
    ('name: toy\napp: ./app\nports: [{port: 7/tcp, baklog: 4}]\n', 3, r'ports: expected one of rto_floor_ms backlog'),
    ('name: toy\napp: ./app\nports: [{backlog: 4}]\n', 3, r'ports: expected port: PORT/tcp among'),
    ('name: toy\napp: ./app\nports: [{port: 7/tcp, port: 8/tcp}]\n', 3, r'ports: expected PORT/tcp or PORT/udp once'),
    ('name: toy\napp: ./app\nports: [{port: 7/tcp, backlog: 4}, 7/tcp]\n', 3, r'ports: expected each port once'),
    ('name: toy\napp: nosuch\n', 2, r'app: expected a program, got no file .*apps/nosuch'),
    ('name: &a [*a]\napp: x\n', 1, r'name: expected a name'),
]

# ---- programs that the kernel would refuse ----
PROGRAMS = [
    (b'#!/bin/sh\n', r'got something that is no ELF file'),
    (fixture.program()[:100], r'got a damaged one'),
    (fixture.program()[:5000], r'got a damaged one'),
    (fixture.program(kind=3), r'position-independent'),
    (fixture.program(kind=1), r'an object file'),
    (fixture.program(machine=183), r'another machine'),
    (fixture.program(extra=[(fixture.PT_INTERP, 4, 0, 0, b'/lib64/ld.so\0', 13)]), r'dynamically linked'),
    (fixture.program(flags=(7, 6)), r'is writable and executable'),
    (fixture.program(flags=(4, 6)), r'entry 0x400000 is not in an executable segment'),
    (fixture.program(gap=0x1000), r'shares a 2 MiB page'),
    (fixture.program(gap=1 << 41), r'outside the partition'),
    (fixture.program(gap=0), r'overlaps another'),
]


def test_words(lab):
    expect(lab.build(), 0, '', 0)
    for words, status, pattern in WORDS:
        try:
            expect(lab.run(*words, env={'IXCTL_QEMU': '/bin/true'}), status, pattern)
        except Wrong as wrong:
            raise Wrong(f'{" ".join(words)[:80]}: {wrong}') from None


def test_new(lab):
    """A folder to start from, wherever it is made: named by its last part, and good as it stands."""
    os.makedirs(lab.path('some where'))
    for folder, name in ('fresh', 'fresh'), ('some where/under', 'under'), (lab.path('x' * 60), 'x' * 60):
        expect(lab.run('image', 'new', folder), 0, '', 0)
        with open(lab.path(folder + '/image.yaml'), encoding='utf-8') as f:
            text = f.read()
        if f'\nname: {name}\n' not in text or 'ports: [7/tcp]' not in text:
            raise Wrong(text[:300])
        shutil.copy(lab.path('app'), lab.path(folder + '/echo'))
        expect(lab.run('image', 'build', folder, '--kernel', 'kernel.elf', '-o', 'fresh.ix'), 0, '', 0)
        expect(lab.run('image', 'new', folder), USAGE, r'cannot make the folder .*File exists')
    for folder in 'Upper', 'a b', 'some where/', 'x' * 64:
        expect(lab.run('image', 'new', folder), USAGE, r"expected a name of a-z, 0-9, '-', '_' and '\.'")


def test_manifests(lab):
    os.path.exists(lab.path('out.ix')) and os.unlink(lab.path('out.ix'))
    for text, line, pattern in MANIFESTS:
        where = r'toy/image\.yaml:' + (str(line) if line else r'\d+') + ': '
        try:
            expect(lab.build(text, output='out.ix'), DATA, where + pattern)
        except Wrong as wrong:
            raise Wrong(f'{text!r}: {wrong}') from None
    left = [n for n in os.listdir(lab.folder) if n.startswith('out.ix')]
    if left:
        raise Wrong(f'left behind: {left}')


def test_programs(lab):
    for content, pattern in PROGRAMS:
        lab.put('toy/app', content)
        expect(lab.build(output='out.ix'), DATA, r'toy/\./app: .*' + pattern)
    lab.put('toy/app', fixture.program())


def test_reproducible(lab):
    images = []
    for folder in 'one', 'two':
        lab.put(f'{folder}/app', fixture.program())
        lab.put(f'{folder}/image.yaml', MANIFEST + 'args: [a, "b c"]\nfiles: [image.yaml]\n')
        expect(lab.run('image', 'build', folder, '--kernel', 'kernel.elf', '-o', folder + '.ix'), 0, '', 0)
        with open(lab.path(folder + '.ix'), 'rb') as f:
            images.append(f.read())
        time.sleep(0.01)
    if images[0] != images[1]:
        raise Wrong('the same inputs gave different bytes')


def test_inspect(lab):
    expect(lab.build(MANIFEST + 'net: {address: 10.9.0.2/24, gateway: 10.9.0.1}\n'), 0, '', 0)
    status, out, said = lab.run('image', 'inspect', 'toy.ix', '--json')
    seen = json.loads(out)
    if status or seen['manifest']['net']['address'] != '10.9.0.2/24' or seen['manifest']['ports'] != ['7/tcp']:
        raise Wrong(out + said)
    if seen['connection_bytes'] is not None:
        raise Wrong(f'a kernel without TCP/IP has connections of {seen["connection_bytes"]} bytes')
    with open(lab.path('toy.ix'), 'rb') as f:
        good = f.read()
    for at in range(0x2000, len(good), 997):        # behind the kernel every byte is under a sha256, or padding
        lab.put('bad.ix', good[:at] + bytes([good[at] ^ 1]) + good[at + 1:])
        status, _, said = lab.run('image', 'inspect', 'bad.ix')
        if status not in (0, DATA) or (status == 0 and good[at] != 0):
            raise Wrong(f'byte {at} changed: status {status} {said}')
    for size in 0, 63, 64, 500, 4096, 5000, len(good) - 1:
        lab.put('bad.ix', good[:size])
        expect(lab.run('image', 'inspect', 'bad.ix'), DATA, r'bad\.ix: ')
    lab.put('old.elf', fixture.kernel(READY, version=7))
    expect(lab.run('image', 'inspect', 'old.elf'), DATA, r'image version 7, this ixctl knows version 6: build it again')
    lab.put('foreign.elf', fixture.kernel(READY, ix=False))
    expect(lab.run('run', 'foreign.elf'), DATA, r'expected an IX kernel or image')


def test_new(lab):
    expect(lab.run('image', 'new', 'fresh'), 0, '', 0)
    lab.put('fresh/echo', fixture.program())
    expect(lab.run('image', 'build', 'fresh', '--kernel', 'kernel.elf'), 0, '', 0)
    if not os.path.exists(lab.path('fresh.ix')):
        raise Wrong('image build did not write fresh.ix into the current folder')


def test_endings(lab):
    cases = [(READY + fixture.finish(n), n, None) for n in (0, 1, 7, 100)]
    cases += [(fixture.finish(101), 101, r'application faulted'), (fixture.finish(102), 102, r'kernel panicked'),
              (fixture.finish(104), 104, r'watchdog_ms'), (fixture.finish(90 + 30), MACHINE, r'does not know'),
              (fixture.TRIPLE_FAULT, 102, r'triple fault'), (fixture.PANIC, 102, r'kernel panicked')]
    for code, status, pattern in cases:
        result = lab.run('run', lab.image('end', code))
        expect(result, status, pattern or r'ready after', 1 if pattern else 3)


def test_output(lab):
    image = lab.image('out', fixture.say('one\r\nready x\ntwo \x1b[31m\xff') + fixture.finish(3))
    status, out, _ = lab.run('run', image)
    if status != 3 or not out.startswith('one\n') or '\nready x\n' not in out:
        raise Wrong(f'{status} {out!r}')
    status, out, _ = lab.run('run', image, '--json', '-p', '0:7', '-p', '0:7/udp')
    events = [json.loads(line) for line in out.splitlines()]
    if [e['event'] for e in events] != ['start', 'console', 'ready', 'console', 'exit']:
        raise Wrong(out)
    if events[0]['forwards'][1]['host_port'] == 0 or events[-1]['status'] != 3 or events[-1]['how'] != 'app':
        raise Wrong(out)


def test_port_in_use(lab):
    image = lab.image('hang', READY + fixture.HALT)
    for kind, suffix in (socket.SOCK_STREAM, ''), (socket.SOCK_DGRAM, '/udp'):
        with socket.socket(socket.AF_INET, kind) as s:
            s.bind(('127.0.0.1', 0))
            if kind == socket.SOCK_STREAM:
                s.listen()
            port = s.getsockname()[1]
            expect(lab.run('run', image, '-p', f'{port}:7{suffix}'), USAGE, rf'port {port}/.* is in use .*choose another')


def children_of(pid):
    with open(f'/proc/{pid}/task/{pid}/children', encoding='ascii') as f:
        return [int(p) for p in f.read().split()]


def wait_gone(pid, seconds=5):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not os.path.exists(f'/proc/{pid}'):
            return
        time.sleep(0.02)
    raise Wrong(f'QEMU {pid} is still there')


def test_stop(lab):
    image = lab.image('hang', READY + fixture.HALT)
    for how, status in (signal.SIGINT, INTERRUPTED), (signal.SIGTERM, INTERRUPTED), (signal.SIGKILL, -signal.SIGKILL):
        with subprocess.Popen([lab.ixctl, 'run', image], cwd=lab.folder, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True) as process:
            line = ' '
            while line and 'ready' not in line:
                line = process.stdout.readline()
            qemu = children_of(process.pid)
            process.send_signal(how)
            try:
                process.wait(10)
            finally:
                process.kill()
            if process.returncode != status or len(qemu) != 1:
                raise Wrong(f'{how.name}: status {process.returncode}, expected {status}; children {qemu}')
        wait_gone(qemu[0])


def test_stop_unstarted(lab):
    """QEMU waits for the switch and would not listen to us."""
    image = lab.image('hang', READY + fixture.HALT)
    with subprocess.Popen([lab.ixctl, 'run', image, '--net', 'vhost-user=switch.sock'], cwd=lab.folder,
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        line = process.stderr.readline()
        while line and 'QEMU waiting for connection' not in line:
            line = process.stderr.readline()
        process.send_signal(signal.SIGINT)
        try:
            process.wait(10)
        finally:
            process.kill()
    if process.returncode != INTERRUPTED or os.path.exists(lab.path('switch.sock')):
        raise Wrong(f'status {process.returncode}, files {os.listdir(lab.folder)}')


def test_nobody_reads(lab):
    image = lab.image('hang', READY * 20 + fixture.say('more\n') * 20 + fixture.HALT)
    read, write = os.pipe()
    os.close(read)
    with subprocess.Popen([lab.ixctl, 'run', image], cwd=lab.folder, stdout=write, stderr=subprocess.DEVNULL) as process:
        os.close(write)
        try:
            process.wait(10)
        finally:
            process.kill()
    if process.returncode != INTERRUPTED:
        raise Wrong(f'status {process.returncode}')


def test_gdb(lab):
    image = lab.image('end', READY + fixture.finish(0))
    runtime = lab.path('runtime')
    os.makedirs(runtime, exist_ok=True)
    with subprocess.Popen([lab.ixctl, 'run', image, '--gdb', '--json'], cwd=lab.folder, stdout=subprocess.PIPE, text=True,
                          stderr=subprocess.DEVNULL, env={**os.environ, 'XDG_RUNTIME_DIR': runtime}) as process:
        try:
            start = json.loads(process.stdout.readline())
            subprocess.run(['gdb', '-batch', '-nx', '-ex', 'set architecture i386:x86-64', '-ex',
                            f'target remote {start["gdb"]}', '-ex', 'continue'], capture_output=True, timeout=20,
                           check=False)
            process.wait(10)
        finally:
            process.kill()
    if process.returncode != 0 or os.listdir(runtime):
        raise Wrong(f'status {process.returncode}, left behind: {os.listdir(runtime)}')


def test_kvm_gives_up(lab):
    image = lab.image('end', READY + fixture.finish(0))
    stuck = fake_qemu(lab, 'stuck', STUCK)
    expect(lab.run('run', image, '--accel', 'tcg', env={**stuck, 'FAKE_ALWAYS': '1'}), MACHINE,
           r'cannot run this guest; --accel tcg can: KVM internal error')
    if os.access('/dev/kvm', os.R_OK | os.W_OK):
        expect(lab.run('run', image, '--accel', 'kvm', env=stuck), MACHINE, r'cannot run this guest; --accel tcg can')
        done = lab.run('run', image, env=stuck)
        expect(done, 0, r'accelerator TCG: KVM cannot run this guest', 5)


def test_qemu(lab):
    expect(lab.build(), 0, '', 0)
    expect(lab.run('run', 'toy.ix', env={'PATH': lab.folder}), MACHINE, r'not on PATH: run `ci/setup`')
    expect(lab.run('run', 'toy.ix', env={'IXCTL_QEMU': '/nosuch'}), MACHINE, r'IXCTL_QEMU: /nosuch: No such file')
    refuses = fake_qemu(lab, 'refuses', '#!/bin/sh\n[ "$1" != --version ] || { echo QEMU emulator version 7.2.0; exit; }\n'
                        'echo "qemu-system-x86_64: unsupported machine property" >&2; exit 1\n')
    expect(lab.run('run', 'toy.ix', env=refuses), MACHINE, r'QEMU 7\.2\.0 .* is too old, at least 9\.2 .*ci/setup')
    expect(lab.run('run', 'toy.ix', env=fake_qemu(lab, 'greets', GREETS)), MACHINE, r'QEMU 7\.2\.0 .* is too old')
    fails = fake_qemu(lab, 'fails', '#!/bin/sh\n[ "$1" != --version ] || { echo QEMU emulator version 10.0.2; exit; }\n'
                      'echo "qemu-system-x86_64: cannot set up guest memory" >&2; exit 1\n')
    expect(lab.run('run', 'toy.ix', env=fails), MACHINE, r'QEMU did not start: cannot set up guest memory')
    dies = fake_qemu(lab, 'dies', '#!/bin/sh\nkill -ABRT $$\n')
    expect(lab.run('run', 'toy.ix', env=dies), MACHINE, r'killed by signal 6')
    expect(lab.run('run', 'toy.ix', '--qemu-arg', '-nonsense'), MACHINE, r'QEMU did not start: .*-nonsense')
    if not os.path.exists('/dev/kvm'):
        expect(lab.run('run', 'toy.ix', '--accel', 'kvm'), USAGE, r'there is no /dev/kvm; use --accel tcg')


def test_tap(lab):
    if os.geteuid() != 0 or not shutil.which('ip'):
        raise Wrong('this test makes a network namespace: run it as root, with iproute2')
    space = f'ix-ctl{os.getpid()}'
    image = lab.image('end', READY + fixture.finish(0))
    enter = ['ip', 'netns', 'exec', space]
    subprocess.run(['ip', 'netns', 'add', space], check=True)
    try:
        for name, more in ('one0', []), ('many0', ['multi_queue']):
            subprocess.run([*enter, 'ip', 'tuntap', 'add', name, 'mode', 'tap', *more], check=True)
            done = subprocess.run([*enter, lab.ixctl, 'run', lab.path(image), '--net', f'tap={name}', '--address',
                                   '10.9.0.2/24'], capture_output=True, text=True, timeout=30, check=False)
            if done.returncode or f'{name} is down' not in done.stderr:
                raise Wrong(f'{name}: {done.returncode} {done.stderr}')
        with open('/dev/net/tun', 'r+b', buffering=0):
            pass
    finally:
        subprocess.run(['ip', 'netns', 'del', space], check=False)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    tests = [(name[5:], run) for name, run in globals().items() if name.startswith('test_')]
    passed = failed = 0
    lab = Lab(sys.argv[1])
    try:
        for name, run in tests:
            try:
                run(lab)
                passed += 1
                print(f'PASS {name}', flush=True)
            except (Wrong, subprocess.SubprocessError, OSError, ValueError, KeyError, IndexError) as wrong:
                failed += 1
                print(f'FAIL {name}: {wrong}', flush=True)
    finally:
        shutil.rmtree(lab.folder)
    print(f'SUMMARY {passed} passed, {failed} failed, 0 skipped')
    sys.exit(1 if failed else 0)


main()
