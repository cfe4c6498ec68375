# SPDX-License-Identifier: MIT
"""Work `udp`: what a 64 B datagram and its answer cost a guest, beside Linux one by one, Linux in batches, and the floor."""
from driver.counted import SETTLE_S, STAGES, add_instructions, settle
from driver.guest import LinuxGuest
from driver.results import print_table, ratio, shown

MESSAGE_BYTES = 64
SOCKETS = (1, 16, 64)
PROFILED, PROFILED_HOW = (64, MESSAGE_BYTES), {'is_udp': True}
WAYS = {'one by one': 'bench.udp=single', 'in batches': 'bench.udp=batches'}    # of Linux


def params(sockets, way):
    return {'connections': sockets, 'message_bytes': MESSAGE_BYTES, 'protocol': 'udp', 'cores': 1, 'app': 'echo', 'calls': way}


def measure(bench, is_quick, out):
    warm_s, window_s = (0.3, 0.8) if is_quick else (1.0, 2.0)
    for kind in bench.peers.of('udp'):
        for way, words in WAYS.items() if issubclass(kind, LinuxGuest) else ((None, ''),):
            with kind(bench, plugin=[], words=words) as guest:
                settle(guest, SETTLE_S / 2 if is_quick else SETTLE_S)
                for n in SOCKETS:
                    got = guest.load(n, MESSAGE_BYTES, warm_s, window_s, is_udp=True)
                    add_instructions(out, guest, got, params(n, way))
                    out.add(guest.peer, 'datagrams_lost', got['lost'], 'datagrams', **params(n, way))


def show(out):
    """A line a peer and way; the ratio is to ix."""
    cells = dict.fromkeys((r['peer'], r['params']['calls']) for r in out.rows)
    rows = []
    for n in SOCKETS:
        ix = out.median('ix', 'instructions_per_request', connections=n, calls=None)
        for peer, way in cells:
            value, stored, lost = (out.median(peer, metric, connections=n, calls=way) for metric in (
                'instructions_per_request', 'bytes_stored_by_string_ops', 'datagrams_lost'))
            rows.append([f'{n} under way, {peer}' + (f' {way}' if way else ''), shown(value), ratio(ix, value), shown(stored), shown(lost)])
    print_table('guest instructions per 64 B datagram and its answer (Linux one by one: recvfrom and sendto; in batches: recvmmsg '
                'and sendmmsg)', ['', 'instructions', 'to ix', 'rep bytes', 'lost'], rows)
    rows = [[name, *(shown(out.median('ix', 'instructions_per_request_in_stage', connections=n, stage=name), 1)
                     for n in SOCKETS)] for name in STAGES.values()]
    print_table('ix by stage', ['stage', *(f'{n} under way' for n in SOCKETS)], rows)
