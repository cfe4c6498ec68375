# SPDX-License-Identifier: MIT
"""Work `native`: processor time of a 64 B request, the core as a program of Linux over a DPDK port beside an epoll server on
Linux itself. The same client without a stack asks both, from another CPU."""
import json
import os
import statistics
import subprocess
import time

from driver.guest import Failure
from driver.results import print_table, ratio, shown

MESSAGE_BYTES = 64
CONNECTIONS, QUICK_CONNECTIONS = (1, 16, 64, 1000), (1, 64)
CLIENT, SERVER, PREFIX, MAC = '10.78.0.1', '10.78.0.2', 24, '52:54:00:78:00:02'
TAP = 'native0'
BACKENDS = ('tap',)                 # what a guest would be on; "port" says what this is on
WARM_S = 1.0                        # in which a kernel thread that takes frames in is found and given its CPU
START_S, PATIENCE_S = 20, 60
EAL = ['--no-huge', '--no-pci', '--no-telemetry', '--no-shconf', '--log-level=lib.eal:warning',
       '--log-level=lib.vhost.config:warning']
# Peer, who sums, how Linux takes frames in: in the interrupt that a neighbour CPU sends, or in a kernel thread.
VARIANTS = (('ix', 'csum', ''), ('ix', 'none', ''), ('linux', 'csum', 'softirq'), ('linux', 'csum', 'thread'),
            ('linux', 'none', 'softirq'))
NS = 1e9


class Pair:
    """One server on the bench's CPU and its client on another."""

    def __init__(self, bench, is_quick):
        others = sorted(os.sched_getaffinity(0) - {bench.cpu})
        if not others:
            raise Failure('native needs two CPUs, one for the server and one for who asks it')
        self.bench, self.client_cpu, self.window_s = bench, others[0], (0.8 if is_quick else 2.0) * bench.pace
        self.runs = 0

    def spawn(self, words, out, cpu, inside=()):
        """A process on @cpu that writes to files named @out."""
        with open(self.bench.file(out), 'wb') as f, open(self.bench.file(out + '.err'), 'wb') as e:
            return subprocess.Popen([*inside, *(str(w) for w in words)], stdin=subprocess.DEVNULL, stdout=f, stderr=e,
                                    env={**os.environ, 'RUNTIME_DIRECTORY': self.bench.work, 'XDG_RUNTIME_DIR': self.bench.work},
                                    preexec_fn=lambda: os.sched_setaffinity(0, {cpu}))

    def text(self, name):
        """What a process said, standard output and error."""
        found = ''
        for path in (self.bench.file(name), self.bench.file(name + '.err')):
            with open(path, encoding='utf-8', errors='replace') as f:
                found += f.read()
        return found.strip()

    def answer(self, client, name, server_name):
        """The client's JSON."""
        if client.wait(PATIENCE_S):
            raise Failure(f'native, {server_name}: {self.text(name)}\n{self.text(server_name)}')
        with open(self.bench.file(name), encoding='utf-8') as f:
            return json.loads(f.read().splitlines()[-1])

    def words(self, connections, offloads):
        """Of every client, behind its wire's."""
        return ['--', '-c', connections, '-s', MESSAGE_BYTES, '-w', WARM_S, '-t', self.window_s,
                *(['-k'] if offloads == 'csum' else [])]

    def ix(self, connections, offloads):
        """The core over virtio-user, the client over vhost."""
        self.runs += 1
        client_out, server_out = f'client-{self.runs}', f'native-{self.runs}'
        socket, marks = self.bench.file(f'port-{self.runs}'), self.bench.file(f'meter-{self.runs}')
        part = self.bench.part
        client = self.spawn([part('native', 'native_client'), *EAL, '-m', 128, '-l', self.client_cpu, '--file-prefix', 'client',
                             f'--vdev=net_vhost0,iface={socket}', *self.words(connections, offloads), '-P', marks, CLIENT, SERVER],
                            client_out, self.client_cpu)
        server = None
        try:
            wait_for(lambda: os.path.exists(socket) or client.poll() is not None)
            server = self.spawn([part('native', 'native'), *EAL, '-m', 256, '-l', self.bench.cpu, '--file-prefix', 'native',
                                 f'--vdev=net_virtio_user0,path={socket},mac={MAC}', '--', self.bench.built('apps', 'echo_native'),
                                 f'marks={marks}', *(['checksums'] if offloads == 'csum' else []),
                                 f'net.address={SERVER}/{PREFIX}', f'net.gateway={CLIENT}'], server_out, self.bench.cpu)
            return self.answer(client, client_out, server_out)
        finally:
            end(client, server)

    def linux(self, connections, offloads, receive):
        """The epoll server behind a tap."""
        self.runs += 1
        client_out, server_out = f'client-{self.runs}', f'epoll-{self.runs}'
        wire, part = self.bench.wire, self.bench.part
        wire.ip('tuntap', 'add', TAP, 'mode', 'tap', 'vnet_hdr')
        server = client = None
        try:
            wire.ip('addr', 'add', f'{SERVER}/{PREFIX}', 'dev', TAP)
            wire.ip('link', 'set', TAP, 'address', MAC, 'up', 'txqueuelen', '2000')
            if receive == 'softirq':
                subprocess.run([*wire.inside, 'sh', '-c', f'echo {1 << self.bench.cpu:x} > /sys/class/net/{TAP}/queues/rx-0/rps_cpus'],
                               check=True)
            server = self.spawn([part('linux_echo')], server_out, self.bench.cpu, wire.inside)
            time.sleep(0.2)
            napi = receive == 'thread'
            client = self.spawn([part('native', 'tap_client'), TAP, *(['napi'] if napi else []), *self.words(connections, offloads),
                                 '-p', server.pid, '-p', f'ksoftirqd/{self.bench.cpu}', *(['-p', f'napi/{TAP}'] if napi else []),
                                 CLIENT, SERVER], client_out, self.client_cpu, wire.inside)
            if napi:
                self.give_thread(client)
            return self.answer(client, client_out, server_out)
        finally:
            end(client, server)
            wire.ip('link', 'del', TAP)

    def give_thread(self, client):
        """The server's CPU for the kernel thread that takes the tap's frames in, which the client has asked for."""
        def is_done():
            for pid in (p for p in os.listdir('/proc') if p.isdigit()):
                try:
                    with open(f'/proc/{pid}/comm', encoding='utf-8') as f:
                        if f.read().startswith(f'napi/{TAP}'):
                            os.sched_setaffinity(int(pid), {self.bench.cpu})
                            return True
                except OSError:
                    pass            # it has ended
            return client.poll() is not None

        wait_for(is_done)


