#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A guest's cores follow its load by policy, 1 to 4 and back, while 64 connections carry bytes that are compared; another guest that
is started on a full host takes a core from it; each change says why. No byte is lost and no connection reset.

Usage: elastic_policy.py
"""
import pathlib
import sys
import threading
import time
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'lib'))
import hostlab  # noqa: E402  pylint: disable=wrong-import-position
import lab  # noqa: E402  pylint: disable=wrong-import-position
from report import Report, check  # noqa: E402  pylint: disable=wrong-import-position
from streams import SECONDS, Streams  # noqa: E402  pylint: disable=wrong-import-position

ADDRESS, OTHER = '10.77.0.5', '10.77.0.6'
CONNECTIONS, BULK, BLOCK = 64, 12, bytes(range(256)) * 512
CORES = 4                   # that guests may run together, of which a small machine has fewer
LONG_S = 120                # for loads to be noticed, where emulated CPUs have to share
SIGNALS = {'up': {'queue', 'delay', 'busy'}, 'down': {'idle', 'taken', 'parked'}}


class Bulk(threading.Thread):
    """A connection that has 128 KiB under way all the time, compared when they come back."""

    def __init__(self):
        super().__init__(daemon=True)
        self.socket, self.is_over, self.error = lab.connect(address=ADDRESS, timeout=4 * SECONDS), False, None
        self.start()

    def run(self):
        try:
            while not self.is_over:
                sender = threading.Thread(target=self.socket.sendall, args=(BLOCK,), daemon=True)
                sender.start()
                check(lab.receive(self.socket, len(BLOCK)) == BLOCK, 'other bytes came back, or too few')
                sender.join()
        except Exception as e:  # pylint: disable=broad-except
            self.error = f'{type(e).__name__}: {e}'


class Work:
    """More than one core of the service can do (work/main.c), by far."""

    def __enter__(self):
        self.threads = [Bulk() for _ in range(BULK)]
        return self

    def __exit__(self, *_):
        for t in self.threads:
            t.is_over = True
        for t in self.threads:
            t.join(SECONDS)
            t.socket.close()

    def check(self):
        failed = [t.error for t in self.threads if t.error]
        check(not failed, f'{len(failed)} of {BULK} bulk connections failed: {failed[:1]}')


def scales(name='web'):
    """Events of cores that came or went, or were not to be had."""
    return [row for row in hostlab.ask('events', name=name)[1] if row['event'].startswith('scale')]


def said():
    """What the metrics say of the policy."""
    with urllib.request.urlopen('http://127.0.0.1:9177/metrics', timeout=SECONDS) as answer:
        lines = answer.read().decode().splitlines()
    return dict(line.rsplit(' ', 1) for line in lines if line.startswith('ix_policy'))


def await_cores(done, what):
    """So many run, and it has been told."""
    def is_so():
        last = [e['detail']['to'] for e in scales() if e['event'] == 'scale'][-1:]
        return done(hostlab.ps('web')['cores']) and last == [hostlab.ps('web')['cores']]
    hostlab.wait_for(is_so, LONG_S, lambda: f'{what}: {hostlab.ps("web")} {scales()[-3:]} {said()} {hostlab.ask("top", name="web", span_ms=300)[1]}')


def check_events(since):
    """Each change was the policy's, has its reason, and the reason is one. Returns them as words."""
    words = []
    for event in scales()[since:]:
        d = event['detail']
        if event['event'] == 'scale-held':
            continue
        check(event['event'] == 'scale' and d['by'] == 'policy', event)
        if d['to'] == d['from']:            # parked vCPUs that were given back
            continue
        why = d['why']
        check(why['signal'] in SIGNALS['up' if d['to'] > d['from'] else 'down'], event)
        if d['to'] > d['from']:
            check(why['value'] > why['threshold'] and why['held_ms'] >= 100, event)
        else:
            check(why['signal'] != 'idle' or (why['value'] <= why['threshold'] and why['held_ms'] >= 4000), event)
        check(d['to'] > d['from'] or d['moved']['groups'] > 0, event)
        words.append(f'{d["from"]} -> {d["to"]} ({why["signal"]})')
    return words


def quiet(load):
    """Little work: one core, for as long as one looks. On a host that has no CPU for it for a while frames do wait; then it is looked on."""
    hostlab.wait_for(lambda: hostlab.ps('web')['mode'] == 'auto', SECONDS, 'the policy decides')
    end, since = time.monotonic() + LONG_S, time.monotonic()
    while time.monotonic() - since < 5:
        load.goes_on()
        if hostlab.ps('web')['cores'] != 1:
            since = time.monotonic()
        check(time.monotonic() < end, f'{hostlab.ps("web")} {scales()}')
    check(len(scales()) <= 2, f'it does not come to rest: {scales()}')
    return f'one core for 5 s after {len(scales())} changes'


def up(load, work):
    """More than one core can do, until all four are at it."""
    load.forget()
    await_cores(lambda cores: cores == CORES, 'four cores')
    work.check()
    stall = load.goes_on()
    words = check_events(0)
    check(words, 'no event')
    return f'{", ".join(words)}; stall {stall * 1000:.0f} ms'


def taken(load, work):
    """The host is full, and another guest is started: what it has to have is taken from who has more than that."""
    since = len(scales())
    load.forget()
    hostlab.up('other', 'images/echo.ix', address=f'{OTHER}/16', cpus={'min': 1, 'max': 1}, priority=90)
    await_cores(lambda cores: cores < CORES, 'a core less')
    work.check()
    stall = load.goes_on()
    words = check_events(since)
    check(any('taken' in w for w in words), words)
    rows = hostlab.ixctl('host', 'status', '--json').json()['cores']
    check(rows['cores'] == CORES and {g['name']: g['mode'] for g in rows['guests']} == {'web': 'auto', 'other': 'manual'}, rows)
    hostlab.ixctl('down', 'other')
    return f'{", ".join(words)}; stall {stall * 1000:.0f} ms'


def down(load):
    """Little work again: back to one core, whose vCPUs are parked and kept."""
    since = len(scales())
    load.forget()
    await_cores(lambda cores: cores == 1, 'one core')
    stall = load.goes_on()
    words = check_events(since)
    row = hostlab.ps('web')
    check(words and row['cores_present'] > 1, row)
    # Where frames waited for a CPU of the host, it wishes for more for a moment.
    hostlab.wait_for(lambda: said()['ix_policy_cores_wish{guest="web"}'] == '1', LONG_S, lambda: f'it wishes for one core: {said()}')
    samples = said()
    check(int(samples['ix_policy_changes_total{guest="web",signal="idle"}']) >= 1, samples)
    return f'{", ".join(words)}; {row["cores_present"]} vCPUs are there; stall {stall * 1000:.0f} ms'


def main():
    report = Report()
    hostlab.enter()
    hostlab.set_up('--cores', str(CORES))
    hostlab.up('web', 'test/images/work.ix', address=f'{ADDRESS}/16', cpus={'min': 1, 'max': CORES})
    load = Streams(CONNECTIONS, [ADDRESS], pause_s=0.2)
    report.run('quiet', quiet, load)
    with Work() as work:
        report.run('up', up, load, work)
        report.run('taken', taken, load, work)
    report.run('down', down, load)
    report.run('bytes', lambda: f'{load.stop()} bytes came back as they were sent')
    report.close()


if __name__ == '__main__':
    main()
