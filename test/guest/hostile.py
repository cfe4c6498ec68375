#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Boots one program of test/guest and has it run its cases one after the other; after each the dataplane must answer a ping and
a new connection.

Usage: hostile.py PROGRAM [--cpus N] [--queues N] [--image NAME] [--qemu WORD]... [--set KEY=VALUE]... [--cases A,B,...]
                          [--must-fail] [--first CASE] [--seconds N]
  --must-fail  a control: one protection is off, and each of the cases, in a boot of its own, must be reported as FAIL
  --first      run this case before each of the others
  --seconds    how long a case may take
"""
import argparse
import pathlib
import re
import socket
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'lib'))
import lab  # noqa: E402  pylint: disable=wrong-import-position
from guest import Guest  # noqa: E402  pylint: disable=wrong-import-position
from report import Failed, Report, check  # noqa: E402  pylint: disable=wrong-import-position

FAULT_GAP_SECONDS = 0.03  # 64 restarts in one second are the most that the image allows
FAULT = r'application fault: .*\(vector (\d+), error ([0-9a-f]+)\) on core (\d+) in ring 3'
HELD = 8
HOLDERS = ('calls', 'random', 'cores')  # programs whose cases want connections to abuse


class Client:
    """Asks the program for its cases, over connections that end when the partition does."""

    def __init__(self, guest, program, seconds):
        self.guest = guest
        self.seconds = seconds
        self.program = program
        self.pinger = lab.Pinger()

    def ask(self, line, end=b'\n'):
        """The answer to one command over a new connection; '' if the partition ended meanwhile."""
        with lab.connect() as s:
            s.settimeout(self.seconds)
            s.sendall(line.encode() + b'\n')
            answer = b''
            try:
                while not answer.endswith(end):
                    part = s.recv(65536)
                    if not part:
                        break
                    answer += part
            except ConnectionError:
                return ''
            except socket.timeout as e:
                raise Failed(f'no answer to "{line}" within {self.seconds} s') from e
            return answer.decode(errors='replace')

    def cases(self):
        """(name, variants, expectation) of each case."""
        rows = []
        for line in self.ask('list', b'END\n').splitlines()[:-1]:
            name, variants, expect = line.split(' ', 2)
            rows.append((name, int(variants), expect))
        check(rows, 'the program lists no cases')
        return rows

    def check_alive(self):
        """Ping and a new connection."""
        panic = self.guest.panicked()
        check(not panic, f'trouble in ring 0: {panic}')
        check(self.guest.is_running(), f'the guest has ended; console:\n{self.guest.text()[-2000:]}')
        check(self.pinger.ping(), 'no answer to ping')
        check(self.ask('hello').startswith('hello '), 'no answer over a new connection')


def judge(expect, got):
    """Fails unless @got, "pass" or "fault 14" or "watchdog", is among what @expect allows."""
    for choice in expect.split(' or '):
        kind, _, vectors = choice.partition(' ')
        if got == kind or (vectors and got.startswith(kind) and got.split()[1] in vectors.split(',')):
            return
    raise Failed(f'{got}, expected {expect}')


def how_it_ended(guest, mark):
    """What the console says about the end of the partition, once it runs again."""
    again = guest.wait_line(r'^serving', mark)
    check(not guest.panicked(), f'trouble in ring 0: {guest.panicked()}')
    check(again, f'the partition was not started again; console:\n{guest.text(mark)[-2000:]}')
    text = guest.text(mark)
    faults = re.findall(FAULT, text)
    check(len(faults) <= 1 or len({f[2] for f in faults}) == len(faults), 'a core reported more than one fault')
    if faults:
        return f'fault {faults[0][0]}', f'vector {faults[0][0]}, error {faults[0][1]}, core {faults[0][2]}'
    check('application watchdog' in text, f'the partition ended without a report:\n{text}')
    return 'watchdog', 'ended by the watchdog'


def check_error(name, variant, text):
    """The error code must be that of what was tried: a fetch, a write, a read, a gate [SDM 3A 4.7, 6.13]."""
    found = re.match(r'vector (\d+), error ([0-9a-f]+)', text)
    vector, error = (int(found[1]), int(found[2], 16)) if found else (-1, 0)
    if name == 'int':
        check(error == variant * 8 + 2, f'INT {variant}: {text}, expected error {variant * 8 + 2:x}')
    wanted = {'run': 0x10, 'write': 0x2, 'read': 0}.get(name.split('_')[0])
    if vector == 14 and wanted is not None:
        check(error & 0x12 == wanted, f'{text}: not what was tried')


def run_variant(client, name, variant, expect):
    """One case; returns what is worth saying about it."""
    guest, mark = client.guest, client.guest.mark()
    held = hold(HELD if client.program in HOLDERS else 0)
    answer = client.ask(f'run {name} {variant}')
    for s in held:
        s.close()
    if answer.startswith('PASS'):
        got, text = 'pass', answer[5:].strip() or 'survived'
    elif answer and ' or pass' in expect:
        got, text = 'pass', 'executed: this processor does not check it'
    elif answer:
        raise Failed(answer[5:].strip())
    else:
        got, text = how_it_ended(guest, mark)
    judge(expect, got)
    check_error(name, variant, text)
    client.check_alive()
    return text


def run_case(client, name, variants, expect):
    """All variants of a case."""
    text = ''
    for variant in range(variants):
        started = time.monotonic()
        try:
            text = run_variant(client, name, variant, expect)
        except Failed as e:
            raise Failed(f'variant {variant}: {e}' if variants > 1 else str(e)) from e
        time.sleep(max(0.0, FAULT_GAP_SECONDS - (time.monotonic() - started)))
    return text if variants == 1 else f'{variants} variants; the last: {text}'


def hold(count):
    """Connections that cases on core 0 may abuse; each has sent some data after it was taken."""
    held = []
    for _ in range(16 * count):
        s = lab.connect()
        s.sendall(b'hold\n')
        if s.recv(100) == b'held 0\n':
            s.sendall(bytes(1000))
            held.append(s)
        else:
            s.close()
        if len(held) == count:
            return held
    if count == 0:
        return held
    raise Failed(f'only {len(held)} of {count} connections came to core 0')


def boot(options):
    """A guest that serves, and a client for it."""
    image = f'test/images/{options.image or options.program}.ix'
    guest = Guest(image, cpus=options.cpus, qemu=options.qemu, overrides=options.set)
    try:
        guest.wait_ready()
        check(guest.wait_line('^serving'), 'the program does not listen')
        return guest, Client(guest, options.program, options.seconds)
    except BaseException:
        guest.stop()
        raise


def run_all(options, report):
    """Boots and runs the chosen cases."""
    guest, client = boot(options)
    with guest:
        for name, variants, expect in client.cases():
            if options.cases and name not in options.cases.split(','):
                continue
            if not report.run(f'{options.program}.{name}', run_case, client, name, variants, expect):
                break  # what follows a failure would only repeat it
        report.run(f'{options.program}.quiet', quiet, guest)


def control(options, name):
    """A case with its protection off: right if it fails."""
    guest, client = boot(options)
    with guest:
        rows = {row[0]: row[1:] for row in client.cases()}
        check(name in rows, 'there is no such case')
        client.check_alive()
        if options.first:
            run_case(client, options.first, *rows[options.first])
        try:
            run_case(client, name, *rows[name])
        except (Failed, OSError) as e:
            return f'without the protection the test says: {str(e).splitlines()[0]}'
    raise Failed('the case passed although the protection is off')


def quiet(guest):
    """Nothing in the whole console speaks of ring 0 in trouble."""
    panic = guest.panicked()
    check(not panic, f'trouble in ring 0: {panic}; console:\n{guest.text()[-4000:]}')
    return f'{len(guest.text().splitlines())} lines of console, none of trouble in ring 0'


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('program')
    parser.add_argument('--cpus', type=int, default=1)
    parser.add_argument('--queues', type=int, default=1)
    parser.add_argument('--image')
    parser.add_argument('--qemu', action='append', default=[])
    parser.add_argument('--set', action='append', default=[])
    parser.add_argument('--cases')
    parser.add_argument('--must-fail', action='store_true')
    parser.add_argument('--first')
    parser.add_argument('--seconds', type=int)
    options = parser.parse_args()
    options.seconds = options.seconds or (10 if options.must_fail else 60)
    report = Report()
    lab.enter(options.queues)
    try:
        if options.must_fail:
            for name in options.cases.split(','):
                report.run(f'{options.program}.{name}', control, options, name)
        else:
            run_all(options, report)
    except (Failed, OSError) as e:
        report.say('FAIL', 'boot', str(e))
    report.close()


if __name__ == '__main__':
    main()
