# SPDX-License-Identifier: MIT
"""A machine without systemd for a test of the whole host: namespaces of its own for mounts, network, processes and IPC, in which
the product is used with its real paths. /etc and /var are the machine's until something is written there, /run, /dev/shm, logs and
what the daemons remember are empty. All of it ends with its first process, and that with the test, however the test ends."""
import ctypes
import json
import os
import pathlib
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

import lab
from report import Failed, check

CLONE_NEWNS, CLONE_NEWIPC, CLONE_NEWPID = 0x00020000, 0x08000000, 0x20000000
MS_REC, MS_PRIVATE = 0x4000, 1 << 18
EMPTY = '/var/log', '/var/lib/libvirt', '/var/lib/openvswitch', '/var/cache/libvirt'
SOCKET = '/run/ix/ixd.sock'
HOST, PREFIX = '10.77.0.1', 16
MESSAGE_BYTES = 1 << 18
NOBODY = 65534


def mount(kind, target, flags=0, data=None, source='ixlab'):
    """mount(2)."""
    if lab.libc.mount(source.encode(), str(target).encode(), kind.encode() if kind else None, flags, data.encode() if data else None):
        number = ctypes.get_errno()
        raise OSError(number, f'mount {kind} on {target}: {os.strerror(number)}')


def overlay(folder, scratch):
    """@folder is from now on a copy of itself that goes with us."""
    upper, work = (scratch / kind / folder[1:] for kind in ('upper', 'work'))
    upper.mkdir(parents=True)
    work.mkdir(parents=True)
    shutil.copystat(folder, upper)
    mount('overlay', folder, 0, f'lowerdir={folder},upperdir={upper},workdir={work}')


def furnish():
    """The file systems of the lab. Runs as its first process."""
    mount(None, '/', MS_REC | MS_PRIVATE)
    mount('proc', '/proc')
    mount('tmpfs', '/run', 0, 'mode=0755')
    scratch = pathlib.Path('/run/ixlab')
    scratch.mkdir(mode=0o700)
    for folder in '/etc', '/var':
        overlay(folder, scratch)
    for folder in EMPTY:
        os.makedirs(folder, exist_ok=True)
        mount('tmpfs', folder, 0, 'mode=0755')
    pathlib.Path('/var/lib/libvirt/qemu').mkdir()
    os.chmod('/var/lib/libvirt/qemu', 0o750)        # as Debian's package makes it
    shutil.chown('/var/lib/libvirt/qemu', 'libvirt-qemu', 'libvirt-qemu')
    for folder in '/run/lock', '/var/log/openvswitch', '/var/log/libvirt/qemu':
        os.makedirs(folder)
    shutil.rmtree('/var/lib/ix', ignore_errors=True)
    mount('tmpfs', '/dev/shm', 0, 'mode=1777')
    mount('sysfs', '/sys')
    for left in (*pathlib.Path('/etc/openvswitch').glob('*.db*'), *pathlib.Path('/etc/libvirt/qemu').glob('*.xml')):
        left.unlink()
    lab.ip('link', 'set', 'lo', 'up')


def be_first(child):
    """What the first process of a machine has to do: bury the dead, until @child is among them."""
    while True:
        pid, status = os.wait()
        if pid == child:
            os._exit(os.waitstatus_to_exitcode(status) & 0xff)


def enter():
    """Returns in the lab, in a process of its own; the one that called waits for it and ends as it ends."""
    if os.geteuid() != 0:
        sys.exit('this test makes namespaces and must run as root: sudo ci/test')
    sys.stdout.flush()
    if lab.libc.unshare(CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWPID | lab.CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), 'unshare: no namespaces')
    outside = os.pidfd_open(os.getpid())
    first = os.fork()
    if first:
        for number in signal.SIGTERM, signal.SIGINT:
            signal.signal(number, lambda *_: os.kill(first, signal.SIGKILL))
        _, status = os.waitpid(first, 0)
        os._exit(os.waitstatus_to_exitcode(status) & 0xff)
    lab.die_with_parent()
    if select.select([outside], [], [], 0)[0]:      # it ended before we could say that we want to end with it
        os._exit(1)
    furnish()
    child = os.fork()
    if child:
        be_first(child)


def wait_for(is_done, seconds, what):
    """Until is_done() says something true, which is returned."""
    deadline = time.monotonic() + seconds
    while True:
        value = is_done()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Failed(f'not within {seconds} s: {what() if callable(what) else what}')
        time.sleep(0.05)


def program(name):
    """Of this build."""
    return str(lab.build_folder() / 'bin' / name)


