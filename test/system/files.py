#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Files and secrets of a run: what the application reads of them (test/guest/files.c), that it cannot write them, that too many
are refused by ixctl and too large ones by the guest, in one clear line."""
import os
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'lib'))
import lab
from report import Report, check

IMAGE = lab.build_folder() / 'test' / 'images' / 'files.ix'
BIG_BYTES = 10000
FAULT, GOOD, USAGE = 101, 42, 64


def run(folder, *words, more=()):
    """ixctl run. Returns status and all that was said."""
    files = [f'--file=empty={folder}/empty', f'--file={folder}/one', f'--file=big={folder}/big', f'--secret=key={folder}/key', *more]
    done = subprocess.run([lab.build_folder() / 'bin' / 'ixctl', 'run', IMAGE, *files, *words], stdin=subprocess.DEVNULL,
                          capture_output=True, timeout=90, check=False)
    return done.returncode, (done.stdout + done.stderr).decode(errors='replace')


def expect(status, text, result):
    """@result of run()."""
    check(result[0] == status and text in result[1], f'expected status {status} and "{text}", got {result[0]}:\n{result[1]}')


def test_refused(folder):
    """Each in one line, before QEMU starts or before the application does."""
    expect(USAGE, 'at most 12 files', run(folder, more=[f'--file=f{i}={folder}/one' for i in range(9)]))
    expect(USAGE, 'said twice', run(folder, more=[f'--secret=one={folder}/one']))
    expect(USAGE, 'No such file', run(folder, more=['--file=x=/nowhere']))
    expect(USAGE, 'regular file', run(folder, more=[f'--file=x={folder}']))
    expect(USAGE, 'letters, digits', run(folder, more=[f'--file=a,b={folder}/one']))
    expect(USAGE, 'needs at least', run(folder, more=[f'--file=huge{i}={folder}/huge' for i in (1, 2)]))


def test_twelve(folder):
    """As many as there may be all arrive."""
    expect(GOOD, 'files: 0 failures', run(folder, more=[f'--file=f{i}={folder}/one' for i in range(8)]))


def main():
    """All of it."""
    report = Report()
    with tempfile.TemporaryDirectory(prefix='ix-files-') as name:
        folder = pathlib.Path(name)
        (folder / 'empty').touch()
        (folder / 'one').write_bytes(b'1')
        (folder / 'big').write_bytes(bytes((i * 7 + i // 256) & 255 for i in range(BIG_BYTES)))
        (folder / 'key').write_bytes(b'first line\nsecond')
        with open(folder / 'huge', 'wb') as file:
            os.truncate(file.fileno(), 64 << 20)
        report.run('read', lambda: expect(GOOD, 'files: 0 failures', run(folder)))
        report.run('write', lambda: expect(FAULT, 'page fault', run(folder, '--', 'write')))
        report.run('twelve', test_twelve, folder)
        report.run('refused', test_refused, folder)
    report.close()


if __name__ == '__main__':
    main()
