# SPDX-License-Identifier: MIT
"""What is drawn of which rows: a figure a sweep. Rows in, figures out; a figure that no row is for is not drawn."""
import statistics

from driver import gnuplot
from driver.gnuplot import Axis, Figure, Series
from driver.peers import NAMES
from driver.policy import SHAPES

SHOWN_AS = {'ix': 'ix', 'linux': 'linux (mitigations=off)', 'linux_default': 'linux (default)', 'floor': 'floor: driver, no stack',
            'fixed': 'all cores all the time', 'ixcp': "IX's own rule", 'load': 'load', 'aim': 'allowed'}
BACKENDS = {'tap': 'tap: checksum and TSO by the host', 'ovs': 'vhost-user, OVS-DPDK: no offloads'}
AIMS = {'tap': 8, 'ovs': 6}         # linux / ix, of the requests and datagrams of 64 B
PER_REQUEST = 'instructions per request'
UNDER_WAY = Axis('connections, one request under way on each', is_log=True)
SIZES = {64: '64', 1024: '1 Ki', 4096: '4 Ki', 16384: '16 Ki', 65536: '64 Ki', 262144: '256 Ki', 1048576: '1 Mi'}
OPEN = {1: '1', 64: '64', 1000: '1k', 10_000: '10k', 100_000: '100k', 250_000: '250k'}


def order(peer):
    """In the order in which the legend has them: ix, linux, the others."""
    known = ['ix', 'linux', *(n for n in NAMES if n not in ('ix', 'linux'))]
    return known.index(peer) if peer in known else len(known)


class Sweep:
    """One figure: the rows of a work and metric, @x of their parameters from left to right, a panel for each value of @panel and a
    line for each peer and value of @variant. @where: what further parameters have to be; a list is any of these."""

    def __init__(self, name, title, work, metric, x, axes, panel='backend', panels=None, variant=None, variants=None,  # pylint: disable=R0913
                 where=None, aims=None, peers=None, is_dense=False):
        self.name, self.title, self.work, self.metric, self.x = name, title, work, metric, x
        self.x_axis, self.y_axis = axes
        self.panel, self.panels = panel, BACKENDS if panels is None else panels
        self.variant, self.variants = variant, variants or {None: ''}
        self.where, self.aims, self.peers, self.is_dense = where or {}, aims or {}, peers, is_dense

    def rows(self, rows):
        """Those that it is about."""
        def fits(params):
            return all(params.get(k) in v if isinstance(v, list) else params.get(k) == v for k, v in self.where.items())
        return [r for r in rows if r['work'] == self.work and r['metric'] == self.metric and fits(r['params'])
                and self.x in r['params'] and (self.peers is None or r['peer'] in self.peers)
                and r['params'].get(self.variant) in self.variants]

    def series(self, rows):
        """A line a peer and variant, each place the median of its rows."""
        cells = {}
        for r in rows:
            key = r['peer'], r['params'].get(self.variant)
            cells.setdefault(key, {}).setdefault(place(r['params'][self.x]), []).append(r['value'])
        found, numbers = [], list(self.variants)
        for peer, variant in sorted(cells, key=lambda key: (order(key[0]), key[0], numbers.index(key[1]))):
            points = {x: statistics.median(values) for x, values in cells[peer, variant].items()}
            points = {x: y for x, y in points.items() if y > 0 or not self.y_axis.is_log}
            if points:
                name = SHOWN_AS.get(peer, peer) + (f', {self.variants[variant]}' if self.variants[variant] else '')
                found.append(Series(name, peer, points, max(0, numbers.index(variant) - (None in numbers))))
        return found

    def aim(self, panel, series):
        """The line that ix is to stay below."""
        linux = [s for s in series if s.peer == 'linux']
        if panel not in self.aims or not linux:
            return []
        best = {x: min(s.points[x] for s in linux if x in s.points) / self.aims[panel] for s in linux for x in s.points}
        by = ', '.join(f'/ {by} ({backend})' for backend, by in self.aims.items())
        return [Series(f'aim for ix: linux {by}', 'aim', best)]

    def figure(self, rows):
        """None if there are no rows."""
        mine, panels = self.rows(rows), []
        for value, title in self.panels.items():
            series = self.series([r for r in mine if self.panel is None or r['params'].get(self.panel) == value])
            if series:
                panels.append((title, series + self.aim(value, series)))
        return Figure(self.title, panels, self.x_axis, self.y_axis, is_dense=self.is_dense) if panels else None


