# SPDX-License-Identifier: MIT
"""Instructions per request of each function, kernel and application together, from the symbols of both ELF files."""
import os
import subprocess
import time

from driver.guest import Failure, IxGuest

WARM_S, WINDOW_S = 1.0, 3.0


def symbols(bench, path):
    with open(path, 'w', encoding='utf-8') as out:
        for elf in (os.path.join(bench.build, 'kernel.elf'), os.path.join(bench.build, 'apps', 'echo')):
            done = subprocess.run(['nm', '--defined-only', elf], stdout=out, stderr=subprocess.PIPE, text=True,
                                  check=False)
            if done.returncode:
                raise Failure(f'nm: {done.stderr.strip()}')


def write(bench, path, connections, message_bytes, guest_has=None, **how):
    """@guest_has: more arguments of IxGuest(); @how: more arguments of Guest.load()."""
    table = bench.file('symbols')
    symbols(bench, table)
    with IxGuest(bench, plugin=[f'symbols={table}'], **(guest_has or {})) as guest:
        guest.pin()
        time.sleep(0.5)
        got = guest.load(connections, message_bytes, WARM_S, WINDOW_S, **how)
    functions = got['counted']['functions']
    each = sorted(((n / got['requests'], name) for name, n in functions.items() if n), reverse=True)
    with open(path, 'w', encoding='utf-8') as f:
        f.write(f'{sum(v for v, _ in each):.1f} instructions per {message_bytes} B request, {connections} conns\n')
        for value, name in each:
            f.write(f'{value:10.2f}  {name}\n')
