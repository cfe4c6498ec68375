#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""ixd's HTTP: paths, methods, limits, headers, who is answered; the JSON that the status page lives on; metrics.

No guest runs: the table is made up (lib/status.py). promtool looks at the metrics if it is there (ci/setup --browser).
"""
import base64
import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from report import Report, check  # pylint: disable=wrong-import-position
from status import Server  # pylint: disable=wrong-import-position

PATHS = ('/', '/metrics', '/api/guests', '/api/guests/web')
SERIES = {'load_ppm', 'delay_ns', 'rate', 'connections', 'cores'}
HEADERS = {'X-Content-Type-Options': 'nosniff', 'X-Frame-Options': 'DENY', 'Referrer-Policy': 'no-referrer',
           'Cache-Control': 'no-store', 'Cross-Origin-Resource-Policy': 'same-origin'}


def methods(s):
    """GET and HEAD on what is there, and nothing else."""
    for path in PATHS:
        status, headers, body = s.ask(path)
        check(status == 200 and body, f'GET {path}: {status}')
        for name, value in HEADERS.items():
            check(headers[name] == value, f'{path}: {name} is {headers[name]}')
        status, headers, none = s.ask(path, 'HEAD')
        check(status == 200 and none == b'' and int(headers['Content-Length']) > 0, f'HEAD {path}: {status}, {none[:20]}')
        for method in ('POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH', 'TRACE'):
            status, headers, _ = s.ask(path, method, body=b'x' * 100 if method in ('POST', 'PUT') else None)
            check(status == 405 and headers['Allow'] == 'GET, HEAD', f'{method} {path}: {status}')
    return f'{len(PATHS)} paths'


def nothing_else(s):
    """Names are looked up in a table of guests, and never on a disk."""
    for path in ('/x', '//', '/../../etc/passwd', '/%2e%2e/%2e%2e/etc/passwd', '/api', '/api/guests/', '/api/guests/nobody',
                 '/api/guests/../../etc/passwd', '/api/guests/%2e%2e%2fweb', '/api/guests/WEB', '/api/guests/web/',
                 '/api/guests/web%00', '/metrics/', '/index.html', '/status.html', '/api/guests/' + 'a' * 3000):
        status, _, body = s.ask(path)
        check(status == 404 and b'root:' not in body, f'{path[:60]}: {status}')
    return 'not found'


def hosts(s):
    """A name that was rebound to 127.0.0.1 in a browser of this host is not answered."""
    for host, wanted in (('localhost', 200), ('LOCALHOST:9177', 200), ('127.0.0.1:1', 200), ('[::1]:9177', 200),
                         ('evil.example', 421), ('localhost.evil.example', 421), ('127.0.0.1.evil.example:9177', 421),
                         ('localhost:9177.evil.example', 421), ('10.77.0.1', 421), ('', 421)):
        status, _, body = s.ask('/api/guests', headers={'Host': host})
        check(status == wanted, f'Host {host}: {status}, not {wanted}')
        check(wanted == 200 or b'web' not in body, f'Host {host} is told of guests')
    return 'this host only'


def limits(s):
    """Requests that are too long, never end, or are not HTTP, and 100 connections that say nothing, harm nobody else."""
    idle = []
    for _ in range(100):
        c = socket.create_connection(('127.0.0.1', s.port), timeout=10)
        idle.append(c)
    for c in idle:
        c.close()
    for words in (b'GET / HTTP/1.1\r\nHost: localhost\r\nX: ' + b'a' * 70000 + b'\r\n\r\n', b'GET /' + b'a' * 70000,
                  b'\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03' * 50, b'\r\n' * 5000, b'GET / HTTP/9.9\r\n\r\n',
                  b'POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999\r\n\r\n',
                  b'POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n'):
        with socket.create_connection(('127.0.0.1', s.port), timeout=20) as c:
            try:
                c.sendall(words)
                c.shutdown(socket.SHUT_WR)
                answer = c.recv(100)
            except OSError:  # it hung up first
                answer = b''
            check(not answer.startswith(b'HTTP/1.1 200'), f'{words[:30]}: {answer}')
            check(s.ask('/api/guests')[0] == 200, f'after {words[:30]} nobody is answered')
    return 'others are answered'


def address(s):
    """Only on the loopback address."""
    with open('/proc/net/tcp', encoding='ascii') as f:
        at = [line.split()[1] for line in f if line.split()[3] == '0A' and line.split()[1].endswith(f':{s.port:04X}')]
    check(at == [f'0100007F:{s.port:04X}'], f'listens at {at}')
    with open('/proc/net/tcp6', encoding='ascii') as f:
        check(not any(f':{s.port:04X} ' in line and ' 0A ' in line for line in f), 'listens on IPv6, too')
    return '127.0.0.1'


def policy(s):
    """The page runs its own script and style, allowed by their sums; and has nothing from elsewhere."""
    _, headers, body = s.ask('/')
    text, allowed = body.decode(), headers['Content-Security-Policy']
    for tag in ('script', 'style'):
        inside = re.findall(f'<{tag}>(.*?)</{tag}>', text, re.S)
        check(len(inside) == 1 and f'<{tag} ' not in text, f'{len(inside)} {tag}s')
        digest = base64.b64encode(hashlib.sha256(inside[0].encode()).digest()).decode()
        check(f"{tag}-src 'sha256-{digest}';" in allowed, f'{tag} is not what the policy allows: {allowed}')
    check("default-src 'none'" in allowed and "require-trusted-types-for 'script'" in allowed and
          "frame-ancestors 'none'" in allowed and 'unsafe' not in allowed, allowed)
    check(not re.search(r'(src|href)="?(https?:)?//', text) and ' style="' not in text and not re.search(r'\son\w+=', text),
          'something from elsewhere, or inline')
    for sink in ('innerHTML', 'outerHTML', 'insertAdjacentHTML', 'document.write', 'eval('):
        check(sink not in text, f'{sink} makes markup or code of text')
    check(headers['Content-Type'] == 'text/html; charset=utf-8', headers['Content-Type'])
    check("default-src 'none'" in s.ask('/metrics')[1]['Content-Security-Policy'], 'metrics without a policy')
    return f'{len(body)} bytes'


def check_guest(g, points, step):
    """What the page reads of a guest."""
    for key, kind in (('name', str), ('health', str), ('address', str), ('cores', int), ('cores_max', int), ('connections', int),
                      ('up_s', int), ('restarts', int), ('spoofed', int), ('forbidden', int), ('why', str), ('core_list', list)):
        check(isinstance(g[key], kind), f'{g["name"]}: {key} is {g.get(key)}')
    check(g['step_s'] == step and set(g['history']) == SERIES, f'{g["name"]}: {g["step_s"]}, {list(g["history"])}')
    for key, values in g['history'].items():
        check(len(values) == points, f'{g["name"]}: {len(values)} points of {key}')
        check(all(v is None or (isinstance(v, int) and v >= 0) for v in values), f'{g["name"]}: points of {key}')
    for key in ('linked', 'error', 'from_guest_frames', 'to_guest_frames', 'dropped'):
        check(key in g['port'], f'{g["name"]}: no {key} of its port')
    for c in g['core_list']:
        check(c['state'] in ('runs', 'parked') and 0 <= c['load_ppm'] <= 1000000 and c['delay_ns'] >= 0, f'{g["name"]}: {c}')


def guests(s):
    """The JSON of all guests and of one."""
    status, headers, body = s.ask('/api/guests')
    check(status == 200 and headers['Content-Type'] == 'application/json', headers['Content-Type'])
    said = json.loads(body)
    check([g['name'] for g in said['guests']] == ['api-gateway-of-the-third-floor', 'cache', 'db', 'edge', 'web'], 'names')
    for g in said['guests']:
        check_guest(g, 180, 5)
    web, edge, cache = said['guests'][4], said['guests'][3], said['guests'][1]
    check(len(web['core_list']) == 4 and None not in web['history']['load_ppm'][1:-1], 'web has gaps')
    check(edge['health'] == 'crashed' and not edge['core_list'] and set(edge['history']['rate']) == {None}, 'edge is off')
    check(cache['history']['load_ppm'][50] is None and cache['history']['load_ppm'][-10] is not None, 'cache is 400 s old')
    check(said['ixd']['version'] == '0.0.1' and said['ixd']['pid'] == s.process.pid, said['ixd'])
    one = json.loads(s.ask('/api/guests/web')[2])['guest']
    check_guest(one, 900, 1)
    check(all(len(c['history']['load_ppm']) == 180 and set(c['history']) == SERIES - {'cores'} for c in one['core_histories']), 'cores')
    gaps = [c['history']['load_ppm'].count(None) for c in one['core_histories']]
    check(len(gaps) == 4 and gaps[0] < 3 < gaps[3] < 180, f'cores were not at work in so many of 180 steps: {gaps}')
    return f'{len(body)} bytes for 5 guests'


def metrics(s):
    """Prometheus's own tool has nothing to say, or at least the text is as it should be."""
    status, headers, body = s.ask('/metrics')
    check(status == 200 and headers['Content-Type'].startswith('text/plain; version=0.0.4'), headers['Content-Type'])
    for line in body.decode().splitlines():
        check(re.fullmatch(r'# (HELP|TYPE) \S+ .+|[a-z_0-9]+(\{.+\})? \d+(\.\d+)?', line), f'not a sample: {line}')
    tool = shutil.which('promtool')
    if tool is None:
        return f'{len(body)} bytes; promtool is not here and was not asked'
    done = subprocess.run([tool, 'check', 'metrics'], input=body, capture_output=True, timeout=120, check=False)
    check(done.returncode == 0 and not done.stderr.strip(), f'promtool: {done.stderr.decode()[-500:]}')
    return f'{len(body)} bytes, promtool agrees'


def hostile(_):
    """Whatever stands in names, in what the switch says and in pages: valid JSON and text."""
    with Server('hostile') as s:
        said = json.loads(s.ask('/api/guests')[2])
        check(len(said['guests']) == 2 and said['guests'][0]['port']['error'] == '(not text)', 'what is not UTF-8')
        check(s.ask('/api/guests/%3C/script%3E%3Cb%3Ebold')[0] == 404, 'a name that cannot be one')
        return metrics(s)


def none(_):
    """No guests are no reason to be without metrics."""
    with Server('none') as s:
        check(json.loads(s.ask('/api/guests')[2])['guests'] == [], 'guests')
        return metrics(s)


def many(_):
    """50 guests."""
    with Server('many') as s:
        check(len(json.loads(s.ask('/api/guests')[2])['guests']) == 50, 'guests')
        return metrics(s)


def main():
    """All of it."""
    report = Report()
    with Server('few') as s:
        for test in (methods, nothing_else, hosts, limits, address, policy, guests, metrics, hostile, none, many):
            report.run(test.__name__, test, s)
    report.close()


if __name__ == '__main__':
    main()