class Bars:
    """One bar a peer: its median, and panels as a sweep has them."""

    def __init__(self, name, title, work, metric, axis, scale=1, where=None, panel='backend', panels=None):  # pylint: disable=R0913
        self.name, self.title, self.work, self.metric, self.axis = name, title, work, metric, axis
        self.scale, self.where, self.panel, self.panels = scale, where or {}, panel, panels or BACKENDS

    def figure(self, rows):
        """None if there are no rows."""
        mine = [r for r in rows if r['work'] == self.work and r['metric'] == self.metric
                and all(r['params'].get(k) == v for k, v in self.where.items())]
        peers = sorted({r['peer'] for r in mine}, key=lambda peer: (order(peer), peer))
        panels = []
        for value, title in self.panels.items():
            bars = []
            for peer in peers:
                values = [r['value'] for r in mine if r['peer'] == peer and r['params'].get(self.panel) == value]
                if values and (statistics.median(values) > 0 or not self.axis.is_log):
                    bars.append(Series(peer, peer, {peers.index(peer): statistics.median(values) * self.scale}))
            if bars:
                panels.append((title, bars))
        names = {n: BAR_NAMES.get(p, p) for n, p in enumerate(peers)}
        return Figure(self.title, panels, Axis('', tics=names), self.axis, is_bars=True) if panels else None


def place(value):
    """On an axis that is logarithmic: a loss rate of none has one, too."""
    return NONE_AT if value == 0 else value


NONE_AT = 0.03
BAR_NAMES = {'linux_default': 'linux def.', 'linux_fixed_queues': 'all queues', 'ix_scale': 'ixctl scale'}
RESIZE = {'first_service_ms grow': 'call to first answer of the new core', 'stall_ms_max grow': 'longest stall, a core more',
          'stall_ms_max shrink': 'longest stall, a core less', 'drain_ms shrink': 'call until the core is given back'}
