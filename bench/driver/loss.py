# SPDX-License-Identifier: MIT
"""Work `loss`: what comes through a wire that loses frames, IX and Linux one after the other on the same wire."""
import ipaddress
import os
import pathlib
import sys

from driver.counted import PEERS, both
from driver.guest import Failure
from driver.results import print_table, ratio, shown
from driver.wire import GUEST, HOST, MAC, PREFIX, TAP

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), '..', '..', 'test', 'lib'))
import badwire  # noqa: E402  pylint: disable=wrong-import-position

CONNECTIONS = 4
MESSAGE_BYTES, DEPTH = 4096, 64     # 256 KiB of each connection are on their way: more than its window
DELAY_MS, RATE_MBIT, QUEUE = 10, 60, 500
CLIENT_CONTROL = 'cubic'            # as the Linux guest; a host's own may be one that does not care for losses
LOSSES = (0, 0.1, 1, 5, 10)         # percent of the frames
WAYS = {'both': 'lost both ways', 'from_guest': 'lost from the guest', 'to_guest': 'lost to the guest'}


class Plan:
    """All cells, or losses both ways in one short window."""

    def __init__(self, is_quick):
        self.warm_s, self.window_s = (1, 4) if is_quick else (2, 10)
        self.ways = ('both',) if is_quick else tuple(WAYS)
        self.seeds = (1,) if is_quick else (1, 2)


def rule(loss):
    return f'loss={loss},delay={DELAY_MS},rate={RATE_MBIT},queue={QUEUE}'


def params(loss, way):
    return {'loss_percent': loss, 'way': way, 'connections': CONNECTIONS, 'message_bytes': MESSAGE_BYTES, 'cores': 1,
            'delay_ms': DELAY_MS, 'rate_mbit_per_s': RATE_MBIT, 'app': 'echo'}


def wire(bench, *rules, seed=1):
    return badwire.Wire(*rules, seed=seed, inside=bench.wire.inside, build=pathlib.Path(bench.build))


def measure(bench, is_quick, out):
    plan = Plan(is_quick)
    badwire.lay(bench.wire.inside, TAP, f'{HOST}/{PREFIX}', None)
    net = ipaddress.ip_interface(f'{HOST}/{PREFIX}').network
    bench.wire.ip('route', 'replace', str(net), 'dev', badwire.NEAR, 'src', HOST, 'congctl', CLIENT_CONTROL)
    bench.wire.ip('neigh', 'replace', GUEST, 'lladdr', MAC, 'dev', badwire.NEAR, 'nud', 'permanent')
    for seed in plan.seeds:
        for kind in PEERS:
            boot = wire(bench)
            with kind(bench) as guest:
                boot.end()
                for way in plan.ways:
                    for loss in LOSSES:
                        count(guest, plan, loss, way, seed, out)


def count(guest, plan, loss, way, seed, out):
    rules = rule(loss if way != 'from_guest' else 0), rule(loss if way != 'to_guest' else 0)
    with wire(guest.bench, *rules, seed=seed) as w:
        got = guest.load(CONNECTIONS, MESSAGE_BYTES, plan.warm_s, plan.window_s, depth=DEPTH)
        counts = w.end()
    for of in counts.values():
        if of['bytes'] < got['requests'] * MESSAGE_BYTES:
            raise Failure(f'{guest.peer}: its bytes did not come over the wire: {counts}')
    where = params(loss, way)
    out.add(guest.peer, 'goodput_mbit_per_s', got['requests'] * MESSAGE_BYTES * 8 / got['seconds'] / 1e6, 'Mbit/s', **where)
    out.add(guest.peer, 'requests_counted', got['requests'], 'requests', **where)
    for name, of in (('to_guest', counts['out']), ('from_guest', counts['in'])):
        out.add(guest.peer, 'frames_on_the_wire', of['frames'], 'frames', **where, direction=name)
        out.add(guest.peer, 'frames_lost', of['lost'] + of['overflowed'], 'frames', **where, direction=name)


def show(out):
    rows = []
    for way, name in WAYS.items():
        for loss in LOSSES:
            ix, linux = both(out, 'goodput_mbit_per_s', way=way, loss_percent=loss)
            if ix is not None:
                lost = out.median('ix', 'frames_lost', way=way, loss_percent=loss, direction='from_guest')
                rows.append([f'{loss} % {name}', shown(ix, 2), shown(linux, 2), ratio(linux, ix, 2), shown(lost)])
    print_table(f'verified Mbit/s each way, {CONNECTIONS} connections, {2 * DELAY_MS} ms round trip, {RATE_MBIT} Mbit/s',
                ['', 'ix', 'linux', 'ix/linux', 'lost from ix'], rows)
