# SPDX-License-Identifier: MIT
"""A network namespace with a tap, or with a switch that has a vhost-user port: what a guest and the client talk over. Nothing
leaves it; nothing of it stays."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), '..', '..', 'test', 'lib'))
import lab  # noqa: E402  pylint: disable=wrong-import-position
import ovs  # noqa: E402  pylint: disable=wrong-import-position
from report import Failed, Skipped  # noqa: E402  pylint: disable=wrong-import-position

TAP = 'tap0'
HOST, GUEST, PREFIX = '10.77.0.1', '10.77.0.2', 24
SOURCES, SOURCES_PREFIX, SOURCES_COUNT = '10.77.0.128', 25, 64     # more addresses of the host, for many connections
MAC = '52:54:00:77:00:02'
# Many short-lived connections from one address, and nothing remembered from one guest to the next.
SYSCTLS = {'net.ipv4.ip_local_port_range': '1024 65535', 'net.ipv4.tcp_tw_reuse': '1',
           'net.ipv4.tcp_no_metrics_save': '1', 'net.ipv4.tcp_max_tw_buckets': '20000',
           'net.ipv6.conf.all.disable_ipv6': '1'}


class Wire:
    """`with TapWire(cpu) as wire:`; a command prefixed with wire.inside runs in the namespace, where the client has the interface
    TAP whatever it leads to. @cpu: the host CPU that guest and client share. wire.backend is what rows say of it. @number: of
    several at a time."""
    backend = ''
    words = ''                      # more of the IX guest's command line, as on this back end in production
    card = ''                       # more properties of the network card

    def __init__(self, cpu, number=0):
        self.name, self.cpu, self.queues = f'ix-bench-{os.getpid()}{f"-{number}" if number else ""}', cpu, 0
        self.inside = ['ip', 'netns', 'exec', self.name]

    def __enter__(self):
        run(['ip', 'netns', 'add', self.name])
        try:
            self.ip('link', 'set', 'lo', 'up')
            self.ip('route', 'add', 'local', f'{SOURCES}/{SOURCES_PREFIX}', 'dev', 'lo')
            for key, value in SYSCTLS.items():
                run(self.inside + ['sysctl', '-qw', f'{key}={value}'])
            self.ready(1)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        subprocess.run(['ip', 'netns', 'del', self.name], check=False)

    def ready(self, queues):
        """For a guest with so many queue pairs: the guest's end is laid anew if it is not."""
        if queues != self.queues:
            self.queues = 0
            self.lay(queues)
            self.address()
            self.queues = queues

    def lay(self, queues):
        """The guest's end, instead of the one there was."""
        raise NotImplementedError

    def netdev(self, queues, memory_mib):
        """Arguments of QEMU: network device net0."""
        raise NotImplementedError

    def machine(self):
        """More of QEMU's machine."""
        return ''

    def address(self):
        """The host's end of the cable is there: address and neighbour."""
        self.ip('addr', 'replace', f'{HOST}/{PREFIX}', 'dev', TAP)
        self.ip('link', 'set', TAP, 'up', 'txqueuelen', '2000')
        # The guest's hardware address is known, so that a lost ARP request never adds a second to a boot.
        self.ip('neigh', 'replace', GUEST, 'lladdr', MAC, 'dev', TAP, 'nud', 'permanent')

    def ip(self, *words):
        run(['ip', '-n', self.name, *words])


class TapWire(Wire):
    """One tap: checksums and TSO by the host, batches by the turns that guest and client take."""
    backend = 'tap'

    def lay(self, queues):
        subprocess.run(['ip', '-n', self.name, 'link', 'del', TAP], stderr=subprocess.DEVNULL, check=False)
        self.ip('tuntap', 'add', TAP, 'mode', 'tap', *(['multi_queue'] if queues > 1 else []))

    def netdev(self, queues, memory_mib):
        return ['-netdev', f'tap,id=net0,ifname={TAP},script=no,downscript=no,vhost=off' + some(queues)]


class SwitchWire(Wire):
    """A port of OVS-DPDK that polls without sleeping, on another host CPU than the guest if there is one: no checksums, no TSO."""
    backend = 'ovs'
    words = 'poll_us=50'            # the guest does not sleep at once either: its default with KVM
    card = ',tx_queue_size=1024'    # as ixctl has it

    def __init__(self, cpu):
        super().__init__(cpu)
        self.switch = None

    def __exit__(self, *_):
        self.end()
        super().__exit__()

    def end(self):
        """The switch, if it runs."""
        if self.switch:
            self.switch.__exit__()
            self.switch = None

    def lay(self, queues):
        # A switch a number of queues: a port has what its first guest had.
        self.end()
        try:
            switch = ovs.Switch(self.settings(), self.inside, TAP, f'{HOST}/{PREFIX}')
            self.switch = switch.__enter__()
            self.switch.steer('hash')
        except (Failed, Skipped, subprocess.CalledProcessError) as e:
            raise RuntimeError(f'OVS-DPDK: {e}') from e

    def settings(self):
        """Of the switch."""
        others = [cpu for cpu in sorted(os.sched_getaffinity(0)) if cpu != self.cpu]
        mask = hex(1 << (others or [self.cpu])[0])
        return {'pmd-maxsleep': '0' if others else '500', 'pmd-cpu-mask': mask, 'dpdk-lcore-mask': mask}

    def machine(self):
        return ',memory-backend=mem'

    def netdev(self, queues, memory_mib):
        return ['-object', f'memory-backend-memfd,id=mem,size={memory_mib}M,share=on',
                '-chardev', f'socket,id=vhost0,path={self.switch.socket},server=on',
                '-netdev', 'vhost-user,id=net0,chardev=vhost0' + some(queues)]


WIRES = {wire.backend: wire for wire in (TapWire, SwitchWire)}


def some(queues):
    return f',queues={queues}' if queues > 1 else ''


def run(words):
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f'{" ".join(words)}: {done.stderr.strip() or f"status {done.returncode}"}')
    return done.stdout
