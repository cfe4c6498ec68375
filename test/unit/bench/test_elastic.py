#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What work `elastic` of bench/run says of a record of answers, and that its client (bench/load/answers.c) sees what there is to see:
who answers, who stands still, what is wrong. The service is a process of this test."""
import contextlib
import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import threading
import time
import types
import unittest

sys.dont_write_bytecode = True
TOP = pathlib.Path(__file__).resolve().parents[3]
CLIENT = pathlib.Path(os.environ.get('IX_BUILD', TOP / 'build')) / 'bench' / 'answers'
sys.path.insert(0, str(TOP / 'bench'))
from driver import answers, elastic, plots, results  # noqa: E402  pylint: disable=wrong-import-position
from driver.answers import NO_CORE, Answer  # noqa: E402  pylint: disable=wrong-import-position

MS = 10**6


def at(due, done, core=0):
    """Milliseconds."""
    return Answer(due * MS, done * MS, 0, core)


class Record(unittest.TestCase):
    def test_a_stall_is_what_was_waited_in_that_time(self):
        record = [at(100, 110), at(200, 900), at(2000, 0, NO_CORE)]
        self.assertEqual(answers.stall_ns(record, 0, 1000 * MS), 700 * MS)
        self.assertEqual(answers.stall_ns(record, 400 * MS, 1000 * MS), 500 * MS)
        self.assertEqual(answers.stall_ns(record, 0, 500 * MS), 300 * MS)
        self.assertEqual(answers.stall_ns(record, 950 * MS, 1000 * MS), 0)
        self.assertEqual(answers.stall_ns(record, 1900 * MS, 9000 * MS), 7000 * MS)

    def test_the_first_and_the_last_answer_of_a_core(self):
        record = [at(100, 500, 1), at(400, 450), at(410, 460, 1), at(600, 700, 1), at(800, 900, 0)]
        self.assertEqual(answers.first_by(record, {1}, 300 * MS, 1000 * MS), 460 * MS)
        self.assertIsNone(answers.first_by(record, {1}, 650 * MS, 1000 * MS))
        self.assertIsNone(answers.first_by(record, {1}, 300 * MS, 455 * MS))
        self.assertEqual(answers.last_by(record, {1}, 0, 1000 * MS), 700 * MS)
        self.assertEqual(answers.share_of(record, {1}, 0, 1000 * MS), 3 / 5)
        self.assertIsNone(answers.share_of(record, {1}, 0, 1))

    def test_what_counts_as_an_error(self):
        record = [at(10, 20), at(30, 40, NO_CORE), at(50, 0, NO_CORE), at(8900, 0, NO_CORE), at(8990, 9000)]
        self.assertEqual(answers.errors(record), 2)         # the one that may still come is none
        self.assertEqual(answers.errors(record, 35 * MS, 45 * MS), 1)

    def test_rows_and_figures(self):
        steps = [{'step': 'none', 'stall_ms': 1, 'errors': 0},
                 {'step': 'grow', 'stall_ms': 2, 'errors': 0, 'told_ms': None, 'call_ms': 5, 'first_service_ms': 30, 'share': 0.5},
                 {'step': 'shrink', 'stall_ms': 3, 'errors': 0, 'told_ms': 40, 'call_ms': 50, 'last_service_ms': 20}]
        out, plan = results.Results('elastic'), {'connections': 64, 'rate': 100, 'is_kvm': False, 'window_s': 5}
        for peer in elastic.SHOWN_AS:
            elastic.add_boot(out, {'peer': peer, 'errors': 7, 'answers': 9, 'steps': steps}, plan)
        self.assertEqual(out.median('ix', 'drain_ms', step='shrink'), 40)
        self.assertEqual(out.values('ix', 'vcpu_taken_ms'), [])
        self.assertEqual(out.values('linux', 'errors', step='all'), [7])
        self.assertEqual([name for name, _ in plots.figures(out.rows)], ['elastic'])
        with self.assertRaisesRegex(elastic.Failure, 'did not answer'):
            elastic.add_boot(out, {'peer': 'ix', 'errors': 0, 'answers': 0, 'steps': [{**steps[1], 'first_service_ms': None}]}, plan)


class Service(threading.Thread):
    """Answers with 3 as its core, until the turn of a connection in which it is to do something else."""

    def __init__(self, else_in=None):
        super().__init__(daemon=True)
        self.listener = socket.create_server(('127.0.0.1', 0))
        self.port, self.else_in = self.listener.getsockname()[1], else_in
        self.start()

    def run(self):
        while True:
            threading.Thread(target=self.serve, args=(self.listener.accept()[0],), daemon=True).start()

    def serve(self, s):
        turn = 0
        with s, contextlib.suppress(ConnectionError):
            while message := s.recv(64, socket.MSG_WAITALL):
                turn += 1
                if self.else_in == (turn, 'stall'):
                    time.sleep(0.3)
                if self.else_in == (turn, 'close'):
                    return
                message = bytes([message[0] ^ 1]) + message[1:] if self.else_in == (turn, 'change') else message
                s.sendall(message[:-1] + b'\3')


@unittest.skipUnless(CLIENT.exists(), 'ninja bench_answers')
class Client(unittest.TestCase):
    def ask(self, service, seconds=1.0):
        """What the client says and what is in its record: 4 connections, each 25 times a second."""
        with tempfile.NamedTemporaryFile() as file:
            words = [CLIENT, '127.0.0.1', str(service.port), '4', '100', file.name]
            with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
                self.assertEqual(process.stdout.readline(), 'ready\n')
                time.sleep(seconds)
                said = types.SimpleNamespace(**json.loads(process.communicate()[0]))
                self.assertEqual(process.returncode, 0)
            return said, answers.read(pathlib.Path(file.name).read_bytes())

    def test_all_is_well(self):
        said, record = self.ask(Service())
        self.assertEqual((said.errors, answers.errors(record)), (0, 0))
        self.assertEqual({a.core for a in record if a.done}, {3})
        self.assertEqual({a.connection for a in record}, {0, 1, 2, 3})
        self.assertEqual(said.answers, sum(a.done > 0 for a in record))
        self.assertGreater(said.answers, 4)

    def test_who_stands_still_is_seen(self):
        _, record = self.ask(Service((5, 'stall')), 2.0)
        late = [a for a in record if a.done and a.done - a.due >= 290 * MS]
        self.assertEqual({a.connection for a in late}, {0, 1, 2, 3})
        # What was due meanwhile waited, too, though it was sent only then.
        self.assertGreater(sum(a.done - a.due >= 100 * MS for a in record if a.done), 4)

    def test_what_is_wrong_is_an_error_and_all_goes_on(self):
        for what, word in ('close', 'closed by the guest'), ('change', 'other bytes'):
            said, record = self.ask(Service((5, what)), 2.0)
            self.assertIn(word, said.first_error)
            self.assertGreaterEqual(said.errors, 4)
            self.assertEqual(answers.errors(record), said.errors)
            self.assertGreater(said.answers, 4 * 4)


if __name__ == '__main__':
    unittest.main()