class Done:
    """A program that has ended: status, out and err (text)."""

    def __init__(self, words, timeout, **options):
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout, check=False, **options)
        self.words, self.status = words, done.returncode
        self.out, self.err = done.stdout.decode(errors='replace'), done.stderr.decode(errors='replace')

    def __str__(self):
        return f'{" ".join(map(str, self.words))}: status {self.status}\n{self.out}{self.err}'

    def json(self):
        """What it said, as JSON."""
        return json.loads(self.out)


def ixctl(*words, status=0, timeout=120):
    """ixctl in the lab, which must end with @status (None: any)."""
    done = Done([program('ixctl'), *map(str, words)], timeout)
    check(status is None or done.status == status, f'expected status {status}: {done}')
    return done


def ixctl_as_nobody(*words):
    """As a user who is nothing here; from a place that he can reach, which a clone in somebody's home is not."""
    copy = pathlib.Path('/run/ixlab.ixctl')
    if not copy.exists():
        shutil.copy(program('ixctl'), copy)
        copy.chmod(0o755)
    return Done([str(copy), *words], 60, user=NOBODY, group=NOBODY, extra_groups=[], cwd='/')


class Refused(Failed):
    """ixd said no; status and text are its own."""

    def __init__(self, status, text):
        super().__init__(f'{status}: {text}')
        self.status, self.text = status, text


def ask(verb, fds=(), timeout=120, **request):
    """One request to ixd, without ixctl. Returns its result, the rows before it and the descriptors that came with it."""
    rows, s = [], socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with s:
        s.settimeout(timeout)
        s.connect(SOCKET)
        socket.send_fds(s, [json.dumps({'verb': verb, **request}).encode()], list(fds))
        while True:
            text, got, _, _ = socket.recv_fds(s, MESSAGE_BYTES, 40)
            check(text, f'ixd ended before it answered {verb}')
            answer = json.loads(text)
            if 'row' in answer:
                rows.append(answer['row'])
            if 'status' in answer:
                if answer['status']:
                    raise Refused(answer['status'], answer['error'])
                return answer['result'], rows, got


def up(name, image, **guest):
    """A new guest of an image of this build."""
    with open(lab.build_folder() / image, 'rb') as file:
        return ask('up', [file.fileno()], guest={'name': name, **guest})[0]


def ps(name=None):
    """What `ps` says of all guests by name, or of @name."""
    found = {row['name']: row for row in ask('ps')[1]}
    return found if name is None else found.get(name)


def pid_of(path):
    """Of the daemon with this pid file, None if it does not run."""
    try:
        pid = int(pathlib.Path(path).read_text(encoding='ascii').split()[0])
        state = pathlib.Path(f'/proc/{pid}/stat').read_text(encoding='ascii', errors='replace').rsplit(')', 1)[1].split()[0]
        return None if state == 'Z' else pid        # dead, and not buried yet
    except (OSError, ValueError, IndexError):
        return None


class Echo(threading.Thread):
    """One connection that sends random bytes and compares what comes back, until stop()."""

    def __init__(self, address, port=7, outstanding=4096):
        super().__init__(daemon=True)
        self.socket = lab.connect(port, address=address)
        self.outstanding, self.bytes, self.longest, self.error = outstanding, 0, 0.0, ''
        self.is_over = threading.Event()
        self.start()

    def run(self):
        try:
            while not self.is_over.is_set():
                data, began = os.urandom(self.outstanding), time.monotonic()
                self.socket.sendall(data)
                if lab.receive(self.socket, len(data)) != data:
                    raise OSError('other bytes came back')
                self.bytes += len(data)
                self.longest = max(self.longest, time.monotonic() - began)
        except OSError as e:
            self.error = str(e) or type(e).__name__

    def stop(self):
        """Ends it. Returns how many bytes came back."""
        self.is_over.set()
        self.join(60)
        self.socket.close()
        check(not self.error and not self.is_alive(), f'echo: {self.error or "stalled"} after {self.bytes} bytes')
        return self.bytes


def echo(address, port=7, count=100000):
    """@count bytes there and back, compared."""
    with lab.connect(port, address=address) as s:
        data = os.urandom(count)
        sender = threading.Thread(target=s.sendall, args=(data,), daemon=True)
        sender.start()
        check(lab.receive(s, count) == data, f'{address} port {port}: other bytes came back, or too few')
        sender.join()


def set_up(*options):
    """The lab becomes a host, with an address on ix0 and ixd. Under emulation unless @options say otherwise."""
    return ixctl('host', 'setup', '--no-install', '--accel', 'tcg', *options)


def start_ixd():
    """Starts ixd, and waits until it answers."""
    with open('/var/log/ix/ixd.log', 'ab') as log:
        subprocess.Popen([program('ixd')], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)  # pylint: disable=consider-using-with
    wait_for(is_answering, 30, 'ixd answers')


def is_answering():
    """Whether ixd does."""
    try:
        return bool(ask('ping', timeout=5)[0])
    except OSError:
        return False
