# SPDX-License-Identifier: MIT
"""A machine of its own for a test: a folder with a minimal Debian, booted with its systemd as the first process of namespaces for
mounts, processes, network, IPC, names and control groups. It may be rebooted and switched off as any machine. The kernel is the one
that is there, so its settings are read-only but for those of the network. It ends with the test, however the test ends."""
import ctypes
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import lab
from hostlab import CLONE_NEWIPC, CLONE_NEWNS, CLONE_NEWPID, MS_PRIVATE, MS_REC, Done, mount, wait_for
from larder import PORT
from report import Skipped, check

CLONE_NEWUTS, CLONE_NEWCGROUP = 0x04000000, 0x02000000
MS_RDONLY, MS_REMOUNT, MS_BIND, MNT_DETACH = 1, 32, 4096, 2
SYS_PIVOT_ROOT = 155
NODES = 'null', 'zero', 'full', 'random', 'urandom', 'tty', 'net/tun'
LINKS = {'ptmx': 'pts/ptmx', 'fd': '/proc/self/fd', 'stdin': '/proc/self/fd/0', 'stdout': '/proc/self/fd/1', 'stderr': '/proc/self/fd/2'}
PACKAGES = 'systemd-sysv', 'dbus', 'ca-certificates'
REBOOT, OFF = 10, 11                                # how the process that stands for the machine ends
ENVIRONMENT = {'PATH': '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', 'HOME': '/root', 'LC_ALL': 'C.UTF-8', 'TERM': 'dumb'}


def install(root, mirror, lists, proxy):
    """A minimal Debian 12 in @root, by debootstrap through @proxy, an address. @lists: lines of its sources.list. Later it finds
    the proxy on its own loopback."""
    if not shutil.which('debootstrap'):
        raise Skipped('debootstrap is not there: run ci/setup')
    done = Done(['debootstrap', '--variant=minbase', f'--include={",".join(PACKAGES)}', 'bookworm', str(root), mirror], 1200,
                env={**os.environ, 'http_proxy': f'http://{proxy}'})
    check(done.status == 0, str(done)[-3000:])
    (root / 'etc/apt/sources.list').write_text(''.join(f'{line}\n' for line in lists), encoding='ascii')
    (root / 'etc/apt/apt.conf.d/00proxy').write_text(f'Acquire::http::Proxy "http://127.0.0.1:{PORT}";\n', encoding='ascii')
    (root / 'etc/machine-id').write_text('', encoding='ascii')
    (root / 'etc/hostname').write_text('ixhost\n', encoding='ascii')


# ---- the process that stands for the machine ----


def cgroup_top():
    """Where this machine has control groups, version 2; they need no controllers."""
    for line in pathlib.Path('/proc/self/mounts').read_text(encoding='utf-8').splitlines():
        _, where, kind, *_ = line.split()
        if kind == 'cgroup2':
            return pathlib.Path(where)
    raise OSError('no cgroup2 is mounted')


def furnish(root):
    """The file systems of the machine; @root becomes /."""
    mount(None, '/', MS_REC | MS_PRIVATE)
    mount(None, root, MS_BIND, source=str(root))
    mount('proc', root / 'proc')
    for path in 'proc/sys', 'proc/sys/net':          # each covers what was there
        mount(None, root / path, MS_BIND, source=str(root / path))
    mount(None, root / 'proc/sys', MS_BIND | MS_REMOUNT | MS_RDONLY)
    mount('sysfs', root / 'sys', MS_RDONLY)
    mount('cgroup2', root / 'sys/fs/cgroup')
    mount('tmpfs', root / 'dev', 0, 'mode=0755')
    for name in NODES:
        (root / 'dev' / name).parent.mkdir(exist_ok=True)
        (root / 'dev' / name).touch()
        mount(None, root / 'dev' / name, MS_BIND, source=f'/dev/{name}')
    for name, target in LINKS.items():
        (root / 'dev' / name).symlink_to(target)
    for name in 'pts', 'shm':
        (root / 'dev' / name).mkdir()
    mount('devpts', root / 'dev/pts', 0, 'newinstance,ptmxmode=0666,mode=0620,gid=5')
    mount('tmpfs', root / 'run', 0, 'mode=0755')
    lab.ip('link', 'set', 'lo', 'up')
    os.chdir(root)
    pathlib.Path('.old').mkdir(exist_ok=True)
    if lab.libc.syscall(SYS_PIVOT_ROOT, b'.', b'.old') or lab.libc.umount2(b'/.old', MNT_DETACH):
        raise OSError(ctypes.get_errno(), 'pivot_root')
    os.chdir('/')
    os.rmdir('/.old')


