# SPDX-License-Identifier: MIT
"""The network of a test: a namespace of its own with one tap. It has no name and ends with the last process in it, so nothing
is left behind however the test ends; to look into it: nsenter -t PID -n."""
import ctypes
import fcntl
import json
import os
import pathlib
import socket
import struct
import subprocess
import sys
import time

import frame

CLONE_NEWNET = 0x40000000
PR_SET_PDEATHSIG = 1
SIGKILL = 9
HOST = '10.7.0.1'
GUEST = '10.7.0.2'
PREFIX = 24
HOST6 = 'fd07::1'
GUEST6 = 'fd07::2'
PREFIX6 = 64
TAP = 'ixtap0'
TOP = pathlib.Path(__file__).resolve().parents[2]

libc = ctypes.CDLL(None, use_errno=True)


class Family:
    """Over which of its addresses a test talks to the guest: use() says so for all that follows."""
    inet = socket.AF_INET
    guest = GUEST
    host = HOST

    @classmethod
    def use(cls, words):
        """@words: of the command line; --ip6 is IPv6."""
        if '--ip6' in words:
            cls.inet, cls.guest, cls.host = socket.AF_INET6, GUEST6, HOST6
        return cls.is_ip6()

    @classmethod
    def other(cls, number):
        """One more address on the link, 3..254."""
        return f'fd07::{number:x}' if cls.is_ip6() else f'10.7.0.{number}'

    @classmethod
    def is_ip6(cls):
        """Whether it is IPv6."""
        return cls.inet == socket.AF_INET6


def build_folder():
    """Where ixctl and the images are: IX_BUILD, else build/."""
    return pathlib.Path(os.environ.get('IX_BUILD', TOP / 'build')).resolve()


def die_with_parent():
    """For preexec_fn: the child is killed when this process ends."""
    libc.prctl(PR_SET_PDEATHSIG, SIGKILL)


def ip(*words):
    """The command ip, which must succeed."""
    subprocess.run(['ip', *words], check=True)


def enter(queues=1, address=True):
    """Moves this process into a new namespace that holds nothing but a tap, with our address unless @address is false."""
    if os.geteuid() != 0:
        sys.exit('this test makes a network namespace and must run as root: sudo ci/test')
    if libc.unshare(CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), 'unshare: no network namespace')
    ip('link', 'set', 'lo', 'up')
    make_tap(queues, address)


def delete_link(name):
    """If it is there."""
    subprocess.run(['ip', 'link', 'del', name], stderr=subprocess.DEVNULL, check=False)


def make_tap(queues, address=True):
    """The tap, instead of the one there was."""
    delete_link(TAP)
    ip('tuntap', 'add', TAP, 'mode', 'tap', *(['multi_queue'] if queues > 1 else []))
    quiet_ip6(TAP)
    if address:
        ip('address', 'add', f'{HOST}/{PREFIX}', 'dev', TAP)
    ip('link', 'set', TAP, 'txqueuelen', '10000', 'up')
    if address:
        ip('address', 'add', f'{HOST6}/{PREFIX6}', 'dev', TAP, 'nodad')


def quiet_ip6(interface):
    """The host says nothing of its own there, believes no router, and has no address that it was not given."""
    for key, value in (('addr_gen_mode', '1'), ('accept_ra', '0'), ('router_solicitations', '0')):
        pathlib.Path(f'/proc/sys/net/ipv6/conf/{interface}/{key}').write_text(value, encoding='ascii')


def tap_mac():
    """Our Ethernet address on the tap."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        answer = fcntl.ioctl(s, 0x8927, struct.pack('16s16x', TAP.encode()))  # SIOCGIFHWADDR
    return answer[18:24]


def dropped_frames():
    """How many frames to the guest the tap has thrown away."""
    text = subprocess.run(['ip', '-j', '-s', 'link', 'show', TAP], stdout=subprocess.PIPE, check=True, text=True).stdout
    return json.loads(text)[0]['stats64']['tx']['dropped']


def mac_of(address):
    """The Ethernet address of a neighbour that we have talked to."""
    text = subprocess.run(['ip', 'neighbour', 'show', address, 'dev', TAP], stdout=subprocess.PIPE, check=True, text=True).stdout
    return bytes.fromhex(text.split('lladdr ')[1].split()[0].replace(':', ''))


class Pinger:
    """Echo requests [RFC 792, RFC 4443], without the cost of a process each."""

    def __init__(self, address=None):
        self.address = address or Family.guest
        self.sequence = 0
        self.is_ip6 = ':' in self.address
        if self.is_ip6:
            self.socket = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
        else:
            self.socket = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)

    def ping(self, size=56, tries=5):
        """Whether a request, or one of those that follow it a second apart, is answered with what was in it. A single one
        may be lost where frames come faster than they can be taken."""
        return any(self._ping_once(size, 1) for _ in range(tries))

    def _ping_once(self, size, timeout):
        self.sequence = self.sequence % 65535 + 1
        data = bytes(i & 255 for i in range(size))
        head = struct.pack('!HH', os.getpid() & 0xffff, self.sequence)
        kind, answer = (128, b'\x81\0') if self.is_ip6 else (8, b'\0\0')  # the host fills in the checksum of ICMPv6
        self.socket.sendto(frame.icmp(kind, 0, head, data), (self.address, 0))
        deadline = time.monotonic() + timeout
        while True:
            self.socket.settimeout(max(0.001, deadline - time.monotonic()))
            try:
                packet = self.socket.recv(65536)
            except socket.timeout:
                return False
            message = packet if self.is_ip6 else packet[(packet[0] & 15) * 4:]
            if message[:2] == answer and message[4:8] == head:
                return message[8:] == data


def connect(port=7, timeout=20, address=None, **options):
    """A connection to the guest's service. A SYN that is dropped while the service restarts is sent again after 1 s."""
    s = socket.create_connection((address or Family.guest, port), timeout=timeout)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for name, value in options.items():
        s.setsockopt(socket.SOL_SOCKET, getattr(socket, name), value)
    return s


def receive(s, count):
    """Exactly @count bytes, or fewer at the end of the stream."""
    parts = []
    while count:
        part = s.recv(min(count, 1 << 18))
        if not part:
            break
        parts.append(part)
        count -= len(part)
    return b''.join(parts)
