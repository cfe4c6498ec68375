#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""IX under a real KVM, also where the host has none: in the machine of lib/nested.py, whose kernel has kvm_amd, `ixctl run` must find
KVM by itself, the echo service must return every byte with one core and, the kernel being the checked one, with two, and programs
of test/guest must find the same walls.

Usage: nested_kvm.py [--inside]     --inside: in that machine
"""
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'lib'))
import lab  # noqa: E402  pylint: disable=wrong-import-position
import nested  # noqa: E402  pylint: disable=wrong-import-position
from guest import Guest  # noqa: E402  pylint: disable=wrong-import-position
from load import Load  # noqa: E402  pylint: disable=wrong-import-position
from report import Report, check  # noqa: E402  pylint: disable=wrong-import-position

SECONDS = 560
CHECKED = 'test/images/echo_checked.ix'
STREAMS, BYTES = 16, 1 << 16
PROGRAMS = (('memory', 1), ('entry', 1), ('calls', 1), ('cores', 2))


def echo(image, cpus):
    """Sixteen streams of checked bytes."""
    lab.make_tap(cpus)
    with Guest(image, cpus=cpus) as guest:
        guest.wait_ready()
        check(guest.wait_line('accelerator KVM$'), f'not with KVM:\n{guest.text()}')
        with Load(STREAMS) as load:
            load.progress(BYTES, timeout=120)
            total = load.drain(timeout=120)
        check(not guest.panicked(), f'trouble in ring 0: {guest.panicked()}')
    return f'KVM found; {total >> 10} KiB over {STREAMS} connections came back as they were sent'


def hostile(program, cpus):
    """What test/guest says of one of its programs."""
    words = [sys.executable, str(lab.TOP / 'test/guest/hostile.py'), program, '--cpus', str(cpus), '--queues', str(cpus), '--seconds', '120']
    said = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=False).stdout.strip()
    failed = [line for line in said.splitlines() if line.startswith('FAIL')]
    check(not failed and 'SUMMARY' in said, '\n'.join(failed) or said)
    return said.splitlines()[-1]


def inside():
    """The tests, in the machine."""
    report = Report()
    lab.enter()
    report.run('nested.echo', echo, 'images/echo.ix', 1)
    report.run('nested.echo_checked.cpus_2', echo, CHECKED, 2)
    for program, cpus in PROGRAMS:
        report.run(f'nested.{program}.cpus_{cpus}', hostile, program, cpus)
    report.close()


def pack(build, folder):
    """What inside() needs, at the same places to each other as here."""
    image = pathlib.Path(folder, 'echo_checked.ix')
    subprocess.run([build / 'bin/ixctl', 'image', 'build', lab.TOP / 'images/echo/image.yaml', '-o', image, '--kernel',
                    build / 'test/kernel_checked.elf', '--apps', build / 'apps'], check=True, stdout=subprocess.DEVNULL)
    files = nested.Files()
    files.add('build/bin/ixctl', build / 'bin/ixctl')
    files.libraries(build / 'bin/ixctl')
    files.add('build/images/echo.ix', build / 'images/echo.ix')
    files.add(f'build/{CHECKED}', image)
    for program, _ in PROGRAMS:
        files.add(f'build/test/images/{program}.ix', build / f'test/images/{program}.ix')
    for name in ('test/lib', 'test/guest/hostile.py', 'test/system/nested_kvm.py'):
        files.add(name, lab.TOP / name)
    return files


def main():
    if '--inside' in sys.argv[1:]:
        inside()
    build = lab.build_folder()
    subprocess.run(['cmake', '--build', build, '--target', 'bench_kernel'], check=True, stdout=subprocess.DEVNULL)
    with tempfile.TemporaryDirectory(prefix='ix-nested.') as folder:
        status, _ = nested.run(build / 'bench/linux/kernel', pack(build, folder),
                               'IX_BUILD=/build IX_ACCEL=auto python3 /test/system/nested_kvm.py --inside', SECONDS,
                               on_line=lambda line: print(line, flush=True))
    sys.exit(status)


if __name__ == '__main__':
    main()