def remove_group(group):
    """With those below it, when all that were in it have ended."""
    for folder, _, _ in os.walk(group, topdown=False):
        for _ in range(50):
            try:
                os.rmdir(folder)
                break
            except OSError:
                time.sleep(0.1)


def unshare(flags):
    """unshare(2)."""
    if lab.libc.unshare(flags):
        raise OSError(ctypes.get_errno(), 'unshare: no namespaces')


def stand_for(root):
    """Boots @root; returns when it has been switched off or wants to begin again."""
    lab.die_with_parent()
    top = cgroup_top()
    group = top / f'ix-machine-{os.getpid()}'
    group.mkdir()
    (group / 'cgroup.procs').write_text('0', encoding='ascii')
    unshare(CLONE_NEWIPC | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWCGROUP | lab.CLONE_NEWNET)
    first = os.fork()
    if not first:
        lab.die_with_parent()
        unshare(CLONE_NEWNS)                         # here: another / would be ours, too
        furnish(root)
        os.execve('/lib/systemd/systemd', ['systemd', '--system', '--log-target=console', '--show-status=0'],
                  {'container': 'ix', **ENVIRONMENT})
    (top / 'cgroup.procs').write_text('0', encoding='ascii')
    print(first, flush=True)
    _, status = os.waitpid(first, 0)
    remove_group(group)
    # The kernel tells so of a first process in a namespace of its own [reboot(2)].
    return {signal.SIGHUP: REBOOT, signal.SIGINT: OFF}.get(os.WTERMSIG(status), 1) if os.WIFSIGNALED(status) else 1


# ---- the test's side ----


class Machine:
    """What is in folder @root, switched on by boot()."""

    def __init__(self, root):
        self.root, self.first, self.process, self.log = root, 0, None, root.with_suffix('.console')

    def boot(self):
        """Until systemd has started all that it starts."""
        with open(self.log, 'ab') as log:
            self.process = subprocess.Popen([sys.executable, __file__, str(self.root)], stdin=subprocess.DEVNULL,  # pylint: disable=consider-using-with
                                            stdout=subprocess.PIPE, stderr=log, preexec_fn=lab.die_with_parent, text=True)
        self.first = int(self.process.stdout.readline() or 0)
        check(self.first, 'the machine does not begin: ' + self.console())
        wait_for(lambda: self.state() in ('running', 'degraded'), 180, lambda: f'booted, but {self.state()}: {self.console()}')

    def console(self):
        """The last of what it said."""
        return self.log.read_text(encoding='utf-8', errors='replace')[-2000:]

    def state(self):
        """As systemd sees the whole."""
        return self.run('systemctl', 'is-system-running', status=None).out.strip()

    def words(self):
        """What makes a command line one of the machine's."""
        return ['nsenter', '-t', str(self.first), '-m', '-p', '-i', '-u', '-n', '-C', '-r', f'--wd={self.root}', '--']

    def run(self, *words, status=0, timeout=120):
        """A program in it, which must end with @status (None: any)."""
        done = Done([*self.words(), *map(str, words)], timeout, env=ENVIRONMENT)
        check(status is None or done.status == status, f'expected status {status}: {done}')
        return done

    def wait_end(self, how):
        """After it was told to end."""
        got = self.process.wait(120)
        self.process.stdout.close()
        self.process = None
        check(got == how, f'the machine ended with {got}: {self.console()}')

    def end(self):
        """The plug is pulled."""
        if self.process:
            os.kill(self.first, signal.SIGKILL)
            self.process.wait(60)
            self.process.stdout.close()
            self.process = None


if __name__ == '__main__':
    sys.exit(stand_for(pathlib.Path(sys.argv[1])))
