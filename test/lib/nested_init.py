# SPDX-License-Identifier: MIT
"""The first and only program of the machine of nested.py: mounts what a Linux has mounted, loads KVM, runs /script, says how it ended."""
import ctypes
import os
import subprocess

MODULES = ('irqbypass', 'kvm', 'kvm-amd', 'tun')
MOUNTS = (('proc', '/proc'), ('sysfs', '/sys'), ('devtmpfs', '/dev'), ('tmpfs', '/dev/shm'), ('tmpfs', '/tmp'), ('tmpfs', '/run'),
          ('debugfs', '/sys/kernel/debug'))
FINIT_MODULE = 313                  # of x86-64; glibc has no function for it
POWER_OFF = 0x4321fedc

libc = ctypes.CDLL(None, use_errno=True)


def must(result, what):
    """The machine is of no use if it fails: end with a reason on the console."""
    if result:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), what)


def load(name):
    """One module, as it lies in /modules."""
    with open(f'/modules/{name}.ko', 'rb') as f:
        must(libc.syscall(FINIT_MODULE, f.fileno(), b'', 0), name)


def run_script():
    """Its exit status, 128 more than the signal that ended it; whoever is left without a parent meanwhile is waited for."""
    script = subprocess.Popen(['/bin/sh', '/script'], stdin=subprocess.DEVNULL)
    while True:
        pid, how = os.wait()
        if pid == script.pid:
            return os.WEXITSTATUS(how) if os.WIFEXITED(how) else 128 + os.WTERMSIG(how)


def main():
    """Ends the machine whatever happens."""
    status = 125
    os.environ.update(PATH='/usr/bin', HOME='/')
    try:
        for kind, where in MOUNTS:
            os.makedirs(where, exist_ok=True)
            must(libc.mount(kind.encode(), where.encode(), kind.encode(), 0, None), where)
        for name in MODULES:
            load(name)
        os.makedirs('/dev/net', exist_ok=True)
        with open('/proc/uptime', encoding='ascii') as f:
            print(f'nested: up after {f.read().split()[0]} s', flush=True)
        status = run_script()
    except OSError as e:
        print(f'nested: {e}', flush=True)
    print(f'nested: ended with status {status}', flush=True)
    libc.reboot(POWER_OFF)


main()
