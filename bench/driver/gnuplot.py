# SPDX-License-Identifier: MIT
"""How a figure looks: panels side by side over one legend, colours that colour-blind people tell apart, axes that say what they are.
figure_script() is text in, text out; draw() runs gnuplot."""
import math
import os
import shutil
import subprocess
from xml.sax.saxutils import escape

# Pixels.
PANEL_WIDTH, HEIGHT, MARGIN_LEFT, MARGIN_RIGHT, GAP, PANEL_TOP = 400, 440, 78, 22, 30, 78
LEGEND_BOTTOM, LEGEND_STEP, SAMPLE, LETTER, TITLE_LETTER = 18, 22, 34, 7.6, 9
FONT = 'DejaVu Sans'
# Okabe and Ito's palette; a peer keeps its colour in every figure.
PEER_COLOURS = {'ix': '#0072B2', 'linux': '#D55E00', 'linux_default': '#E69F00', 'floor': '#009E73'}
MORE_COLOURS = ('#CC79A7', '#56B4E9', '#000000')
POINTS = {'ix': 7, 'linux': 5, 'linux_default': 9, 'floor': 13}
MORE_POINTS = (11, 6, 4)
GREY = '#888888'
LICENCE = '<!-- SPDX-License-Identifier: MIT -->'  # instead of the XML declaration, which UTF-8 does not need


class Series:
    """One line: @points {x: y}; its colour is the peer's, its dashes the @variant's (0: solid)."""

    def __init__(self, label, peer, points, variant=0):
        self.label, self.peer, self.points, self.variant = label, peer, points, variant


class Axis:
    """@label with its unit; @is_log; @tics {place: text}, empty for those of the numbers; @top: of a linear axis, None for the data's;
    @is_same: the panels share their range."""

    def __init__(self, label, is_log=False, tics=None, is_same=True):
        self.label, self.is_log, self.tics, self.is_same = label, is_log, tics or {}, is_same


class Figure:
    """@panels: [(title, [Series])]; bars: each series is a bar a panel has, its one point's x a place;
    dense: lines without points, and places marked are those of the x axis's tics."""

    def __init__(self, title, panels, x, y, is_bars=False, is_dense=False):  # pylint: disable=R0913
        self.title, self.panels, self.x, self.y, self.is_bars, self.is_dense = title, panels, x, y, is_bars, is_dense


def quoted(text):
    return "'" + str(text).replace("'", "''") + "'"


def short(value):
    """1500 -> 1.5k."""
    for size, name in ((1e9, 'G'), (1e6, 'M'), (1e3, 'k')):
        if abs(value) >= size:
            return f'{value / size:.4g}{name}'
    return f'{value:.4g}'


