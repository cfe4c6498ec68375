# SPDX-License-Identifier: MIT
"""A network namespace with one tap: what a guest and the client talk over. Nothing leaves it; nothing of it stays."""
import os
import subprocess

TAP = 'tap0'
HOST, GUEST, PREFIX = '10.77.0.1', '10.77.0.2', 24
SOURCES, SOURCES_PREFIX, SOURCES_COUNT = '10.77.0.128', 25, 64     # more addresses of the host, for many connections
MAC = '52:54:00:77:00:02'
# Many short-lived connections from one address, and nothing remembered from one guest to the next.
SYSCTLS = {'net.ipv4.ip_local_port_range': '1024 65535', 'net.ipv4.tcp_tw_reuse': '1',
           'net.ipv4.tcp_no_metrics_save': '1', 'net.ipv4.tcp_max_tw_buckets': '20000',
           'net.ipv6.conf.all.disable_ipv6': '1'}


class Wire:
    """`with Wire() as wire:`; a command prefixed with wire.inside runs in the namespace."""

    def __init__(self):
        self.name = f'ix-bench-{os.getpid()}'
        self.inside = ['ip', 'netns', 'exec', self.name]

    def __enter__(self):
        run(['ip', 'netns', 'add', self.name])
        try:
            self.ip('tuntap', 'add', TAP, 'mode', 'tap')
            self.ip('addr', 'add', f'{HOST}/{PREFIX}', 'dev', TAP)
            self.ip('link', 'set', 'lo', 'up')
            self.ip('link', 'set', TAP, 'up', 'txqueuelen', '2000')
            self.ip('route', 'add', 'local', f'{SOURCES}/{SOURCES_PREFIX}', 'dev', 'lo')
            # The guest's hardware address is known, so that a lost ARP request never adds a second to a boot.
            self.ip('neigh', 'replace', GUEST, 'lladdr', MAC, 'dev', TAP, 'nud', 'permanent')
            for key, value in SYSCTLS.items():
                run(self.inside + ['sysctl', '-qw', f'{key}={value}'])
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        subprocess.run(['ip', 'netns', 'del', self.name], check=False)

    def tap(self, queues=1):
        """The tap, instead of the one there was."""
        subprocess.run(['ip', '-n', self.name, 'link', 'del', TAP], stderr=subprocess.DEVNULL, check=False)
        self.ip('tuntap', 'add', TAP, 'mode', 'tap', *(['multi_queue'] if queues > 1 else []))
        self.address()

    def address(self):
        """The host's end of the cable is there: address and neighbour."""
        self.ip('addr', 'replace', f'{HOST}/{PREFIX}', 'dev', TAP)
        self.ip('link', 'set', TAP, 'up', 'txqueuelen', '2000')
        # The guest's hardware address is known, so that a lost ARP request never adds a second to a boot.
        self.ip('neigh', 'replace', GUEST, 'lladdr', MAC, 'dev', TAP, 'nud', 'permanent')

    def ip(self, *words):
        run(['ip', '-n', self.name, *words])


def run(words):
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f'{" ".join(words)}: {done.stderr.strip() or f"status {done.returncode}"}')
    return done.stdout
