#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""ixd's status page in headless Chromium, over guests that never ran: what a person finds there, and what never becomes markup.

Needs ci/setup --browser. IX_SHOTS=FOLDER keeps pictures, light, dark and narrow, for a look with one's own eyes.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from report import Report, check  # pylint: disable=wrong-import-position
from status import Server  # pylint: disable=wrong-import-position

CHROMIUM, PROMTOOL = shutil.which('chromium'), shutil.which('promtool')
QUIET = ['--headless', '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking',
         '--disable-component-update', '--disable-sync', '--hide-scrollbars']
DARK = '--blink-settings=preferredColorScheme=0'
SECONDS = 180


def look(server, *words, virtual_ms=6000, at=''):
    """Runs Chromium with a profile of its own; its stdout and what its console said."""
    profile = tempfile.mkdtemp(prefix='ix-chromium-')
    try:
        done = subprocess.run([CHROMIUM, *QUIET, f'--user-data-dir={profile}', f'--virtual-time-budget={virtual_ms}',
                               '--enable-logging=stderr', *words, f'http://127.0.0.1:{server.port}/{at}'], text=True,
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=SECONDS, check=True)
    finally:
        shutil.rmtree(profile, ignore_errors=True)
    return done.stdout, [line for line in done.stderr.splitlines() if 'CONSOLE' in line]


def dom(server, **how):
    """The page as it stands after its script ran, without the script; nothing may have complained."""
    text, console = look(server, '--dump-dom', **how)
    check('<article' in text or 'id="empty"' in text, f'no page: {text[:300]}')
    return re.sub(r'<(script|style)>.*?</\1>', '', text, flags=re.S), console


def plain(text):
    """What a person reads."""
    return re.sub(r'\s+', ' ', re.sub(r'<[^>]*>', ' ', text)).replace('&lt;', '<').replace('&gt;', '>').replace('&amp;', '&')


def few():
    """Five guests: each with name, state, cores, bars and lines."""
    with Server('few') as s:
        text, console = dom(s)
        check(not console, f'the console says {console}')
        check(text.count('<article') == 5, f'{text.count("<article")} guests')
        said = plain(text)
        for words in ('web', 'web-server 1.4', 'db', '10.77.0.2', 'application down', 'off, not asked for', 'draining', '3 restarts',
                      '1.23 k spoofed frames', 'of 16 cores', 'Guests 5 Ready 2 In trouble 2', 'ixd 0.0.1'):
            check(words in said, f'"{words}" is missing in: {said[:1500]}')
        check(text.count('class="parked"') >= 1, 'no core is parked')
        lines = re.findall(r'<path d="(M[^"]*)"', text)
        check(len(lines) >= 12 and max(map(len, lines)) > 2000, f'{len(lines)} lines')
        check('NaN' not in text and 'undefined' not in text and 'Infinity' not in text, 'a number that is none')
        check('id="notice" role="alert" hidden' in text, 'a complaint for no reason')
        return f'{len(lines)} lines'


def detail():
    """Opened by its address: larger charts, a line and a row for each core."""
    with Server('few') as s:
        text, console = dom(s, at='#web')
        check(not console, f'the console says {console}')
        check(text.count('aria-expanded="true"') == 1 and text.count('tabindex="0"') >= 8, 'web is not open')
        cores = re.findall(r'<path [^>]*data-core="(\d+)"[^>]*>', text)
        check(cores == list('0123') * 2, f'lines of cores: {cores}')
        drawn = {int(m[1]): m[0].count('M') for m in re.finditer(r'<path [^>]*data-core="(\d+)"[^>]*>', text)}
        check(drawn[0] == 1 and drawn[3] >= 2, f'pieces of each line, where a core that was not at work has a gap: {drawn}')
        check('Load, core by core' in plain(text) and 'Queue delay, core by core' in plain(text), plain(text)[-1500:])
        check(re.search(r'<li[^>]*>0: \d+ %</li>', text) and re.search(r'<li[^>]*>0: [\d.]+ (ns|µs|ms)</li>', text), 'no legend')
        check(len(re.findall(r'<tr><td>\d+</td><td>(?:runs|parked)</td>', text)) == 4, 'not four cores')
        check('Port of the switch: connected' in plain(text), 'no port')
        return f'four cores, lines in {drawn} pieces'


def hostile():
    """What others wrote is text."""
    with Server('hostile') as s:
        text, console = dom(s)
        check(not console, f'the console says {console}')
        check('<img' not in text and '<b>bold' not in text and '<script' not in text, 'markup of a stranger')
        check('pwned' not in re.search(r'<title>(.*?)</title>', text)[1], 'a script of a stranger ran')
        check('<img src=x onerror=a()>' in plain(text) and '</script><b>bold' in plain(text), 'names are not shown as they are')
        return 'text'


def none():
    """Without guests it says how to get one."""
    with Server('none') as s:
        text, console = dom(s)
        check(not console and '<article' not in text, f'{console}')
        check('There are no guests yet. ixctl up NAME IMAGE starts one.' in plain(text), plain(text))
        return 'says how to start one'


def many():
    """50 guests."""
    with Server('many') as s:
        text, console = dom(s)
        check(not console and text.count('<article') == 50, f'{text.count("<article")} guests, {console}')
        check('Guests 50 Ready 47 In trouble 3' in plain(text), plain(text)[:300])
        return '50 guests'


def gone():
    """ixd goes away: the page says so, and since when."""
    with Server('gone') as s:
        text, _ = dom(s, virtual_ms=30000)
        check('ixd does not answer. What stands here is of' in plain(text) and '<body class="stale"' in text, plain(text)[:300])
        check(text.count('<article') == 5, 'what was known is gone, too')
        return 'said'


def old():
    """ixd answers, and has not looked at its guests."""
    with Server('old') as s:
        text, _ = dom(s)
        check('has not read its guests\' pages for 61 s' in plain(text), plain(text)[:300])
        return 'said'


def pictures():
    """Something is drawn, in both themes and on a narrow screen."""
    folder = os.environ.get('IX_SHOTS') or tempfile.mkdtemp(prefix='ix-shots-')
    try:
        with Server('few') as s:
            for name, size, more in (('light', '1280,900', []), ('dark', '1280,900', [DARK]), ('narrow', '500,1400', [])):
                path = os.path.join(folder, name + '.png')
                look(s, f'--window-size={size}', f'--screenshot={path}', *more)
                with open(path, 'rb') as f:
                    head = f.read(24)
                check(head[:4] == b'\x89PNG' and int.from_bytes(head[16:20], 'big') == int(size.split(',')[0]), f'{name}: {head}')
                check(os.path.getsize(path) > 60000, f'{name}: {os.path.getsize(path)} bytes: hardly anything is on it')
    finally:
        if 'IX_SHOTS' not in os.environ:
            shutil.rmtree(folder)
    return 'light, dark, narrow'


def promtool():
    """Here it is asked in any case (system.ixd_http asks if it is there)."""
    with Server('few') as s:
        done = subprocess.run([PROMTOOL, 'check', 'metrics'], input=s.ask('/metrics')[2], capture_output=True, timeout=120, check=False)
        check(done.returncode == 0 and not done.stderr.strip(), done.stderr.decode()[-500:])
        return 'agrees'


def main():
    """All of it."""
    if CHROMIUM is None or PROMTOOL is None:
        print('SKIP status_page: chromium or promtool are not here: ci/setup --browser')
        sys.exit(77)
    report = Report()
    for test in (few, detail, hostile, none, many, gone, old, pictures, promtool):
        report.run(test.__name__, test)
    report.close()


if __name__ == '__main__':
    main()
