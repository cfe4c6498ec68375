#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What work `policy` of bench/run says of a real guest's run, and that its client (bench/load/shaped.c) sends what it says it sends and sees
who is late. The service is a process of this test."""
import contextlib
import json
import os
import pathlib
import socket
import struct
import subprocess
import sys
import threading
import time
import unittest

sys.dont_write_bytecode = True
TOP = pathlib.Path(__file__).resolve().parents[3]
CLIENT = pathlib.Path(os.environ.get('IX_BUILD', TOP / 'build')) / 'bench' / 'shaped'
sys.path.insert(0, str(TOP / 'bench'))
from driver import plots, policy_real, results  # noqa: E402  pylint: disable=wrong-import-position

S = 10**9


def got(policy, cores, p99_us, **more):
    """A run of four seconds with so many cores, as policy_run.py says it."""
    return {'shape': 'steps', 'policy': policy, 'begins_ns': 5 * S, 'samples': [(5 * S + i * S // 10, cores) for i in range(40)],
            'changes': [], 'seconds': [[100, p99_us, 0.5]] * 4, 'due': 400, 'beyond': 4, 'unanswered': 0, 'unsent': 0, 'p50_us': 1.0,
            'p99_us': p99_us, 'p999_us': 3.0, 'max_us': 4.0, 'bound_us': 50.0, **more}


class Rows(unittest.TestCase):
    plan = {'cores': 2, 'connections': 8, 'work_ns': 1000, 'accelerator': 'tcg'}

    def test_a_number_of_cores_stands_until_the_next_one(self):
        samples = [(int(4.5 * S), 1), (int(6.25 * S), 2), (int(6.5 * S), 4), (9 * S, 1)]
        self.assertEqual(policy_real.held(samples, 5 * S, 5), [1, 1 * .25 + 2 * .25 + 4 * .5, 4, 4, 1])
        self.assertEqual(policy_real.held([(7 * S, 3)], 5 * S, 1), [3])     # nobody looked before
        with self.assertRaises(policy_real.Failure):
            policy_real.held([], 0, 1)

    def test_what_is_saved_and_at_which_p99(self):
        out = results.Results('policy')
        out.where = {'backend': 'ovs'}
        policy_real.add_run(out, got('fixed', 2, 20.0), self.plan)
        steps = {'plug_ms': 10.0, 'unpark_ms': 30.0, 'first_frame_ms': 25.0}
        changes = [{'from': 1, 'to': 2, 'signal': 'queue', 'steps': steps}, {'from': 2, 'to': 1, 'signal': 'idle', 'steps': {'park_ms': 5.0}}]
        policy_real.add_run(out, got('ix', 1, 60.0, changes=changes), self.plan)
        self.assertEqual(out.values('fixed', 'core_seconds'), [8])
        self.assertEqual(out.values('ix', 'core_seconds_saved_percent'), [50])
        self.assertEqual(out.values('ix', 'p99_to_fixed'), [3])
        self.assertEqual(out.values('ix', 'grow_ms'), [40])
        self.assertEqual((out.values('fixed', 'seconds_beyond'), out.values('ix', 'seconds_beyond')), ([0], [4]))
        self.assertEqual(out.values('ix', 'requests_beyond_bound_percent'), [1])
        self.assertEqual(out.values('load', 'cores', at_s=1.0), [0.5])
        self.assertEqual([name for name, _ in plots.figures(out.rows)], ['policy_cores_real', 'policy_p99_real'])
        policy_real.show(out)

    def test_as_many_cores_as_the_host_has(self):
        plan = policy_real.plan_of(False)
        self.assertLessEqual(plan['cores'], len(os.sched_getaffinity(0)))
        self.assertLess(plan['peak'] * plan['work_ns'] / 1e9, plan['cores'])
        self.assertEqual(policy_real.plan_of(False, 0.5)['seconds'], plan['seconds'] / 2)


class Service(threading.Thread):
    """Notes the work of each request; does nothing for 0.4 s in request @stall, changes a byte of request @change."""

    def __init__(self, stall=0, change=0):
        super().__init__(daemon=True)
        self.listener, self.lock = socket.create_server(('127.0.0.1', 0), backlog=64), threading.Lock()
        self.port, self.stall, self.change, self.works = self.listener.getsockname()[1], stall, change, []
        self.start()

    def run(self):
        while True:
            threading.Thread(target=self.serve, args=(self.listener.accept()[0],), daemon=True).start()

    def serve(self, s):
        with s, contextlib.suppress(ConnectionError):
            while message := s.recv(64, socket.MSG_WAITALL):
                with self.lock:         # so that one that stalls stalls all
                    self.works.append(struct.unpack_from('<I', message)[0])
                    count = len(self.works)
                    if count == self.stall:
                        time.sleep(0.4)
                if count == self.change:
                    message = message[:9] + bytes([message[9] ^ 1]) + message[10:]
                s.sendall(message[:-1] + b'\3')


@unittest.skipUnless(CLIENT.exists(), 'ninja bench_shaped')
class Client(unittest.TestCase):
    def ask(self, service, shape='triangle', seconds=3, connections=16, status=0):
        """400 requests a second where most are, 2 ms of work each, at most 100 ms late."""
        words = [CLIENT, '127.0.0.1', str(service.port), str(connections), shape, str(seconds), '400', '2000000', '100000', '7']
        done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, status, done.stderr)
        return json.loads(done.stdout.splitlines()[1]) if not status else done.stderr

    def test_the_load_has_its_shape_and_is_the_same_again(self):
        service = Service()
        said = self.ask(service)
        due = [second[0] for second in said['seconds']]
        self.assertEqual(sum(due), said['due'])
        self.assertEqual(said['due'], len(service.works))
        self.assertTrue(due[1] > 1.5 * due[0] and due[1] > 1.5 * due[2], due)
        self.assertTrue(450 <= said['due'] <= 750, said['due'])     # 200 a second in the mean, and chance
        mean = sum(service.works) / len(service.works)
        self.assertTrue(1.6e6 <= mean <= 2.4e6, mean)
        self.assertAlmostEqual(sum(second[2] for second in said['seconds']), sum(service.works) / 1e9, places=4)
        again = Service()
        self.assertEqual([second[0] for second in self.ask(again)['seconds']], due)
        self.assertEqual(sorted(again.works), sorted(service.works))

    def test_who_waits_is_late_though_it_was_not_sent(self):
        said = self.ask(Service(stall=100), 'flat', connections=4)      # 4 under way, 80 due meanwhile
        self.assertGreater(said['beyond'], 30)
        self.assertGreaterEqual(said['max_us'], 350_000)
        self.assertGreaterEqual(max(second[1] for second in said['seconds']), 200_000)

    def test_what_is_wrong_ends_it(self):
        self.assertIn('other bytes than were sent', self.ask(Service(change=50), status=1))

    def test_words(self):
        for wrong in (1, 'x'), (4, 'hexagon'), (5, '601'), (6, '0'), (7, '10'), (8, '0'):
            words = [CLIENT, '127.0.0.1', '7', '4', 'flat', '3', '400', '2000000', '100000', '7']
            words[wrong[0]] = str(wrong[1])
            self.assertEqual(subprocess.run(words, capture_output=True, check=False).returncode, 64, wrong)


if __name__ == '__main__':
    unittest.main()
