# SPDX-License-Identifier: MIT
"""Which files belong to the project, and how a check reports: shared by the check-* scripts of this folder."""
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
C_FILES = ('.c', '.h', '.S')


def files(root, *under, ext=None):
    """Paths from `root` of the project's own files, tracked or not yet, without what .gitignore names."""
    try:
        git = subprocess.run(['git', '-C', root, 'ls-files', '-z', '--cached', '--others',
                              '--exclude-standard', '--', *under], capture_output=True, check=True)
        found = {p for p in os.fsdecode(git.stdout).split('\0') if p}
    except (OSError, subprocess.CalledProcessError):    # an exported tree, or a machine without git
        found = set()
        for folder, inside, names in os.walk(root):
            inside[:] = [d for d in inside if not d.startswith('build') and d != '.git']
            rel = os.path.relpath(folder, root)
            found |= {os.path.normpath(os.path.join(rel, n)) for n in names}
        if under:
            found = {p for p in found if any(p == u or p.startswith(u.rstrip('/') + '/') for u in under)}
    return sorted(p for p in found
                  if (ext is None or p.endswith(ext)) and os.path.isfile(os.path.join(root, p)))


def text(root, path):
    with open(os.path.join(root, path), encoding='utf-8', errors='replace') as f:
        return f.read()


def table(root, path, fields):
    """Rows of a `word... reason` list: [(line number, [fields])]; the last field is the reason and takes the rest."""
    rows = []
    for n, line in enumerate(text(root, path).splitlines(), 1):
        if not line.strip() or line.startswith('#'):
            continue
        row = line.split(None, fields - 1)
        if len(row) != fields:
            sys.exit(f'{path}:{n}: expected {fields} fields, the last one a reason')
        rows.append((n, row))
    return rows


def close(name, findings, summary):
    """Prints the findings and ends the program: 0 when there are none."""
    for f in findings:
        print(f)
    print(f'{name}: {summary}, {len(findings)} finding{"" if len(findings) == 1 else "s"}')
    sys.exit(1 if findings else 0)
