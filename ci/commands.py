# SPDX-License-Identifier: MIT
"""How the build compiles each file: compile_commands.json read for the checks that need the flags of a file."""
import json
import os
import shlex
import sys
import tree

DROP_WITH_VALUE = {'-o', '-MF', '-MT', '-MQ'}
DROP = {'-c', '-MD', '-MMD'}


def load(build):
    """{path from the root: [compiler and flags, without input and output]} of the project's own files."""
    name = os.path.join(build, 'compile_commands.json')
    if not os.path.exists(name):
        sys.exit(f'{name} is missing: configure the build first (ci/test does)')
    with open(name, encoding='utf-8') as f:
        entries = json.load(f)
    found = {}
    for e in entries:
        path = os.path.relpath(os.path.join(e['directory'], e['file']), tree.ROOT)
        if path.startswith('..') or os.path.realpath(os.path.join(tree.ROOT, path)).startswith(os.path.realpath(build) + '/'):
            continue
        words = e.get('arguments') or shlex.split(e['command'])
        flags, skip = [], False
        for w in words:
            if skip:
                skip = False
            elif w in DROP_WITH_VALUE:
                skip = True
            elif w not in DROP and os.path.join(e['directory'], w) != os.path.join(e['directory'], e['file']):
                flags.append(w)
        found.setdefault(path, flags)
    return found


def nearest(table, path):
    """The different flags of the files whose folder lies closest to that of `path`."""
    def closeness(other):
        a, b = path.split('/')[:-1], other.split('/')[:-1]
        return len(os.path.commonprefix([a, b])), -len(b)
    best = max(map(closeness, table), default=None)
    found = []
    for other in sorted(table):
        if closeness(other) == best and table[other] not in found:
            found.append(table[other])
    return found
