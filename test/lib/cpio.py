# SPDX-License-Identifier: MIT
"""Writes newc cpio archives that Linux unpacks as its first file system, byte for byte the same from the same files."""
import os
import stat

CONSOLE = (5, 1)
PARENTS_OF_ROOT = ('', '/')


def entry(number, name, mode, data=b'', device=(0, 0)):
    """One member: the header's 13 fields in hexadecimal, name and data each padded to four bytes."""
    fields = [number, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(name) + 1, 0]
    head = b'070701' + b''.join(b'%08x' % f for f in fields) + name.encode() + b'\0'
    return head + b'\0' * (-len(head) % 4) + data + b'\0' * (-len(data) % 4)


def folders_of(names):
    """Every folder above @names, parents first."""
    found = {'dev'}
    for name in names:
        while (name := os.path.dirname(name)) not in PARENTS_OF_ROOT:
            found.add(name)
    return sorted(found)


def write(out, files, links=None):
    """An archive of a console device, @files {name in the guest, without a leading slash: path here or bytes} and @links
    {name: what it points to}. Files may be executed."""
    links = links or {}
    with open(out, 'wb') as f:
        number = 0

        def add(*member):
            nonlocal number
            number += 1
            f.write(entry(number, *member))
        for name in folders_of([*files, *links]):
            add(name, stat.S_IFDIR | 0o755)
        add('dev/console', stat.S_IFCHR | 0o600, b'', CONSOLE)
        for name, source in sorted(files.items()):
            if not isinstance(source, bytes):
                with open(source, 'rb') as of:
                    source = of.read()
            add(name, stat.S_IFREG | 0o755, source)
        for name, target in sorted(links.items()):
            add(name, stat.S_IFLNK | 0o777, target.encode())
        add('TRAILER!!!', 0)
