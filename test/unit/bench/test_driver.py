#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The parts of bench/driver that need no guest: peers from the command line, rows in and out, figures from rows."""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import types
import unittest
import xml.etree.ElementTree

sys.dont_write_bytecode = True
TOP = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(TOP / 'bench'))
from driver import boot, gnuplot, peers, plots, results  # noqa: E402  pylint: disable=wrong-import-position
from driver.guest import Failure  # noqa: E402  pylint: disable=wrong-import-position


def row(work, peer, metric, value, **params):
    """With the back end that most have."""
    return {'work': work, 'peer': peer, 'metric': metric, 'value': value, 'unit': '', 'params': {'backend': 'tap', **params}}


def echo_rows():
    """Two peers, three places, two rounds."""
    return [row('echo', peer, 'instructions_per_request', value * n + more, connections=n, cores=1, protocol='tcp')
            for peer, value in (('linux', 800), ('ix', 100)) for n in (1, 16, 64) for more in (0, 2)]


class PeerWords(unittest.TestCase):
    def test_a_name_and_a_command(self):
        kind, works = peers.parse('other=exec a=b')
        self.assertEqual((kind.peer, kind.text, works), ('other', 'exec a=b', peers.ALL))

    def test_works_of_a_peer(self):
        self.assertEqual(peers.parse('o_2:echo,boot=x')[1], ('echo', 'boot'))

    def test_what_is_wrong_is_said(self):
        for text, word in (('other', 'NAME=COMMAND'), ('other= ', 'NAME=COMMAND'), ('Other=x', 'small letters'), ('=x', 'small letters'),
                           ('ix=x', 'own'), ('floor=x', 'own'), ('o:loss=x', "'loss'"), ('o:=x', "''"), ('o:echo,nothing=x', "'nothing'")):
            with self.assertRaisesRegex(ValueError, word):
                peers.parse(text)

    def test_who_takes_part(self):
        of = peers.Peers([peers.parse('other:udp=x')], ['ix', 'other']).of
        self.assertEqual([[k.peer for k in of(work)] for work in ('udp', 'echo', 'loss')], [['ix', 'other'], ['ix'], ['ix']])
        self.assertNotIn('floor', [k.peer for k in peers.Peers().of('churn')])

    def test_a_command_is_told_all_that_it_needs(self):
        wire = types.SimpleNamespace(backend='tap')
        bench = types.SimpleNamespace(wire=wire, qemu='/q', work='/w')
        guest = peers.parse('other=run me')[0].__new__(peers.parse('other=run me')[0])
        guest.__dict__.update(bench=bench, plugin='insn.so,socket=a', card=',mq=on', memory_mib=256, cores=2, queues=2, log='/l',
                              text='run me')
        self.assertEqual(guest.command(['-m', 'a b']), ['/bin/sh', '-c', 'run me'])
        told = {k.removeprefix('IX_BENCH_'): v for k, v in guest.environ.items() if k.startswith('IX_BENCH_')}
        self.assertEqual(told['ARGS'], "-m 'a b'")
        self.assertEqual((told['TAP'], told['SOCKET'], told['CORES'], told['PLUGIN']), ('tap0', '', '2', 'insn.so,socket=a'))
        readme = (TOP / 'bench' / 'README.md').read_text()
        self.assertEqual([name for name in told if f'`IX_BENCH_{name}`' not in readme], [])


class Rows(unittest.TestCase):
    def test_what_was_written_is_read(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, 'a.json')
            results.write(path, {'commit': 'abc'}, echo_rows())
            self.assertEqual(results.read(path), ({'commit': 'abc'}, echo_rows()))

    def test_another_file_is_refused(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, 'a.json')
            for text in ('', '[]', '{}', '{"head": {}, "rows": [{}]}', json.dumps({'head': {}, 'rows': [{**echo_rows()[0], 'value': 'x'}]})):
                pathlib.Path(path).write_text(text, encoding='utf-8')
                with self.assertRaisesRegex(Failure, 'is not what bench/run --json writes'):
                    results.read(path)

    def test_where_a_boot_spends_its_time(self):
        with tempfile.NamedTemporaryFile('w') as f:
            f.write('x\nboot: 32000 us before the kernel, 84000 us in it (clock 4000, TCP/IP tables 700)\n')
            f.flush()
            self.assertEqual(boot.split_of(types.SimpleNamespace(log=f.name)),
                             (32000, 84000, [('clock', 4000), ('TCP/IP tables', 700)]))
            self.assertIsNone(boot.split_of(types.SimpleNamespace(log='/dev/null')))


