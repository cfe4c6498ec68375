# SPDX-License-Identifier: MIT
"""Rows {work, params, peer, metric, value, unit}, the head that says where they are from, and tables for people."""
import json
import os
import platform
import re
import statistics
import subprocess
import time

from driver.guest import Failure
from driver.wire import ovs


class Results:
    def __init__(self, work):
        self.work, self.rows, self.where = work, [], {}

    def of(self, **params):
        """Those rows alone that have these parameters or say nothing of them."""
        part = Results(self.work)
        part.rows = [r for r in self.rows if all(r['params'].get(k, v) == v for k, v in params.items())]
        return part

    def add(self, peer, metric, value, unit, **params):
        """A row; self.where are parameters of all rows from now on."""
        self.rows.append({'work': self.work, 'params': {**params, **self.where}, 'peer': peer, 'metric': metric, 'value': value,
                          'unit': unit})

    def values(self, peer, metric, **params):
        return [r['value'] for r in self.rows if r['peer'] == peer and r['metric'] == metric
                and all(r['params'].get(k) == v for k, v in params.items())]

    def median(self, peer, metric, **params):
        found = self.values(peer, metric, **params)
        return statistics.median(found) if found else None


def write(path, head, rows):
    """A row a line, so that two runs can be compared by line."""
    with open(path + '.new', 'w', encoding='utf-8') as f:
        f.write('{"head": ' + json.dumps(head, indent=1) + ',\n"rows": [\n' + ',\n'.join(json.dumps(r) for r in rows) + '\n]}\n')
    os.replace(path + '.new', path)


def read(path):
    """Head and rows of such a file. Failure says what is wrong with it."""
    try:
        with open(path, encoding='utf-8') as f:
            both = json.load(f)
        rows = both['rows']
        if not all(isinstance(r['value'], (int, float)) and isinstance(r['params'], dict) and r['work'] and r['metric'] and r['peer']
                   for r in rows):
            raise ValueError('a row lacks its value')
    except (OSError, ValueError, KeyError, TypeError) as e:
        raise Failure(f'{path} is not what bench/run --json writes: {e}') from e
    return both['head'], rows


def said_by(*words):
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ''


def first_line(path, pattern):
    with open(path, encoding='utf-8', errors='replace') as f:
        found = re.search(pattern, f.read(), re.M)
    return found.group(1) if found else ''


def head(root, bench, is_quick):
    commit = said_by('git', '-C', root, 'rev-parse', 'HEAD')
    if commit and said_by('git', '-C', root, 'status', '--porcelain', '--untracked-files=no'):
        commit += '+changes'
    qemu = re.search(r'version (\S+)', said_by(bench.qemu, '--version'))
    image = os.path.join(bench.build, 'images', 'echo.ix')
    return {'project': 'ix', 'commit': commit, 'utc': time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime()),
            'machine': {'processor': first_line('/proc/cpuinfo', r'^model name\s*: (.*)$'), 'cpus': os.cpu_count(),
                        'memory_kib': int(first_line('/proc/meminfo', r'^MemTotal:\s*(\d+)')),
                        'kernel': platform.release()},
            'qemu': qemu.group(1) if qemu else '', 'accelerator': 'tcg', 'cpu_model': 'max', 'firmware': 'qboot',
            'pinned_to_cpu': bench.cpu, 'is_quick': is_quick,
            'linux': first_line(bench.part('linux', 'kernel', 'version'), r'^(.*)$'),
            'image_bytes': os.path.getsize(image) if os.path.exists(image) else None, **versions(root, bench)}


def versions(root, bench):
    """What the guests and the switch are made of; '' of what is not there."""
    with open(os.path.join(root, 'ci', 'sources.lock'), encoding='utf-8') as f:
        sources = {words[1]: words[2] for words in map(str.split, f) if len(words) > 2 and words[0] != '#'}
    cache = os.path.join(bench.build, 'CMakeCache.txt')
    compiler = first_line(cache, r'^CMAKE_C_COMPILER:\w+=(.*)$')
    switch = said_by(ovs.VSWITCHD, '--version') if os.path.exists(ovs.VSWITCHD) else ''
    return {'lwip': sources.get('lwip', ''), 'musl': sources.get('musl', ''),
            'compiler': (said_by(compiler, '--version') if compiler else '').partition('\n')[0],
            'ovs': ''.join(re.findall(r'^ovs-vswitchd.* (\S+)$', switch, re.M)), 'dpdk': ''.join(re.findall(r'^DPDK (\S+)$', switch, re.M))}


def shown(value, digits=0):
    return '-' if value is None else f'{value:,.{digits}f}'


def ratio(a, b, digits=1):
    return '-' if not a or b is None else f'{b / a:.{digits}f}'


def print_table(title, columns, rows):
    """Columns but the first are set flush right."""
    cells = [columns] + rows
    width = [max(len(r[i]) for r in cells) for i in range(len(columns))]
    print(f'\n{title}')
    for n, r in enumerate(cells):
        print('  ' + '  '.join(c.ljust(width[i]) if i == 0 else c.rjust(width[i]) for i, c in enumerate(r)).rstrip())
        if n == 0:
            print('  ' + '  '.join('-' * w for w in width))
