# SPDX-License-Identifier: MIT
"""A switch of the test's own: ovsdb-server and ovs-vswitchd with DPDK, as lab machines have it between guest and world, but
without huge pages and without a trace. Call lab.enter() first: everything is in that network namespace and in one folder."""
import fcntl
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time

import lab
from report import Failed, Skipped

# The package's alternatives prefer the build without DPDK.
VSWITCHD = '/usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk'
SCHEMA = '/usr/share/openvswitch/vswitch.ovsschema'
BRIDGE, UPLINK, PORT = 'br0', 'ixup0', 'vh0'
PREFIX, LOCK = 'ix-ovs.', 'lock'       # of its folder, and in it
MEMORY_MIB = 256
START_SECONDS = 30
# One PMD thread that sleeps when it finds nothing: it has to share a CPU with the guest. From OVS 3.2 on: pmd-sleep-max.
SETTINGS = {'dpdk-init': 'true', 'dpdk-lcore-mask': '0x1', 'pmd-cpu-mask': '0x1', 'pmd-maxsleep': '500',
            'per-port-memory': 'true',
            # Without --legacy-mem OVS adds --in-memory, which --no-huge does not go with.
            'dpdk-extra': f'"--no-huge --legacy-mem -m {MEMORY_MIB} --no-pci --no-telemetry"'}


def lock(folder):
    """Says that a living process uses the folder; None where one does already. Ends with the process, however that ends."""
    file = open(os.path.join(folder, LOCK), 'wb')  # pylint: disable=consider-using-with
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file


def remove_stale():
    """The folders of those that were killed; their daemons died with them."""
    for path in pathlib.Path(tempfile.gettempdir()).glob(PREFIX + '*'):
        if (path / LOCK).exists():          # else it is only just being made
            held = lock(path)
            if held:
                shutil.rmtree(path, ignore_errors=True)
                held.close()


