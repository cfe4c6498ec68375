# SPDX-License-Identifier: MIT
"""A Linux machine that has KVM, on a host that has none: QEMU's TCG emulates an AMD processor with SVM, in it runs Debian's kernel with
kvm_amd, and in that a shell script of the caller's, with this host's own QEMU, Python and what else is packed. What guests of that
KVM do and count is real; what they take is not.

    files = nested.Files()
    files.program('ixctl', build / 'bin/ixctl')       # with its libraries, on PATH
    files.add('echo.ix', build / 'images/echo.ix')
    status, text = nested.run(kernel, files, 'ixctl run /echo.ix --accel kvm', seconds=60)
"""
import importlib.util
import os
import pathlib
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import threading

import cpio
import lab
from report import Failed

MEMORY_MIB = 1536
CPUS = 2
MACHINE = 'q35,usb=off,sata=off,smbus=off,vmport=off,graphics=off,i8042=off'
# Without what TCG lacks and would warn about; UMIP came with the next generation.
PROCESSOR = 'EPYC,+svm,+umip,-fxsr-opt,-misalignsse,-osvw,-topoext,-nrip-save,-xsavec'
COMMAND_LINE = 'console=ttyS0 quiet panic=-1 mitigations=off tsc=reliable'
ENDED = re.compile(r'nested: ended with status (-?\d+)')
LIBRARY = re.compile(r'(/\S+) \(0x')
# Of the standard library, what no test imports.
UNUSED = {'__pycache__', 'config', 'curses', 'dbm', 'distutils', 'ensurepip', 'idlelib', 'lib2to3', 'pydoc_data', 'site-packages',
          'dist-packages', 'sqlite3', 'test', 'tkinter', 'turtledemo', 'unittest', 'venv', 'wsgiref', 'xmlrpc', 'tests'}
FIRMWARE = ('qboot.rom', 'bios-256k.bin', 'kvmvapic.bin', 'linuxboot_dma.bin', 'pvh.bin')
FIRMWARE_FOLDERS = ('/usr/share/qemu', '/usr/share/seabios', '/usr/lib/qemu')


class Files:
    """What is in the machine's file system: sh, Python with its library, QEMU, ip, and what is added."""

    def __init__(self):
        self.files, self.links = {}, {}
        self.program('qemu-system-x86_64')
        self.program('ip')
        self.program('sh')
        for tool in ('cat', 'dmesg', 'grep', 'head', 'ls', 'mkdir', 'sleep', 'tail'):
            self.program(tool)
        self.links['bin'] = 'usr/bin'
        for name in FIRMWARE:
            found = next((p for p in (os.path.join(f, name) for f in FIRMWARE_FOLDERS) if os.path.exists(p)), None)
            if found:
                self.add(f'usr/share/qemu/{name}', found)
        self._python()
        self.add('init.py', pathlib.Path(__file__).with_name('nested_init.py'))

    def add(self, name, path):
        """@path of this host as /@name; a folder with all that is in it."""
        name, path = str(name).lstrip('/'), pathlib.Path(path)
        if path.is_dir():
            for inside in sorted(path.iterdir()):
                if inside.name != '__pycache__':
                    self.add(f'{name}/{inside.name}', inside)
        else:
            self.files[name] = path

    def text(self, name, text):
        """@text as /@name."""
        self.files[name.lstrip('/')] = text.encode()

    def program(self, name, path=None):
        """A program of this host as /usr/bin/@name, with the libraries it is linked to, where it looks for them."""
        path = path or shutil.which(name)
        if not path:
            raise Failed(f'{name} is not on PATH: run ci/setup as root')
        self.files[f'usr/bin/{name}'] = path
        self.libraries(path)

    def libraries(self, path):
        """Of a program or another library."""
        said = subprocess.run(['ldd', path], capture_output=True, text=True, check=False).stdout
        for library in LIBRARY.findall(said):
            self.files[library.lstrip('/')] = library

    def _python(self):
        """This interpreter, at its own place, so that it finds its library; of that the compiled files, where there are some."""
        interpreter = os.path.realpath(sys.executable)
        self.files[interpreter.lstrip('/')] = interpreter
        self.libraries(interpreter)
        self.links['usr/bin/python3'] = interpreter
        self.links['init'] = 'usr/bin/python3'
        top = pathlib.Path(sysconfig.get_path('stdlib'))
        for folder, inside, names in os.walk(top):
            inside[:] = [d for d in inside if d not in UNUSED and not d.startswith('config-')]
            for name in names:
                path = pathlib.Path(folder, name)
                if path.suffix == '.py':
                    compiled = pathlib.Path(importlib.util.cache_from_source(path))
                    path, target = (compiled, path.with_suffix('.pyc')) if compiled.exists() else (path, path)
                    self.files[str(target).lstrip('/')] = path
                elif path.suffix == '.so':
                    self.files[str(path).lstrip('/')] = path
                    self.libraries(path)


def run(kernel, files, script, seconds, on_line=None):
    """Boots the machine with @kernel, a folder as bench/linux/fetch-kernel fills it, runs @script by sh and ends it after at most
    @seconds. on_line(text) is called with each line of the console as it comes. Return: the script's exit status, what it
    wrote; Failed if it did not come to its end."""
    kernel = pathlib.Path(kernel)
    for module in sorted((kernel / 'modules').glob('*.ko')):
        files.add(f'modules/{module.name}', module)
    files.text('script', script)
    qemu = shutil.which('qemu-system-x86_64')
    with tempfile.TemporaryDirectory(prefix='ix-nested.') as folder:
        initrd = os.path.join(folder, 'initrd')
        cpio.write(initrd, files.files, files.links)
        argv = [qemu, '-machine', MACHINE, '-accel', 'tcg,thread=multi', '-cpu', PROCESSOR, '-smp', str(CPUS), '-m', f'{MEMORY_MIB}M',
                '-nodefaults', '-no-user-config', '-bios', 'qboot.rom', '-no-reboot', '-display', 'none', '-serial', 'stdio',
                '-kernel', str(kernel / 'vmlinuz'), '-initrd', initrd, '-append', f'{COMMAND_LINE} rdinit=/init -- /init.py']
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                   preexec_fn=lab.die_with_parent)
        alarm = threading.Timer(seconds, process.kill)
        alarm.start()
        try:
            return _listen(process, on_line, seconds)
        finally:
            alarm.cancel()
            process.kill()
            process.wait()


def _listen(process, on_line, seconds):
    lines = []
    for raw in process.stdout:
        line = raw.decode(errors='replace').rstrip('\r\n')
        ended = ENDED.search(line)
        if ended:
            return int(ended[1]), '\n'.join(lines)
        lines.append(line)
        if on_line:
            on_line(line)
    tail = '\n'.join(lines[-30:])
    raise Failed(f'the machine did not come to the end of its script within {seconds} s; its console:\n{tail}')
