# SPDX-License-Identifier: MIT
"""Work `loss`: what comes through a wire that loses frames, IX and Linux on wires of the same kind and seed."""
import concurrent.futures
import contextlib
import copy
import ipaddress
import os
import pathlib
import statistics
import sys

from driver.guest import Failure
from driver.results import print_table, shown
from driver.wire import GUEST, HOST, MAC, PREFIX, TAP, TapWire

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), '..', '..', 'test', 'lib'))
import badwire  # noqa: E402  pylint: disable=wrong-import-position

MESSAGE_BYTES, DEPTH = 4096, 64     # 256 KiB of each connection are on their way: more than its window
DELAY_MS, RATE_MBIT, QUEUE = 10, 60, 500
CLIENT_CONTROL = 'cubic'            # as the Linux guest; a host's own may be one that does not care for losses
# Percent of the frames lost, and connections, each a sample of its own: as many as leave room on the wire and in a guest's CPU.
CONNECTIONS = {0: 4, 0.1: 4, 1: 4, 5: 8, 10: 16}
LOSSES = tuple(CONNECTIONS)
SIDE_BY_SIDE, TOGETHER = 1, 2       # from this loss on two guests use less than a CPU, and run at the same time
ERRORS = 2                          # so many standard errors from 1 are a difference
WAYS = {'both': 'lost both ways', 'from_guest': 'lost from the guest', 'to_guest': 'lost to the guest'}


class Plan:
    """All cells by six seeds (in `all` on a switch by one: the wire that loses is the same), or losses both ways by one."""

    def __init__(self, is_quick, is_tap, is_hurried):
        self.warm_s, self.window_s = (1, 4) if is_quick else (1.5, 6)
        self.ways = ('both',) if is_quick else tuple(WAYS)
        self.seeds = (1,) if is_quick or (is_hurried and not is_tap) else (1, 2, 3, 4, 5, 6)

    def cells(self):
        """Without loss the ways are one."""
        return [(loss, way) for way in self.ways for loss in LOSSES if loss or way == self.ways[0]]


def rule(loss):
    return f'loss={loss},delay={DELAY_MS},rate={RATE_MBIT},queue={QUEUE}'


def params(loss, way):
    return {'loss_percent': loss, 'way': way, 'connections': CONNECTIONS[loss], 'message_bytes': MESSAGE_BYTES, 'cores': 1,
            'delay_ms': DELAY_MS, 'rate_mbit_per_s': RATE_MBIT, 'app': 'echo'}


def wire(bench, *rules, seed=1):
    return badwire.Wire(*rules, seed=seed, inside=bench.wire.inside, build=pathlib.Path(bench.build))


def prepare(bench):
    """The bad wire lies between the client and the guest's end of the namespace."""
    badwire.lay(bench.wire.inside, TAP, f'{HOST}/{PREFIX}', None)
    net = ipaddress.ip_interface(f'{HOST}/{PREFIX}').network
    bench.wire.ip('route', 'replace', str(net), 'dev', badwire.NEAR, 'src', HOST, 'congctl', CLIENT_CONTROL)
    bench.wire.ip('neigh', 'replace', GUEST, 'lladdr', MAC, 'dev', badwire.NEAR, 'nud', 'permanent')


@contextlib.contextmanager
def booted(kind, bench):
    """A guest that has answered over a wire without harm."""
    with contextlib.ExitStack() as stack:
        boot = wire(bench)
        stack.callback(boot.end)
        guest = stack.enter_context(kind(bench))
        boot.end()
        yield guest