def log_tics(low, high):
    """1, 2 and 5 times powers of ten (the powers alone where those are many), from the last not above @low to the first not
    below @high."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    steps = (1, 2, 5) if math.log10(high / low) < 3 else (1,)
    every = [s * 10.0 ** e for e in range(first - 1, last + 2) for s in steps]
    begin = max(t for t in every if t <= low * 1.0000001)
    end = min(t for t in every if t >= high * 0.9999999)
    if begin == end:
        end = min(t for t in every if t > begin)
    return [t for t in every if begin <= t <= end]


def linear_tics(high):
    """About five from 0 to the first not below @high."""
    if high <= 0:
        return [0, 1]
    step = 10.0 ** math.floor(math.log10(high / 4))
    step *= next(s for s in (1, 2, 2.5, 5, 10) if high / (s * step) <= 5.0000001)
    return [n * step for n in range(math.ceil(high / step - 1e-9) + 1)]


def values_of(series_lists):
    return [y for series in series_lists for s in series for y in s.points.values()]


def axis_y(axis, values, is_labelled):
    """Range and tics for these values; a panel beside another that shares them has no labels."""
    if axis.is_log:
        tics = log_tics(min(v for v in values if v > 0), max(values))
    else:
        tics = linear_tics(max(values))
    places = ', '.join(f'{quoted(short(t) if is_labelled else "")} {t:.10g}' for t in tics)
    low, high = (tics[0] * 0.999, tics[-1] * 1.001) if axis.is_log else (tics[0], tics[-1])     # the ends are drawn, too
    return [f'{"set" if axis.is_log else "unset"} logscale y', f'set yrange [{low:.10g}:{high:.10g}]', f'set ytics ({places})']


def labelled(axis, places, low, high, width):
    """Which places have room for their text, in pixels: the last one, then from the left."""
    def at(place):
        share = math.log(place / low) / math.log(high / low) if axis.is_log else (place - low) / (high - low)
        return share * width, len(axis.tics.get(place, short(place))) * LETTER / 2 + 3

    kept = [places[-1]]
    for place in places[:-1]:
        x, half = at(place)
        if all(abs(x - other) >= half + other_half for other, other_half in map(at, kept)):
            kept.append(place)
    return kept


def axis_x(axis, places, is_bars, width):
    low, high = min(places), max(places)
    if axis.is_log:
        room = (high / low) ** 0.05 if high > low else 2
        low, high = low / room, high * room
    else:
        room = 0.6 if is_bars else (high - low) * 0.05 or 0.5
        low, high = low - room, high + room
    kept = labelled(axis, places, low, high, width)
    tics = ', '.join(f'{quoted(axis.tics.get(p, short(p)) if p in kept else "")} {p:.10g}' for p in places)
    return [f'{"set" if axis.is_log else "unset"} logscale x', f'set xrange [{low:.10g}:{high:.10g}]',
            f'set xtics ({tics}) scale 0.5']


def looks(legend, is_dense=False):
    """{label: (colour, point, dashes)} for the series of the legend."""
    found, others = {}, []
    for s in legend:
        if s.peer == 'aim':
            found[s.label] = (GREY, 0, 3)
            continue
        if s.peer not in PEER_COLOURS and s.peer not in others:
            others.append(s.peer)
        more = others.index(s.peer) % len(MORE_COLOURS) if s.peer in others else 0
        point = 0 if is_dense else POINTS.get(s.peer, MORE_POINTS[more]) - (s.variant > 0)
        found[s.label] = (PEER_COLOURS.get(s.peer, MORE_COLOURS[more]), point, 1 + s.variant)
    return found


def lines_of(panel, number, look):
    """Data blocks and the words of `plot`."""
    blocks, words = [], []
    for i, s in enumerate(panel):
        colour, point, dashes = look[s.label]
        style = (f'with lines lw 2 dt {dashes} lc rgb {quoted(colour)}' if not point else
                 f'with linespoints lw 2 dt {dashes} pt {point} ps 0.9 lc rgb {quoted(colour)}')
        name = f'$p{number}s{i}'
        blocks.append('\n'.join([f'{name} << EOD', *(f'{x:.10g} {y:.10g}' for x, y in sorted(s.points.items())), 'EOD']))
        words.append(f'{name} using 1:2 {style} notitle')
    return blocks, words


def legend_rows(legend, width):
    """[[(series, place of its sample in pixels)]]: as many a row as have room, each row in the middle."""
    rows, room = [[]], width - 2 * MARGIN_RIGHT
    for s in legend:
        wide = SAMPLE + 10 + len(s.label) * LETTER + 22
        if rows[-1] and sum(w for _, w in rows[-1]) + wide > room:
            rows.append([])
        rows[-1].append((s, wide))
    placed = []
    for row in rows:
        x = (width - sum(w for _, w in row) + 22) / 2
        placed.append([])
        for s, wide in row:
            placed[-1].append((s, x))
            x += wide
    return placed


def legend_words(rows, look, width):
    """A line, a point and a name for each series, below the panels."""
    words, number = [], 1
    for n, row in enumerate(rows):
        y = (LEGEND_BOTTOM + (len(rows) - 1 - n) * LEGEND_STEP) / HEIGHT
        for s, x in row:
            colour, point, dashes = look[s.label]
            words.append(f'set arrow {number} from screen {x / width:.4f},{y:.4f} to screen {(x + SAMPLE) / width:.4f},{y:.4f} nohead '
                         f'lw 2 dt {dashes} lc rgb {quoted(colour)}')
            if point:
                words.append(f'set label {2 * number} "" at screen {(x + SAMPLE / 2) / width:.4f},{y:.4f} point pt {point} ps 0.9 '
                             f'lc rgb {quoted(colour)}')
            words.append(f"set label {2 * number + 1} {quoted(s.label)} at screen {(x + SAMPLE + 8) / width:.4f},{y:.4f} left font ',12'")
            number += 1
    return words


def bars_of(panel, number, look):
    """The same for bars, each with its value above it."""
    blocks, words = [], []
    for i, s in enumerate(panel):
        name = f'$p{number}s{i}'
        rows = [f'{x:.10g} {y:.10g} "{short(float(f"{y:.3g}"))}"' for x, y in sorted(s.points.items())]
        blocks.append('\n'.join([f'{name} << EOD', *rows, 'EOD']))
        words.append(f'{name} using 1:2 with boxes fs solid 0.85 noborder lc rgb {quoted(look[s.label][0])} notitle')
        words.append(f"{name} using 1:2:3 with labels offset 0,0.6 font ',10' notitle")
    return blocks, words


def figure_script(figure, terminal, path):
    """What gnuplot is told. @terminal: svg or png."""
    count, gap = len(figure.panels), GAP if figure.y.is_same else MARGIN_LEFT
    width = max(MARGIN_LEFT + MARGIN_RIGHT + PANEL_WIDTH * count + gap * (count - 1), 640, round(len(figure.title) * TITLE_LETTER) + 40)
    panel_width = (width - MARGIN_LEFT - MARGIN_RIGHT - gap * (count - 1)) / count
    legend = list({s.label: s for _, series in figure.panels for s in series}.values())
    look, rows = looks(legend, figure.is_dense), [] if figure.is_bars else legend_rows(legend, width)
    places = sorted(figure.x.tics) if figure.is_dense else sorted({x for _, series in figure.panels for s in series for x in s.points})
    bottom = LEGEND_BOTTOM + len(rows) * LEGEND_STEP + (58 if figure.x.label else 30)
    kind = 'svg dynamic' if terminal == 'svg' else 'pngcairo'
    head = [f"set terminal {kind} noenhanced size {width},{HEIGHT} font '{FONT},12' background '#ffffff'",
            f'set output {quoted(path)}', f"set multiplot title {quoted(figure.title)} font ',14'",
            "set border 3 lc rgb '#444444'", "set tics nomirror font ',11'", "set grid ytics back lc rgb '#c8c8c8' lw 1 dt 1",
            f'set xlabel {quoted(figure.x.label)}', 'set boxwidth 0.62', 'set clip two', 'unset key',
            f'set tmargin at screen {1 - PANEL_TOP / HEIGHT:.4f}', f'set bmargin at screen {bottom / HEIGHT:.4f}']
    blocks, panels = [], []
    for number, (title, series) in enumerate(figure.panels):
        has_label = number == 0 or not figure.y.is_same
        left = MARGIN_LEFT + number * (panel_width + gap)
        data, words = (bars_of if figure.is_bars else lines_of)(series, number, look)
        blocks += data
        panels += [f'set lmargin at screen {left / width:.4f}', f'set rmargin at screen {(left + panel_width) / width:.4f}',
                   f'set title {quoted(title)} offset 0,-0.4', f'set ylabel {quoted(figure.y.label if has_label else "")} offset 0.8,0',
                   *axis_y(figure.y, values_of([s for _, s in figure.panels] if figure.y.is_same else [series]), has_label),
                   *axis_x(figure.x, places, figure.is_bars, panel_width),
                   *(legend_words(rows, look, width) if number == 0 else ['unset label', 'unset arrow']),
                   'plot ' + ', \\\n     '.join(words)]
    return '\n'.join([*head, *blocks, *panels, 'unset multiplot', 'unset output']) + '\n'


def draw(figure, folder, name):
    """NAME.svg and NAME.png. RuntimeError if gnuplot is not there or does not like it."""
    if not shutil.which('gnuplot'):
        raise RuntimeError('gnuplot is not on PATH, so there are no plots: run ci/setup --bench as root (package gnuplot-nox), '
                           'then bench/run --plot FILE.json FOLDER')
    os.makedirs(folder, exist_ok=True)
    for terminal in ('svg', 'png'):
        path = os.path.join(folder, f'{name}.{terminal}')
        done = subprocess.run(['gnuplot'], input=figure_script(figure, terminal, path), capture_output=True, text=True, check=False)
        if done.returncode or not os.path.exists(path):
            raise RuntimeError(f'gnuplot could not draw {path}: {done.stderr.strip()}')
        if terminal == 'svg':
            with open(path, encoding='utf-8') as f:
                text = f.read()
            with open(path, 'w', encoding='utf-8') as f:
                f.write(LICENCE + text.partition('?>')[2].replace('<title>Gnuplot</title>', f'<title>{escape(figure.title)}</title>'))
