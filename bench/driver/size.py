# SPDX-License-Identifier: MIT
"""Work `size`: what an echoed message costs by its size, with the card's offloads and without, beside Linux."""
from driver.counted import SETTLE_S, STAGES, add_instructions, both, others, settle
from driver.guest import NO_OFFLOADS
from driver.results import print_table, ratio, shown

KIB = 1024
SIZES = (64, KIB, 4 * KIB, 16 * KIB, 64 * KIB, 256 * KIB, 1024 * KIB)
BIG = 64 * KIB                      # the size that the aims are stated for
CONNECTIONS = (1, 16, 64)
CARDS = {'csum+tso': '', 'none': NO_OFFLOADS}
PROFILED = (16, BIG)


class Plan:
    """All cells, or those of the aims."""

    def __init__(self, is_quick, has_offloads):
        self.warm_s, self.window_s = (0.5, 1.0) if is_quick else (0.7, 1.8)
        self.settle_s = SETTLE_S / 2 if is_quick else SETTLE_S
        self.sizes = (64, BIG) if is_quick else SIZES
        self.cards = ('none',) if not has_offloads else ('csum+tso',) if is_quick else tuple(CARDS)


def params(connections, size, card, guest):
    return {'connections': connections, 'message_bytes': size, 'offloads': card, 'cores': 1, 'app': 'echo',
            'protocol': 'udp' if guest.is_udp else 'tcp'}


def measure(bench, is_quick, out):
    plan = Plan(is_quick, bench.wire.backend == 'tap')     # a switch has no offloads to take away
    for card in plan.cards:
        for kind in bench.peers.of('size'):
            with kind(bench, plugin=[], card=CARDS[card]) as guest:
                settle(guest, plan.settle_s)
                for n in CONNECTIONS:
                    for size in (s for s in plan.sizes if s <= kind.message_max):
                        got = guest.load(n, size, plan.warm_s, plan.window_s)
                        add_instructions(out, guest, got, params(n, size, card, guest))


def named(size):
    return f'{size} B' if size < KIB else f'{size // KIB} KiB'


def show(out):
    names, more = others(out)
    for card in CARDS:
        rows = []
        for n in CONNECTIONS:
            for size in SIZES:
                of = {'connections': n, 'message_bytes': size, 'offloads': card}
                ix, linux = both(out, 'instructions_per_request', **of)
                if ix is None:
                    continue
                stored = both(out, 'bytes_stored_by_string_ops', **of)
                rows.append([f'{n} conn., {named(size)}', shown(ix), shown(linux), ratio(ix, linux), *more(**of),
                             *(shown(v) for v in stored), ratio(*stored),
                             shown(out.median('ix', 'requests_counted', **of))])
        if rows:
            print_table(f'guest instructions and bytes stored by string instructions per echoed message, offloads: {card}',
                        ['', 'ix', 'linux', 'linux/ix', *names, 'rep bytes ix', 'linux', 'linux/ix', 'counted'], rows)
    columns = [(n, card) for card in CARDS for n in CONNECTIONS]
    rows = [[name, *(shown(out.median('ix', 'instructions_per_request_in_stage', connections=n, message_bytes=BIG,
                                      offloads=card, stage=name)) for n, card in columns)]
            for name in STAGES.values()]
    print_table(f'ix by stage, {named(BIG)}', ['stage', *(f'{n} conn., {card}' for n, card in columns)], rows)
