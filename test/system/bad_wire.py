#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""TCP over a wire that loses, repeats, reorders and damages frames: connections to images/echo are opened, stream verified bytes
both ways at once and are closed, Linux being the other side. A wrong byte, a reset, or a connection that stands still ends it.

Usage: bad_wire.py [--matrix | RULE SEED...]
"""
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'lib'))
import badwire  # noqa: E402  pylint: disable=wrong-import-position
import lab  # noqa: E402  pylint: disable=wrong-import-position
from guest import Guest  # noqa: E402  pylint: disable=wrong-import-position
from load import Load  # noqa: E402  pylint: disable=wrong-import-position
from report import Report, check  # noqa: E402  pylint: disable=wrong-import-position

CONNECTIONS = 8
KIB = 1024
OUTSTANDING = 128 * KIB                 # of a connection: as much as its window
STUCK_S = 90                            # several retransmissions of the same segment lost, one after the other
ORDINARY = {'loss_1': 'loss=1,duplicate=0.5,reorder=1,corrupt=0.2', 'loss_5': 'loss=5'}
LOSSES = ('0.1', '1', '5', '10')
MORE = {'': '', '_duplicates': ',duplicate=2', '_reordered': ',reorder=5', '_damaged': ',corrupt=1',
        '_all': ',duplicate=2,reorder=5,corrupt=1', '_late': ',delay=10,reorder=2,hold=10'}
BOTH_FAMILIES = ('loss_1', '_all')      # names of rules that are tried over IPv6 too
HARM = {'loss': 'lost', 'duplicate': 'duplicated', 'reorder': 'reordered', 'corrupt': 'corrupted'}


def test_rule(guest, rule, seed, bytes_each, address=lab.GUEST):
    """One wire, from the first SYN to the last FIN."""
    started = time.monotonic()
    with badwire.Wire(rule, seed=seed) as wire:
        with Load(CONNECTIONS, address, outstanding=OUTSTANDING) as load:
            load.progress(bytes_each, STUCK_S)
            total = load.drain(STUCK_S)
        seconds = time.monotonic() - started
        counts = wire.end()
    for way in counts.values():
        check(way['bytes'] > total, f'{total} bytes came, but not over the wire: {counts}')
        check(way['overflowed'] == 0 and way['refused'] == 0, f'the wire lost frames that no rule did: {counts}')
        for word in rule.split(','):
            harm = HARM.get(word.split('=')[0])
            check(not harm or way[harm] > 0, f'the wire did no harm of the kind {harm}: {counts}')
    check(not guest.panicked(), guest.text()[-2000:])
    harms = ', '.join(f'{counts["out"][h]}/{counts["in"][h]} {h}' for h in HARM.values() if counts['out'][h])
    return (f'{total >> 10} KiB verified in {seconds:.1f} s; of {counts["out"]["frames"]} frames to and '
            f'{counts["in"]["frames"]} from the guest {harms}')


def main():
    report = Report()
    lab.enter(address=False)
    badwire.lay()
    rules = [(name, rule, 1, 256 * KIB) for name, rule in ORDINARY.items()]
    if sys.argv[1:] == ['--matrix']:
        rules = [(f'loss_{loss}{name}', f'loss={loss}{more}', seed, 1024 * KIB)
                 for loss in LOSSES for name, more in MORE.items() for seed in (1, 2)]
    elif sys.argv[1:]:
        rules = [(f'seed_{seed}', sys.argv[1], int(seed), 1024 * KIB) for seed in sys.argv[2:]]
    with Guest('images/echo.ix') as guest:
        guest.wait_ready()
        for name, rule, seed, count in rules:
            report.run(f'bad_wire.{name}', test_rule, guest, rule, seed, count)
            if name.endswith(BOTH_FAMILIES):
                report.run(f'bad_wire.{name}_ip6', test_rule, guest, rule, seed, count, lab.GUEST6)
    report.close()


if __name__ == '__main__':
    main()