def measure(bench, is_quick, out):
    is_tap, kinds = isinstance(bench.wire, TapWire), bench.peers.of('loss')
    plan = Plan(is_quick, is_tap, bench.pace < 1)
    prepare(bench)
    if not is_tap:                              # two switches that poll would take the CPU from each other
        for seed in plan.seeds:
            for kind in kinds:
                with booted(kind, bench) as guest:
                    for loss, way in plan.cells():
                        count((guest,), plan, loss, way, seed, out)
        return
    with contextlib.ExitStack() as wires:
        lanes = [bench, *(lane(bench, n, wires) for n in range(1, len(kinds)))]
        for seed in plan.seeds:
            with contextlib.ExitStack() as stack:
                guests = [stack.enter_context(booted(kind, own)) for kind, own in zip(kinds, lanes)]
                for loss, way in plan.cells():
                    count(guests, plan, loss, way, seed, out)


def lane(bench, number, stack):
    """The same bench with a wire of its own."""
    other = copy.copy(bench)
    other.wire = stack.enter_context(TapWire(bench.wire.cpu, number))
    prepare(other)
    return other


def count(guests, plan, loss, way, seed, out):
    """One cell, of two guests at a time if that leaves each of them room, else one after the other."""
    with concurrent.futures.ThreadPoolExecutor(TOGETHER if loss >= SIDE_BY_SIDE else 1) as threads:
        results = list(threads.map(lambda guest: run(guest, plan, loss, way, seed), guests))
    where = {**params(loss, way), 'seed': seed}
    for guest, (got, counts) in zip(guests, results):
        out.add(guest.peer, 'goodput_mbit_per_s', got['requests'] * MESSAGE_BYTES * 8 / got['seconds'] / 1e6, 'Mbit/s', **where)
        out.add(guest.peer, 'requests_counted', got['requests'], 'requests', **where)
        for name, of in (('to_guest', counts['out']), ('from_guest', counts['in'])):
            out.add(guest.peer, 'frames_on_the_wire', of['frames'], 'frames', **where, direction=name)
            out.add(guest.peer, 'frames_lost', of['lost'] + of['overflowed'], 'frames', **where, direction=name)


def run(guest, plan, loss, way, seed):
    """What the client and the wire counted."""
    rules = rule(loss if way != 'from_guest' else 0), rule(loss if way != 'to_guest' else 0)
    with wire(guest.bench, *rules, seed=seed) as w:
        got = guest.load(CONNECTIONS[loss], MESSAGE_BYTES, plan.warm_s, plan.window_s, depth=DEPTH)
        counts = w.end()
    for of in counts.values():
        if of['bytes'] < got['requests'] * MESSAGE_BYTES:
            raise Failure(f'{guest.peer}: its bytes did not come over the wire: {counts}')
    return got, counts


def compare(out, loss, way):
    """Means of ix and linux, mean of the ratios seed by seed, its standard error (None of one seed), seeds; None without figures."""
    found = [out.values(peer, 'goodput_mbit_per_s', way=way, loss_percent=loss) for peer in ('ix', 'linux')]
    if not found[0] or len(found[0]) != len(found[1]):
        return None
    ratios = [ix / linux for ix, linux in zip(*found)]
    error = statistics.stdev(ratios) / len(ratios) ** 0.5 if len(ratios) > 1 else None
    return statistics.mean(found[0]), statistics.mean(found[1]), statistics.mean(ratios), error, len(ratios)


def verdict(mean, error):
    if error is None:
        return 'one seed'
    if abs(mean - 1) <= ERRORS * error:
        return 'equal'
    return 'more' if mean > 1 else 'LESS'


def show(out):
    rows = []
    for way, name in WAYS.items():
        for loss in LOSSES:
            cell = compare(out, loss, way)
            if cell:
                ix, linux, mean, error, seeds = cell
                rows.append([f'{loss} % {name}', str(CONNECTIONS[loss]), shown(ix, 2), shown(linux, 2), shown(mean, 3), shown(error, 3),
                             str(seeds), verdict(mean, error)])
    print_table(f'verified Mbit/s each way, {2 * DELAY_MS} ms round trip, {RATE_MBIT} Mbit/s; ratio: mean of the seeds\' ratios; equal: '
                f'1 is within {ERRORS} standard errors', ['', 'connections', 'ix', 'linux', 'ix/linux', 'error', 'seeds', ''], rows)