class Figures(unittest.TestCase):
    def figure(self, rows, name='echo'):
        """The one of that name."""
        return dict(plots.figures(rows)).get(name)

    def test_a_line_a_peer_and_the_median_of_its_rounds(self):
        (title, series), = self.figure(echo_rows()).panels
        self.assertIn('tap', title)
        self.assertEqual([s.label for s in series], ['ix', 'linux (mitigations=off)', 'aim for ix: linux / 8 (tap), / 6 (ovs)'])
        self.assertEqual(series[0].points, {1: 101, 16: 1601, 64: 6401})
        self.assertEqual(series[2].points[64], 51201 / 8)

    def test_a_panel_a_back_end(self):
        more = [{**r, 'params': {**r['params'], 'backend': 'ovs'}} for r in echo_rows()]
        self.assertEqual(len(self.figure(echo_rows() + more).panels), 2)

    def test_the_readme_shows_every_figure(self):
        readme = (TOP / 'bench' / 'README.md').read_text(encoding='utf-8')
        self.assertEqual([f.name for f in plots.FIGURES if f'](results/{f.name}.svg)' not in readme], [])

    def test_no_rows_no_figure(self):
        self.assertEqual(plots.figures([]), [])
        self.assertIsNone(self.figure(echo_rows(), 'loss'))

    def test_no_loss_has_a_place_on_a_logarithmic_axis(self):
        rows = [row('loss', 'ix', 'goodput_mbit_per_s', 50 - n, loss_percent=n, way='both') for n in (0, 0.1, 10)]
        figure = self.figure(rows, 'loss')
        self.assertEqual(sorted(figure.panels[0][1][0].points), [plots.NONE_AT, 0.1, 10])
        self.assertIn(f"'0' {plots.NONE_AT}", gnuplot.figure_script(figure, 'svg', 'x'))

    def test_a_script_has_all_of_a_figure(self):
        script = gnuplot.figure_script(self.figure(echo_rows()), 'png', "it's.png")
        for text in ("set output 'it''s.png'", 'pngcairo', '64 6401', "'1' 1, '16' 16, '64' 64", gnuplot.PEER_COLOURS['ix'],
                     'instructions per request', 'set logscale y'):
            self.assertIn(text, script)

    def test_ticks(self):
        self.assertEqual(gnuplot.log_tics(343, 20754), [200, 500, 1000, 2000, 5000, 10000, 20000, 50000])
        self.assertEqual(gnuplot.log_tics(7, 7), [5, 10])
        self.assertEqual(gnuplot.log_tics(1, 1e6), [10.0 ** e for e in range(7)])
        self.assertEqual(gnuplot.linear_tics(0), [0, 1])
        self.assertEqual(gnuplot.linear_tics(100)[-1], 100)

    def test_no_two_names_of_the_legend_lie_over_each_other(self):
        series = [gnuplot.Series('n' * 30, f'p{n}', {1: 1}) for n in range(9)]
        rows = gnuplot.legend_rows(series, 900)
        self.assertEqual(sum(len(r) for r in rows), 9)
        for placed in rows:
            self.assertTrue(all(b - a > 30 * gnuplot.LETTER for (_, a), (_, b) in zip(placed, placed[1:])))
            self.assertGreaterEqual(placed[0][1], 0)

    @unittest.skipUnless(shutil.which('gnuplot'), 'gnuplot-nox is not installed (ci/setup --bench)')
    def test_gnuplot_draws_it(self):
        with tempfile.TemporaryDirectory() as folder:
            self.assertEqual(plots.draw(echo_rows() + [row('boot', p, 'boot_to_first_reply_s', 0.1) for p in ('ix', 'linux')], folder),
                             ['echo', 'boot'])
            svg = pathlib.Path(folder, 'echo.svg').read_text(encoding='utf-8')
            self.assertEqual(svg.splitlines()[0], gnuplot.LICENCE)
            self.assertEqual(xml.etree.ElementTree.fromstring(svg)[0].text, '64 B echo: guest instructions per request')
            self.assertEqual(pathlib.Path(folder, 'boot.png').read_bytes()[:4], b'\x89PNG')


class Words(unittest.TestCase):
    def test_misuse_is_told_before_anything_is_measured(self):
        for words, text in (([], 'which work'), (['echo', '--peers', 'nobody'], 'they are'), (['echo', '--peer', 'ix=x'], 'own'),
                            (['echo', '--backend', 'tap,tap'], 'at most once'), (['boot', '--profile', '/tmp/x'], 'has none'),
                            (['echo', '--json', '/nowhere/x'], 'no such folder'), (['echo', '--cores', '0'], '1 to 64')):
            done = subprocess.run([str(TOP / 'bench' / 'run'), *words], capture_output=True, text=True, check=False)
            self.assertEqual((done.returncode, text in done.stderr), (64, True), (words, done.stderr))

    def test_without_gnuplot_the_remedy_is_told_first(self):
        done = subprocess.run([sys.executable, str(TOP / 'bench' / 'run'), 'echo', '--plots', '/tmp/x'], capture_output=True, text=True,
                              check=False, env={'PATH': '/nowhere'})
        self.assertEqual(done.returncode, 64)
        self.assertIn('ci/setup --bench', done.stderr)


if __name__ == '__main__':
    unittest.main()
