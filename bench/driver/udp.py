# SPDX-License-Identifier: MIT
"""Work `udp`: what a 64 B datagram and its answer cost a guest, beside Linux one by one and Linux in batches."""
from driver.counted import SETTLE_S, STAGES, add_instructions, settle
from driver.guest import IxGuest, LinuxGuest
from driver.results import print_table, ratio, shown

MESSAGE_BYTES = 64
SOCKETS = (1, 16, 64)
PROFILED, PROFILED_HOW = (64, MESSAGE_BYTES), {'is_udp': True}
WAYS = {'one by one': 'bench.udp=single', 'in batches': 'bench.udp=batches'}    # of Linux


def params(sockets, way):
    return {'connections': sockets, 'message_bytes': MESSAGE_BYTES, 'protocol': 'udp', 'cores': 1, 'app': 'echo', 'calls': way}


def measure(bench, is_quick, out):
    warm_s, window_s = (0.3, 0.8) if is_quick else (1.2, 2.5)
    for way, words in ((None, ''), *WAYS.items()):
        kind = LinuxGuest if way else IxGuest
        with kind(bench, plugin=[], words=words) as guest:
            settle(guest, SETTLE_S / 2 if is_quick else SETTLE_S)
            for n in SOCKETS:
                got = guest.load(n, MESSAGE_BYTES, warm_s, window_s, is_udp=True)
                add_instructions(out, guest, got, params(n, way))
                out.add(guest.peer, 'datagrams_lost', got['lost'], 'datagrams', **params(n, way))


def show(out):
    rows = []
    for n in SOCKETS:
        def of(metric, way, peer='linux', n=n):
            return out.median(peer, metric, connections=n, calls=way)

        ix = of('instructions_per_request', None, 'ix')
        linux = [of('instructions_per_request', way) for way in WAYS]
        lost = [of('datagrams_lost', None, 'ix'), *(of('datagrams_lost', way) for way in WAYS)]
        rows.append([str(n), shown(ix), *(shown(v) for v in linux), *(ratio(ix, v) for v in linux),
                     shown(of('bytes_stored_by_string_ops', None, 'ix')),
                     *(shown(of('bytes_stored_by_string_ops', way)) for way in WAYS), ' / '.join(shown(v) for v in lost)])
    print_table('guest instructions per 64 B datagram and its answer (Linux: recvfrom and sendto; recvmmsg and sendmmsg)',
                ['under way', 'ix', 'linux', 'batches', 'linux/ix', 'batches/ix', 'rep bytes ix', 'linux', 'batches',
                 'lost'], rows)
    rows = [[name, *(shown(out.median('ix', 'instructions_per_request_in_stage', connections=n, stage=name), 1)
                     for n in SOCKETS)] for name in STAGES.values()]
    print_table('ix by stage', ['stage', *(f'{n} under way' for n in SOCKETS)], rows)
