# SPDX-License-Identifier: MIT
"""A bad wire between the host's end and the guest's tap: test/wire, which loses, repeats, reorders, damages and delays frames by
rules and seed. Call lab.enter(address=False), then lay(); the guest keeps its tap while one wire after the other is put in."""
import json
import subprocess

import lab
from report import Failed

NEAR, FAR, BRIDGE = 'ixnear0', 'ixfar0', 'ixbr0'


def lay(inside=(), tap=lab.TAP, address=f'{lab.HOST}/{lab.PREFIX}', address6=f'{lab.HOST6}/{lab.PREFIX6}'):
    """@address and @address6, if there is one - NEAR - (the wire) - FAR - bridge - @tap. The bridge is there for what the guest's card leaves to the host: the
    kernel cuts and sums on the way to FAR, which offers nothing, so the wire carries whole frames of an MTU. @inside: words before
    a command that runs in another namespace than this process."""
    def run(*words):
        subprocess.run([*inside, *words], check=True)
    run('ip', 'address', 'flush', 'dev', tap)
    run('ip', 'link', 'add', BRIDGE, 'type', 'bridge', 'mcast_snooping', '0', 'forward_delay', '0')
    for name in (NEAR, FAR):
        run('ip', 'tuntap', 'add', name, 'mode', 'tap')
    for name in (NEAR, FAR, BRIDGE, tap):
        run('sysctl', '-qw', f'net.ipv6.conf.{name}.disable_ipv6={int(name != NEAR or not address6)}',
            f'net.ipv6.conf.{name}.accept_ra=0', f'net.ipv6.conf.{name}.router_solicitations=0')
    run('ip', 'link', 'set', BRIDGE, 'arp', 'off')      # else it answers for @address, and the guest sends past the wire
    for name in (FAR, tap):
        run('ip', 'link', 'set', name, 'master', BRIDGE)
    for name in (NEAR, FAR, BRIDGE, tap):
        run('ip', 'link', 'set', name, 'txqueuelen', '10000', 'up')
    run('ip', 'address', 'add', address, 'dev', NEAR)
    if address6:
        run('ip', 'address', 'add', address6, 'dev', NEAR, 'nodad')


class Wire:
    """`with Wire('loss=1') as wire:`; rules as in test/wire/way.h, to the guest, and from it (the same if not said)."""

    def __init__(self, to_guest='', from_guest=None, seed=1, inside=(), build=None):
        words = [*inside, str((build or lab.build_folder()) / 'test' / 'badwire'), '-s', str(seed), '-o', to_guest,
                 '-i', to_guest if from_guest is None else from_guest, NEAR, FAR]
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        preexec_fn=lab.die_with_parent)
        self.counts = None
        if self.process.stdout.readline() != 'ready\n':
            raise Failed(f'{" ".join(words)}: no wire')

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()

    def end(self):
        """Takes it out; what it did: {'out': {'frames': ...}, 'in': ...}, out is to the guest."""
        if self.counts is None:
            text, _ = self.process.communicate(timeout=10)
            self.counts = json.loads(text)
        return self.counts