class Switch:
    """`with Switch() as switch:`; one bridge with a port for a guest at switch.socket. The host's end of the cable to it has the
    name and address of the tap in other tests. @inside: words before a command that runs in another namespace than this process."""

    def __init__(self, settings=None, inside=(), cable=lab.TAP, address=f'{lab.HOST}/{lab.PREFIX}'):
        if not os.path.exists(VSWITCHD):
            raise Skipped(f'{VSWITCHD} is not there: ci/setup installs it')
        remove_stale()
        self.folder = tempfile.TemporaryDirectory(prefix=PREFIX)  # pylint: disable=consider-using-with
        self.lock = lock(self.folder.name)
        self.socket = os.path.join(self.folder.name, 'vh0.sock')
        self.log = os.path.join(self.folder.name, 'vswitchd.log')
        self.settings = {**SETTINGS, **(settings or {})}
        self.processes = {}
        self.inside, self.cable, self.address = list(inside), cable, address
        # DPDK puts its runtime files below RUNTIME_DIRECTORY.
        self.environ = {**os.environ, **{k: self.folder.name for k in ('OVS_RUNDIR', 'OVS_LOGDIR', 'OVS_DBDIR',
                                                                       'OVS_SYSCONFDIR', 'RUNTIME_DIRECTORY')}}

    def __enter__(self):
        try:
            self._wire()
            self._database()
            self.start()
            self.vsctl('add-br', BRIDGE, '--', 'set', 'bridge', BRIDGE, 'datapath_type=netdev')
            self.vsctl('add-port', BRIDGE, UPLINK)
            self.vsctl('add-port', BRIDGE, PORT, '--', 'set', 'Interface', PORT, 'type=dpdkvhostuserclient',
                       f'options:vhost-server-path={self.socket}')
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for process in self.processes.values():
            process.kill()
            process.wait()
        self._run('ip', 'link', 'del', self.cable, check=False)
        self.folder.cleanup()
        self.lock.close()

    def _run(self, *words, check=True):
        subprocess.run([*self.inside, *words], check=check, stdout=subprocess.DEVNULL, stderr=None if check else subprocess.DEVNULL)

    def _wire(self):
        """A cable; its host's end writes out checksums, which the switch's end would not."""
        self._run('ip', 'link', 'del', self.cable, check=False)
        self._run('ip', 'link', 'add', self.cable, 'type', 'veth', 'peer', 'name', UPLINK)
        self._run('ethtool', '-K', self.cable, 'tx', 'off')
        for name in self.cable, UPLINK:
            self._run('sysctl', '-qw', f'net.ipv6.conf.{name}.disable_ipv6=1')
            self._run('ip', 'link', 'set', name, 'up')
        self._run('ip', 'address', 'add', self.address, 'dev', self.cable)

    def _spawn(self, name, *words):
        with open(os.path.join(self.folder.name, name + '.out'), 'ab') as out:
            self.processes[name] = subprocess.Popen([*self.inside, *words], stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                                    env=self.environ, preexec_fn=lab.die_with_parent)

    def _path(self, name):
        return os.path.join(self.folder.name, name)

    def _database(self):
        subprocess.run(['ovsdb-tool', 'create', self._path('conf.db'), SCHEMA], check=True, env=self.environ)
        self._spawn('ovsdb', 'ovsdb-server', self._path('conf.db'), f'--remote=punix:{self._path("db.sock")}',
                    f'--unixctl={self._path("ovsdb.ctl")}', '-vconsole:off')
        self._await(lambda: os.path.exists(self._path('db.sock')), 'ovsdb')
        self.vsctl('--no-wait', 'init')
        self.vsctl('--no-wait', 'set', 'Open_vSwitch', '.', *(f'other_config:{k}={v}' for k, v in self.settings.items()))

    def _await(self, is_done, name):
        deadline = time.monotonic() + START_SECONDS
        while not is_done():
            if time.monotonic() > deadline or self.processes[name].poll() is not None:
                raise Failed(f'{name} does not start:\n{self.text(name)}')
            time.sleep(0.02)

    def text(self, name='vswitchd'):
        """The last lines of what a daemon said."""
        found = [self._path(f) for f in (name + '.log', name + '.out') if os.path.exists(self._path(f))]
        return '\n'.join(line for path in found for line in pathlib.Path(path).read_text(errors='replace').splitlines()[-20:])

    # ---- the daemon ----
    def start(self):
        """ovs-vswitchd, and waits until its DPDK runs."""
        control = self._path('vswitchd.ctl')
        if os.path.exists(control):
            os.unlink(control)
        self._spawn('vswitchd', VSWITCHD, f'unix:{self._path("db.sock")}', f'--unixctl={control}',
                    f'--log-file={self.log}', '-vconsole:off')
        self._await(lambda: os.path.exists(control), 'vswitchd')
        self._await(lambda: self.vsctl('--no-wait', 'get', 'Open_vSwitch', '.', 'dpdk_initialized') == 'true', 'vswitchd')

    def kill(self):
        """kill -9, as a crash: nothing is cleaned up, the guest's backend is gone."""
        self.vsctl('--no-wait', 'set', 'Open_vSwitch', '.', 'dpdk_initialized=false')
        self.processes['vswitchd'].send_signal(signal.SIGKILL)
        self.processes['vswitchd'].wait()

    # ---- what it is told and asked ----
    def vsctl(self, *words):
        """ovs-vsctl; waits until the daemon has done it unless --no-wait is among the words. Returns what it prints."""
        done = subprocess.run(['ovs-vsctl', f'--db=unix:{self._path("db.sock")}', '-t', '15', *words], env=self.environ,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode:
            raise Failed(f'ovs-vsctl {" ".join(words)}: {done.stdout.strip()}\n{self.text()}')
        return done.stdout.strip()

    def appctl(self, *words):
        """ovs-appctl to ovs-vswitchd."""
        done = subprocess.run(['ovs-appctl', '-t', self._path('vswitchd.ctl'), *words], env=self.environ, timeout=15,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        return done.stdout.strip()

    def steer(self, how):
        """How the port picks the guest's queue: `thread` (one a PMD thread) or `hash`."""
        self.vsctl('set', 'Interface', PORT, f'other_config:tx-steering={how}')

    def queue_frames(self, way):
        """Frames that each queue of the guest was given (@way tx) or gave (rx), seen from the switch, since the daemon's start."""
        # Asked by OpenFlow: the database has them five seconds later.
        done = subprocess.run(['ovs-ofctl', '-O', 'OpenFlow14', 'dump-ports', self._path(f'{BRIDGE}.mgmt'), PORT], text=True,
                              env=self.environ, stdout=subprocess.PIPE, timeout=15, check=True)
        found = {int(q): int(n) for q, n in re.findall(rf'{way}_q(\d+)_good_packets=(\d+)', done.stdout)}
        return [found[q] for q in sorted(found)]