def wait_for(is_done):
    deadline = time.monotonic() + START_S
    while not is_done():
        if time.monotonic() > deadline:
            raise Failure('native: a program does not start')
        time.sleep(0.02)


def end(*processes):
    for p in processes:
        if p:
            p.kill()
            p.wait()


def add_ix(out, got, params):
    """Turns that were interrupted are left out together with the requests that they served."""
    n, hz = got['counted']['native'], got['counted']['tsc_hz']
    frames = n.get('busy_frames', 0)
    if not frames:
        raise Failure('native: every turn of the loop was interrupted; is another program on this CPU?')
    served = got['requests'] * frames / (frames + n.get('disturbed_frames', 0))
    ticks = sum(n.get(f'{name}_tsc', 0) for name in ('busy', 'idle', 'disturbed'))
    out.add('ix', 'native_ns_per_request', n['busy_tsc'] / hz * NS / served, 'ns', **params)
    out.add('ix', 'native_poll_ns_per_request', n.get('idle_tsc', 0) / hz * NS / served, 'ns', **params)
    out.add('ix', 'native_crossings_per_request', n['crossings'] / got['requests'], 'crossings', **params)
    out.add('ix', 'native_requests_per_crossing', got['requests'] / n['crossings'], 'requests', **params)
    out.add('ix', 'native_interrupted_share', n.get('disturbed_tsc', 0) / ticks, '', **params)


def measure(bench, is_quick, out):
    build(bench)
    pair = Pair(bench, is_quick)
    for _ in range(2 if is_quick else 5):
        for connections in QUICK_CONNECTIONS if is_quick else CONNECTIONS:
            for peer, offloads, receive in VARIANTS:
                params = {'connections': connections, 'message_bytes': MESSAGE_BYTES, 'offloads': offloads, 'app': 'echo',
                          'cores': 1, 'port': 'vhost-user' if peer == 'ix' else 'tap', 'receive': receive}
                if peer == 'ix':
                    got = pair.ix(connections, offloads)
                    add_ix(out, got, params)
                else:
                    got = pair.linux(connections, offloads, receive)
                    out.add('linux', 'native_ns_per_request', sum(got['cpu_ns']) / got['requests'], 'ns', **params)
                out.add(peer, 'requests_per_second', got['requests'] / got['seconds'], 'requests/s', **params)


def build(bench):
    done = subprocess.run(['ninja', '-C', bench.build, 'bench_native_all'], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, check=False)
    if done.returncode:
        raise Failure(f'native: {chr(10).join(done.stdout.splitlines()[-8:])}\nrun ci/setup --bench, then cmake {bench.build}')


def show(out):
    rows = []
    for n in sorted({r['params']['connections'] for r in out.rows}):
        def of(peer, offloads='csum', metric='native_ns_per_request', how=statistics.median, n=n, **params):
            found = out.values(peer, metric, connections=n, offloads=offloads, **params)
            return how(found) if found else None

        ix = of('ix')
        linux = [of('linux', receive=way) for way in ('softirq', 'thread')]
        rows.append([str(n), shown(ix), shown(of('ix', how=min)), shown(of('ix', metric='native_poll_ns_per_request')),
                     *(shown(v) for v in linux), shown(of('linux', how=min)), ratio(ix, min(linux)), shown(of('ix', 'none')),
                     shown(of('linux', 'none')), ratio(of('ix', 'none'), of('linux', 'none')),
                     shown(of('ix', metric='native_crossings_per_request'), 3),
                     shown(of('ix', metric='native_interrupted_share'), 2)])
    print_table('processor time of a 64 B request, ns (median; best); polls that found nothing are not in it (aim: linux/ix 10)',
                ['connections', 'ix', 'best', '(polls)', 'linux', 'thread', 'best', 'linux/ix', 'own sums: ix', 'linux', 'linux/ix',
                 'crossings', 'interrupted'], rows)
    print('\nThe way from the core into the application and back is a call here; "crossings" says how often a request makes it.')
