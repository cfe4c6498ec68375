#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What ixd shows by HTTP of guests that really run: metrics and history follow what clients do, also while ixd has its hands full,
and after it was killed; a guest that goes is gone from there, too."""
import http.client
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'lib'))
import hostlab
import lab
from hostlab import ask, up, wait_for
from report import Report, check

PORT, ADDRESS, OTHER = 9177, '10.77.0.31', '10.77.0.32'
HELD, BUSY = 10, 40


def get(path):
    """The body of what is answered with 200."""
    c = http.client.HTTPConnection('127.0.0.1', PORT, timeout=20)
    try:
        c.request('GET', path)
        answer = c.getresponse()
        body = answer.read()
        check(answer.status == 200, f'{path}: {answer.status} {body[:200]}')
        return body.decode()
    finally:
        c.close()


def metric(name, **labels):
    """The sum of all samples of @name with these labels; None if there are none."""
    found = [float(value) for inside, value in re.findall(rf'^{name}(?:{{(.*)}})? (\S+)$', get('/metrics'), re.M)
             if all(f'{k}="{v}"' in inside for k, v in labels.items())]
    return sum(found) if found else None


def guest(name='web'):
    """What the page knows of it."""
    return json.loads(get(f'/api/guests/{name}'))['guest']


def is_up():
    """Whether anybody answers."""
    try:
        return metric('ixd_guests') is not None
    except OSError:
        return False


def test_traffic():
    """Ten connections that stay, one that streams: all of it is counted, by the guest and by the switch."""
    wait_for(lambda: metric('ix_guest_health', guest='web', health='ready') == 1, 30, lambda: get('/metrics')[:3000])
    check(metric('ix_guest_up', guest='web') == 1 and metric('ix_guest_cores', guest='web') == 1, 'one core')
    check(metric('ix_guest_memory_bytes', guest='web') >= 64 << 20, 'memory')
    before = metric('ix_core_segments_in_total', guest='web')
    held = [lab.connect(7, address=ADDRESS) for _ in range(HELD)]
    echo = hostlab.Echo(ADDRESS)
    wait_for(lambda: metric('ix_connections', guest='web', state='established') == HELD + 1, 20, lambda: get('/metrics')[:3000])
    wait_for(lambda: metric('ix_core_segments_in_total', guest='web') > before + 100, 20, 'segments')
    wait_for(lambda: metric('ix_port_up', guest='web') == 1, 20, 'the port is up')
    wait_for(lambda: (metric('ix_port_frames_total', guest='web', direction='from_guest') or 0) > 100, 20, 'frames on the switch')
    seen = wait_for(lambda: (g := guest()) and (g['rate'] or 0) > 10 and g['connections'] == HELD + 1 and g, 20, guest)
    points = [v for v in seen['history']['rate'] if v]
    check(points and seen['history']['cores'][-3:].count(1) >= 1, f'{points}, {seen["history"]["cores"][-5:]}')
    check(0 <= metric('ix_core_idle_ratio', guest='web') <= 1 and metric('ix_core_queue_delay_seconds', guest='web') >= 0, 'averages')
    check(metric('ix_core_segments_in_total', guest='other') < 100, "another guest's counters are its own")
    for s in held:
        s.close()
    total = echo.stop()
    wait_for(lambda: metric('ix_connections', guest='web') == 0, 20, 'they are closed')
    return f'{total} bytes echoed'


def test_busy():
    """Whoever follows events, or says nothing, holds up nobody who looks."""
    idle = []
    for i in range(BUSY):
        s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        s.connect(hostlab.SOCKET)
        if i % 2:
            s.send(json.dumps({'verb': 'events', 'follow': True}).encode())
        idle.append(s)
    try:
        for path in '/', '/metrics', '/api/guests', '/api/guests/web':
            check(get(path), path)
        wait_for(lambda: metric('ixd_requests_total') >= BUSY, 20, 'requests are counted')
        check(metric('ixd_sample_age_seconds') < 5, 'pages are read')
    finally:
        for s in idle:
            s.close()


def test_killed():
    """ixd begins anew: the same numbers go on; only the past is gone."""
    before = metric('ix_core_segments_in_total', guest='web')
    os.kill(hostlab.pid_of('/run/ix/ixd.pid'), signal.SIGKILL)
    wait_for(lambda: not is_up(), 10, 'it is gone')
    hostlab.start_ixd()
    wait_for(is_up, 20, 'it is back')
    wait_for(lambda: metric('ix_guest_health', guest='web', health='ready') == 1, 20, lambda: get('/metrics')[:3000])
    check(metric('ix_core_segments_in_total', guest='web') >= before, 'a counter went back')
    wait_for(lambda: (g := guest()) and g['history']['load_ppm'][-3] is not None, 20, 'a new history')
    check(guest()['history']['load_ppm'][0] is None, 'a past that nobody saw')


def test_switch_is_away():
    """The daemon of the switch is killed and begins anew: the port is down meanwhile, and counts on afterwards."""
    pid = hostlab.pid_of(next(pathlib.Path('/run/openvswitch').glob('ovs-vswitchd*.pid')))
    words, environ = (pathlib.Path(f'/proc/{pid}/{name}').read_text(encoding='utf-8').split('\0')[:-1] for name in ('cmdline', 'environ'))
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: metric('ix_port_up', guest='web') == 0, 40, 'the port is known to be down')
    check(metric('ix_guest_up', guest='web') == 1, 'the guest is')
    begun = subprocess.run(words, env=dict(w.split('=', 1) for w in environ), stderr=subprocess.DEVNULL, check=False, timeout=60)
    check(not begun.returncode, 'the switch does not begin')
    wait_for(lambda: metric('ix_port_up', guest='web') == 1, 40, 'the port is up again')
    wait_for(lambda: subprocess.run(['ping', '-q', '-c', '1', '-W', '1', ADDRESS], stdout=subprocess.DEVNULL, check=False).returncode == 0, 20, 'frames pass again')


def test_gone():
    """A guest that was taken away has no metrics, and no page."""
    ask('down', name='other')
    check(metric('ix_guest_up', guest='other') is None and metric('ixd_guests') == 1, 'it is still there')
    check('other' not in get('/api/guests'), 'it is still in the list')


def main():
    """All of it in one lab."""
    hostlab.enter()
    hostlab.set_up()
    up('web', 'images/echo.ix', address=f'{ADDRESS}/16')
    up('other', 'images/echo.ix', address=f'{OTHER}/16')
    report = Report()
    for test in test_traffic, test_busy, test_killed, test_switch_is_away, test_gone:
        report.run(test.__name__, test)
    ask('down', name='web')
    return report.close()


if __name__ == '__main__':
    sys.exit(main())
