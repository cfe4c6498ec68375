#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Another image for a guest that serves 16 clients: no connection that was established loses a byte; back again; how long nobody
answers; an image that fails is taken back by itself; ixd killed in the middle brings it to an end, one or the other."""
import os
import pathlib
import random
import selectors
import signal
import socket
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'lib'))
import hostlab
import lab
from hostlab import Refused, ask, echo, ixctl, ps, up, wait_for
from report import Report, check

ADDRESS = '10.77.0.31'
CLIENTS = 16
SAYS_BYE = 13  # a port that only the second image serves
CONNECT_S = 20
KNOCK_S = 0.02
GAP_S = 10     # of no answer at most, however busy the machine is
FOLDER = pathlib.Path('/var/lib/ix/guests/web')

MANIFEST = """
name: {name}
version: {version}
app: {app}
args: [{args}]
memory_mib: 192
heap_mib: 16
cores: {{min: 1, max: {cores}}}
net: {{address: 10.7.0.2/24, gateway: 10.7.0.1}}
ports: [{ports}]
connections: 4096
rx_buffers: 4096
"""


def build(name, app, ports, args='', cores=4, kernel=None):
    """An image for this test, of another @kernel of this build if one is named. Returns its path."""
    folder, path = pathlib.Path('/run/images') / name, pathlib.Path(f'/run/images/{name}.ix')
    folder.mkdir(parents=True)
    (folder / 'image.yaml').write_text(MANIFEST.format(name=name, version='1.0', app=lab.build_folder() / 'apps' / app, args=args,
                                                       cores=cores, ports=ports), encoding='ascii')
    ixctl('image', 'build', folder, '-o', path, *(['--kernel', lab.build_folder() / kernel] if kernel else []))
    return path


def replace(path, **request):
    """The verb. Returns the record."""
    with open(path, 'rb') as image:
        return ask('replace', [image.fileno()], name='web', **request)[0]


def record():
    """Of guest web."""
    return ask('inspect', name='web')[0]['record']


def serves(name):
    """Whether it is image @name that answers, told by what it does."""
    echo(ADDRESS)
    try:
        with socket.create_connection((ADDRESS, SAYS_BYE), 5) as s:
            return ('second' if lab.receive(s, 4) == b'bye\n' else '?') == name
    except ConnectionRefusedError:
        return name == 'first'


class Client(threading.Thread):
    """Connects, asks, compares, closes, again and again. Only a connection that never came about may be tried again."""

    def __init__(self):
        super().__init__(daemon=True)
        self.rounds, self.gap, self.error, self.is_over = 0, 0.0, '', threading.Event()
        self.start()

    def connect(self):
        """Within CONNECT_S."""
        deadline = time.monotonic() + CONNECT_S
        while True:
            try:
                return socket.create_connection((ADDRESS, 7), 3)
            except OSError as e:
                if time.monotonic() > deadline:
                    raise OSError(f'no connection within {CONNECT_S} s: {e}') from e
                time.sleep(0.01)

    def run(self):
        try:
            while not self.is_over.is_set():
                began = time.monotonic()
                with self.connect() as s:
                    self.gap = max(self.gap, time.monotonic() - began)
                    s.settimeout(20)
                    data = random.randbytes(random.randrange(1, 8192))
                    s.sendall(data)
                    if lab.receive(s, len(data)) != data:
                        raise OSError('other bytes came back, or too few')
                self.rounds += 1
        except OSError as e:
            self.error = str(e) or type(e).__name__


class Load:
    """All clients."""

    def __enter__(self):
        self.clients = [Client() for _ in range(CLIENTS)]
        wait_for(lambda: all(c.rounds for c in self.clients), 20, 'all clients are served')
        return self

    def __exit__(self, kind, value, trace):
        for c in self.clients:
            c.is_over.set()
        for c in self.clients:
            c.join(60)

    def rounds(self):
        """So far, of all."""
        return sum(c.rounds for c in self.clients)

    def gap(self):
        """The longest time that a connection took to come about."""
        return max(c.gap for c in self.clients)

    def check(self):
        """Nobody lost anything, and everybody goes on."""
        before = [c.rounds for c in self.clients]
        wait_for(lambda: all(c.rounds > n or c.error for c, n in zip(self.clients, before)), 40, 'all clients go on')
        errors = {c.error for c in self.clients if c.error}
        check(not errors, f'{sum(bool(c.error) for c in self.clients)} of {CLIENTS} clients: {errors}')


class Knock(threading.Thread):
    """A new connection every KNOCK_S, whatever became of those before: when was the guest there, and when not?"""

    def __init__(self):
        super().__init__(daemon=True)
        self.answers, self.is_over = [], threading.Event()
        self.waiting = selectors.DefaultSelector()
        self.start()

    def knock(self):
        """One more."""
        s = socket.socket()
        s.setblocking(False)
        s.connect_ex((ADDRESS, 7))
        self.waiting.register(s, selectors.EVENT_WRITE)

    def end(self, s):
        """One less."""
        self.waiting.unregister(s)
        s.close()

    def hear(self, s, events):
        """It is open: ask. It is answered: note when. Of those that were never let in nothing is expected."""
        try:
            if events & selectors.EVENT_WRITE:
                s.send(b'there?')
                self.waiting.modify(s, selectors.EVENT_READ)
                return
            if s.recv(100):
                self.answers.append(time.monotonic())
        except OSError:
            pass
        self.end(s)

    def run(self):
        due = time.monotonic()
        while not self.is_over.is_set():
            if time.monotonic() >= due:
                self.knock()
                due = time.monotonic() + KNOCK_S
            for key, events in self.waiting.select(max(0.0, due - time.monotonic())):
                self.hear(key.fileobj, events)
        for key in list(self.waiting.get_map().values()):
            self.end(key.fileobj)
        self.waiting.close()

    def gap(self):
        """Ends it. Returns the longest time without an answer, in seconds."""
        heard = len(self.answers)
        wait_for(lambda: len(self.answers) > heard + 5, 20, 'answers go on')
        self.is_over.set()
        self.join(20)
        return max(b - a for a, b in zip(self.answers, self.answers[1:]))


def test_gap(path):
    """For how long nobody answers, seen from outside, and which step took how long."""
    knock = Knock()
    wait_for(lambda: len(knock.answers) > 20, 20, 'the guest answers')
    replace(path, drain_s=10)
    gap = knock.gap()
    steps = [row for row in ask('events', name='web')[1] if row['event'] == 'replace'][-1]['detail']
    check(gap < GAP_S, f'nobody answered for {gap:.2f} s: {steps}')
    ask('rollback', name='web')
    names = 'drain_ms', 'end_ms', 'start_ms', 'boot_ms'
    check(all(steps[n] > 0 for n in names) and sum(steps[n] for n in names) < (gap + 2) * 1000, steps)
    return f'no answer for {gap:.2f} s: ' + ', '.join(f'{n.removesuffix("_ms")} {steps[n]}' for n in names) + ' ms'


def test_replace(images):
    """Forth and back."""
    with Load() as load:
        new = replace(images['second'])
        check((new['image']['name'], new['generation'], new['previous'], new['trying']) == ('second', 2, 1, False), new)
        load.check()
        check(serves('second'), 'the second image does not answer')
        back = ask('rollback', name='web')[0]
        check((back['image']['name'], back['previous']) == ('first', 2), back)
        load.check()
        check(serves('first'), 'the first image does not answer')
        text = f'{load.rounds()} connections, none lost; the longest took {load.gap():.2f} s to come about'
    check({p.name for p in FOLDER.glob('image.*')} == {'image.2.ix', 'image.3.ix'}, f'images: {list(FOLDER.iterdir())}')
    return text


def test_drain():
    """A connection that stays open holds it up for as long as was said, and it is served to the end."""
    held = lab.connect(7, address=ADDRESS)
    threading.Timer(2.5, lambda: (held.sendall(b'last words'), held.shutdown(socket.SHUT_WR))).start()
    began = time.monotonic()
    ask('rollback', name='web', drain_s=30)
    check(lab.receive(held, 100) == b'last words', 'the connection was cut')
    check(2.5 < time.monotonic() - began < 25, f'it took {time.monotonic() - began:.1f} s')
    held.close()
    check(serves('second'), 'the second image does not answer')


def test_broken(images):
    """An image that ends at once: the one before is back by itself, and says so."""
    before = record()
    with Load() as load:
        try:
            replace(images['broken'])
        except Refused as e:
            check('broken' not in e.text.split(';')[-1] and 'as before' in e.text and 'ended before it was ready' in e.text, e)
        else:
            check(False, 'a broken image is no error')
        load.check()
    check(serves('second'), 'the second image does not answer')
    after = record()
    before.pop('vcpus'), after.pop('vcpus')         # of another QEMU
    check(after == before, f'{before} became {after}')
    check([row for row in ask('events', name='web')[1] if row['event'] == 'rolled-back'], 'no event')


def test_hangs(image):
    """An image that says nothing and does not end is given up soon, and the one before is back."""
    began = time.monotonic()
    try:
        replace(image)
    except Refused as e:
        check('stood still for 15 s before it was ready' in e.text and 'as before' in e.text and '\n' not in e.text, e)
    else:
        check(False, 'an image that hangs is no error')
    check(serves('second'), 'the second image does not answer')
    return f'after {time.monotonic() - began:.0f} s the second image serves again'


def test_refused(images):
    """What cannot be is refused before anything is touched."""
    pid = ask('inspect', name='web')[0]['domain']['pid']
    for path, text in ((images['small'], 'cores'), (pathlib.Path(__file__), 'image')):
        try:
            replace(path)
        except Refused as e:
            check(text in e.text and '\n' not in e.text, e)
        else:
            check(False, f'{path} was taken')
    check(ask('inspect', name='web')[0]['domain']['pid'] == pid, 'the guest was touched')


def wait_and_kill(moment):
    """Kills ixd after @moment s, or ('socket') as soon as a new QEMU listens and waits for a port, which only ixd makes."""
    net = pathlib.Path('/run/ix/web/net.sock')
    if moment != 'socket':
        time.sleep(moment)
    else:
        before = net.stat().st_ino if net.exists() else 0
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and not (net.exists() and net.stat().st_ino != before):
            time.sleep(0.001)
    os.kill(hostlab.pid_of('/run/ix/ixd.pid'), signal.SIGKILL)


def test_killed(images, moment):
    """ixd dies at @moment: afterwards one of both images serves, as the record says, and nothing is left half-way."""
    before = record()
    target = images['first' if before['image']['name'] == 'second' else 'second']
    asking = threading.Thread(target=lambda: ignore(replace, target, drain_s=1), daemon=True)
    asking.start()
    wait_and_kill(moment)
    asking.join(30)
    hostlab.start_ixd()
    wait_for(lambda: not record()['trying'] and (ps('web') or {}).get('health') == 'ready', 60, lambda: (record(), ps('web')))
    time.sleep(3.5)  # what was begun and never tried is cleared away
    now = record()
    check(serves(now['image']['name']), f'not {now["image"]}')
    check(len(list(FOLDER.glob('image.*'))) == 1 + bool(now['previous']), f'{now}: {list(FOLDER.iterdir())}')
    replace(images['first' if now['image']['name'] == 'second' else 'second'], drain_s=1)
    return f'{now["image"]["name"]} serves, generation {now["generation"]}'


def test_begun(image):
    """ixd dies while a new guest waits for its port: the next one makes it."""
    asking = threading.Thread(target=lambda: ignore(up, 'web', image, address=f'{ADDRESS}/16'), daemon=True)
    asking.start()
    wait_and_kill('socket')
    asking.join(30)
    hostlab.start_ixd()
    wait_for(lambda: (ps('web') or {}).get('health') == 'ready', 60, lambda: ps('web'))
    echo(ADDRESS)


def ignore(function, *args, **words):
    """What it says is of no interest, nor that it cannot."""
    try:
        function(*args, **words)
    except (OSError, Refused, hostlab.Failed):
        pass


def main():
    """All of it in one lab."""
    hostlab.enter()
    hostlab.set_up()
    images = {'first': build('first', 'echo', '7/tcp'), 'second': build('second', 'hostile_manners', '7/tcp, 13/tcp'),
              'broken': build('broken', 'hostile_endings', '7/tcp', 'exit, "1"'),
              'small': build('small', 'echo', '7/tcp', cores=1)}
    up('web', images['first'], address=f'{ADDRESS}/16', cpus={'min': 1, 'max': 4})
    report = Report()
    report.run('replace', test_replace, images)
    report.run('gap', test_gap, images['second'])
    report.run('drain', test_drain)
    report.run('broken', test_broken, images)
    report.run('hangs', test_hangs, build('hangs', 'echo', '7/tcp', kernel='test/images/frames.elf'))
    report.run('refused', test_refused, images)
    for moment in (0.05, 0.15, 0.25, 0.35, 0.45, 0.6, 0.8, 1.0, 1.5, 'socket') if '--long' in sys.argv else ('socket',):
        report.run(f'killed.{moment}', test_killed, images, moment)
    ask('down', name='web')
    report.run('begun', test_begun, images['first'])
    ask('down', name='web')
    report.close()


if __name__ == '__main__':
    main()