UDP_WAYS = {None: '', 'one by one': 'recvfrom', 'in batches': 'recvmmsg'}
FIGURES = [
    Sweep('echo', '64 B echo: guest instructions per request', 'echo', 'instructions_per_request', 'connections',
          (UNDER_WAY, Axis(PER_REQUEST, is_log=True)), aims=AIMS, where={'cores': 1}),
    Sweep('echo_exits', '64 B echo: would-be VM exits per request', 'echo', 'vm_exits_per_request', 'connections',
          (UNDER_WAY, Axis('exits per request', is_log=True)), where={'cores': 1, 'kind': 'all'}),
    Sweep('cores', '64 B echo, 64 connections a core: instructions per request', 'echo', 'instructions_per_request', 'cores',
          (Axis('cores of the guest', is_log=True), Axis(PER_REQUEST, is_log=True)), where={'connections_a_core': 64, 'protocol': None}, peers=('ix', 'linux')),
    Sweep('size', 'echo of long messages, 16 connections: guest instructions per message', 'size', 'instructions_per_request',
          'message_bytes', (Axis('bytes of a message', is_log=True, tics=SIZES), Axis('instructions per message', is_log=True)),
          panel='card', panels={'tap csum+tso': 'tap: checksum and TSO by the host', 'tap none': 'tap, no offloads',
                                'ovs none': BACKENDS['ovs']}, where={'connections': 16}),
    Sweep('size_copied', 'echo of long messages, 16 connections: bytes stored by string instructions', 'size',
          'bytes_stored_by_string_ops', 'message_bytes',
          (Axis('bytes of a message', is_log=True, tics=SIZES), Axis('bytes per message', is_log=True)),
          panel='card', panels={'tap csum+tso': 'tap: checksum and TSO by the host', 'tap none': 'tap, no offloads',
                                'ovs none': BACKENDS['ovs']}, where={'connections': 16}),
    Sweep('connections', 'a 64 B request of any of N open connections: guest instructions', 'connections',
          'instructions_per_request', 'connections', (Axis('connections open', is_log=True, tics=OPEN), Axis(PER_REQUEST, is_log=True))),
    Sweep('connections_idle', 'N open connections on which nothing happens: guest instructions per second', 'connections',
          'instructions_per_second_idle', 'connections',
          (Axis('connections open', is_log=True, tics=OPEN), Axis('instructions per second', is_log=True))),
    Sweep('churn', 'a connection of one 64 B request, SYN to FIN: guest instructions', 'churn', 'instructions_per_request',
          'connections', (Axis('connections at a time', is_log=True), Axis('instructions per connection', is_log=True)),
          aims={'tap': 10}),
    Sweep('udp', '64 B datagram and answer: guest instructions', 'udp', 'instructions_per_request', 'connections',
          (Axis('datagrams under way', is_log=True), Axis('instructions per datagram', is_log=True)), variant='calls',
          variants=UDP_WAYS, aims=AIMS),
    Sweep('loss', 'goodput through a wire that loses frames (20 ms round trip, 60 Mbit/s; 4 to 16 connections)', 'loss',
          'goodput_mbit_per_s', 'loss_percent',
          (Axis('frames lost, %', is_log=True, tics={NONE_AT: '0'}), Axis('verified Mbit/s each way', is_log=True)), panel='wire',
          panels={'tap both': 'lost both ways', 'tap from_guest': 'lost from the guest', 'tap to_guest': 'lost to the guest'}),
    Sweep('latency', '64 B requests at a load that does not wait (Poisson, 64 connections): latency', 'latency', 'latency',
          'load_percent', (Axis("load, % of the linux guest's closed loop", is_log=True),
                           Axis('us since due, under emulation', is_log=True)),
          variant='quantile', variants={'p50_us': 'median', 'p99_us': '99 %'}),
    *(Sweep(f'{name}{more}', f'{title}{how}', 'policy', metric, 'at_s', (Axis('seconds', tics={n: str(n) for n in range(0, end + 1, end // 4)}), axis),
            panel='shape', panels={s: s for s in SHAPES}, is_dense=True, where={'backend': backend})
      for more, how, backend, end in (('', '', 'tap', 240), ('_real', ' (a real guest)', 'ovs', 60))
      for name, title, metric, axis in (('policy_cores', 'cores given and load, in cores of work', 'cores', Axis('cores')),
                                        ('policy_p99', 'largest p99 of a second', 'second_p99_us', Axis('us', is_log=True)))),
    Bars('boot', 'start of QEMU to the first reply', 'boot', 'boot_to_first_reply_s', Axis('milliseconds'), scale=1e3),
    Bars('idle', 'a guest that nobody asks anything: instructions per second', 'idle', 'instructions_per_second_idle',
         Axis('instructions per second')),
    *(Bars(name, f'a core more and a core less by virsh setvcpus, {how}: median, ms', 'elastic', 'resize', Axis('milliseconds', is_log=True),
           where={'accelerator': accelerator}, panel='resize', panels=RESIZE)
      for name, accelerator, how in (('elastic', 'tcg', 'emulated guests on a switch'), ('elastic_kvm', 'kvm', 'nested KVM on a tap'))),
]


def derived(row):
    """The row with what the figures ask of it and rows do not say in one parameter."""
    p = row['params']
    more = {'card': f'{p.get("backend")} {p.get("offloads")}', 'wire': f'{p.get("backend")} {p.get("way")}'}
    if isinstance(p.get('cores'), int) and isinstance(p.get('connections'), int):
        more['connections_a_core'] = p['connections'] / p['cores']
    if row['work'] == 'elastic' and 'step' in p:
        return {**row, 'metric': 'resize', 'params': {**p, **more, 'resize': f'{row["metric"]} {p["step"]}'}}
    if row['work'] == 'latency' and row['metric'].startswith('latency_') and isinstance(p.get('load_percent'), (int, float)):
        return {**row, 'metric': 'latency', 'params': {**p, **more, 'quantile': row['metric'].removeprefix('latency_')}}
    return {**row, 'params': {**p, **more}}


def figures(rows):
    """[(name, Figure)] of all that the rows are enough for."""
    rows = [derived(r) for r in rows]
    return [(f.name, figure) for f in FIGURES if (figure := f.figure(rows))]


def draw(rows, folder):
    """The names of what was drawn into @folder, as NAME.svg and NAME.png."""
    names = []
    for name, figure in figures(rows):
        gnuplot.draw(figure, folder, name)
        names.append(name)
    return names
