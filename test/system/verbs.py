#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The verbs of ixctl on a host of their own: Open vSwitch with DPDK, libvirt, QEMU and ixd, all as they are. Up, and look at the
guest in every way that there is; capture what it says to a client and read that back with tcpdump; every mistake is one clear line;
down. Run it by hand: python3 test/system/verbs.py"""
import json
import os
import pathlib
import pty
import re
import select
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
import hostlab  # noqa: E402  pylint: disable=wrong-import-position
import lab  # noqa: E402  pylint: disable=wrong-import-position
from hostlab import ixctl, wait_for  # noqa: E402  pylint: disable=wrong-import-position
from report import Failed, Report, check  # noqa: E402  pylint: disable=wrong-import-position

USAGE, DATA, MACHINE = 64, 65, 103
ADDRESS, OTHER = '10.77.0.5', '10.77.0.6'
IMAGE = lab.build_folder() / 'images/echo.ix'


def refused(status, pattern, *words):
    """ixctl WORDS ends with @status and one line that @pattern is in."""
    done = ixctl(*words, status=status)
    lines = done.err.strip().splitlines()
    said = lines[-1] if lines else ''
    check(re.search(pattern, said) and said.startswith('ixctl: '), f'expected {pattern!r}: {done}')
    check(len([n for n in lines if not re.match(r'ixctl: (starting|stopping) ', n)]) == 1, f'more than one line: {done}')


def rows(*words):
    """What ixctl WORDS --json says, an object a line."""
    return [json.loads(line) for line in ixctl(*words, '--json').out.splitlines()]


# ---- before the host is one ----
def test_no_host():
    for words in ('ps',), ('up', 'web', IMAGE), ('down', 'web'), ('inspect', 'web'), ('events',), ('top', '-n', '1'), ('logs', 'web'), \
            ('console', 'web'), ('capture', 'web'):
        refused(MACHINE, r'ixd does not answer on /run/ix/ixd\.sock: run ixctl host setup', *words)
    return 'nine verbs say that ixd does not answer, and what to do'


# ---- one guest's life ----
def test_up():
    done = ixctl('up', 'web', IMAGE, '--cpus', '1:2', '--address', f'{ADDRESS}/16', '--publish', '8007:7', '--set', 'poll_us=0')
    check(re.search(rf'^web is up: echo \S+, {ADDRESS}/16, 1 to 2 cores, 256 MiB$', done.out), done)
    done = ixctl('scale', 'web', '--cpus', '1')     # and so it stays, whatever the load
    check(re.fullmatch(r'web runs 1 core \([12] before\).*\n', done.out), done)
    hostlab.echo(ADDRESS)
    hostlab.echo(hostlab.HOST, 8007)
    return 'a guest that answers at its own address and at the host\'s port'


def test_ps():
    wait_for(lambda: rows('ps')[0]['health'] == 'ready', 30, lambda: ixctl('ps').out)
    row = rows('ps')[0]
    check(row['name'] == 'web' and row['address'] == ADDRESS and (row['cores'], row['cores_max']) == (1, 2), row)
    check(row['image']['name'] == 'echo' and row['image'] == {k: rows('inspect', 'web')[0]['record']['image'][k] for k in ('name', 'version')}, row)
    head, line = ixctl('ps').out.splitlines()
    check(head.split()[:6] == ['NAME', 'IMAGE', 'HEALTH', 'ADDRESS', 'CORES', 'MODE'], head)
    check(line.split()[:7] == ['web', 'echo', row['image']['version'], 'ready', ADDRESS, '1/1/2', 'manual'], line)
    return line


def test_inspect():
    wait_for(lambda: rows('inspect', 'web')[0]['port']['linked'], 20, 'the next look at the switch')
    hostlab.echo(ADDRESS)
    wait_for(lambda: rows('inspect', 'web')[0]['cores'][0]['frames_in'] > 0, 20, 'the next look at the page')
    seen, = rows('inspect', 'web')
    check(seen['record']['publish'] == ['8007:7'] and seen['domain']['state'] == 'running' and seen['port']['linked'], seen)
    check(seen['cores'][0]['frames_in'] > 0 and seen['now']['health'] == 'ready', seen)
    text = ixctl('inspect', 'web').out
    for word in 'as asked for', 'libvirt', 'port on the switch', 'CORE':
        check(word in text, f'{word}: {text}')
    return f'{seen["cores"][0]["frames_in"]} frames taken so far'


def test_top():
    load = hostlab.Echo(ADDRESS)
    seen = rows('top', 'web', '-n', '2')
    check(len(seen) == 2 and {row['core'] for row in seen} == {0} and {row['guest'] for row in seen} == {'web'}, seen)
    for row in seen:
        check(row['frames_in_s'] > 0 and row['segments_out_s'] > 0 and 0 < row['load'] <= 1 and row['connections'] >= 1, row)
        check(row['flow_groups'] > 0 and row['batch'] > 0, row)
    table = ixctl('top', '-n', '1').out.splitlines()
    load.stop()
    check(len(table) == 3 and table[0] == 'web: 1 cores run, 1 vCPUs, at most 2, manual', table)
    check(table[1].split()[0] == 'GUEST' and table[2].split()[:3] == ['web', '0', 'runs'], table)
    return table[2]


def follow(words, is_enough, act):
    """Runs ixctl WORDS, which does not end, calls act() once it has said something, and ends it when is_enough(all its lines)."""
    out, acted = b'', False
    with subprocess.Popen([hostlab.program('ixctl'), *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        try:
            deadline = time.monotonic() + 30
            while not is_enough(out.decode().splitlines()):
                if not select.select([process.stdout], [], [], max(0, deadline - time.monotonic()))[0]:
                    raise Failed(f'{words}: not enough within 30 s: {out}')
                some = os.read(process.stdout.fileno(), 65536)
                check(some, f'{words} ended: {out}')
                out += some
                if not acted:
                    act()
                    acted = True
        finally:
            process.kill()
    return out.decode().splitlines()


def append(text):
    """As the guest does: to the end of its console's file, which QEMU holds open."""
    with open('/var/log/ix/web.console', 'ab') as file:
        file.write(text)


def test_logs():
    seen = [row['line'] for row in rows('logs', 'web')]
    check(any(line.startswith('ready') for line in seen), seen)
    check(ixctl('logs', 'web', '-n', '2').out.splitlines() == seen[-2:], seen)
    append(b'\x1b[2J\xff\x00bell\x07\r\nnext\n')
    check([row['line'] for row in rows('logs', 'web', '-n', '2')] == ['\x1b[2J??bell\x07', 'next'], ixctl('logs', 'web', '-n', '2').out)
    on_terminal = talk('logs', 'web', '-n', '2')[1]
    check(on_terminal == b'?[2J??bell?\r\nnext\r\n', on_terminal)
    lines = follow(['logs', '-f', 'web', '-n', '1'], lambda lines: 'third' in lines, lambda: append(b'second\nthird\n'))
    check(lines == ['next', 'second', 'third'], lines)
    return f'{len(seen)} lines; a terminal is not told what to do'


def test_rotation():
    append(b''.join(b'line %06d of a guest that says the same again and again\n' % n for n in range(80000)))
    before = rows('logs', 'web', '-n', '70000')
    wait_for(lambda: os.stat('/var/log/ix/web.console').st_size < 1 << 20, 20, 'the console\'s file is set aside')
    append(b'after\n')
    after = rows('logs', 'web', '-n', '70001')
    check(after[:-1] == before and after[-1] == {'line': 'after'}, f'{len(after)} lines, the last {after[-3:]}')
    check(ixctl('logs', 'web', '-n', '1').out == 'after\n', 'the file\'s writers do not append')
    return '80000 lines set aside, none lost'


def test_events():
    seen = [(row['guest'], row['event']) for row in rows('events', 'web')]
    check(('web', 'up') in seen and ('web', 'ready') in seen, seen)
    check(all(guest == 'web' for guest, _ in seen), seen)
    every = rows('events')
    check([row for row in every if row['guest'] == 'web'] == rows('events', 'web') or len(every) > len(seen), every)
    text = ixctl('events', 'web').out
    check(re.search(r'^\d{4}-\d\d-\d\dT[\d:.]+Z  web +up  image="echo"', text, re.M), text)
    return ', '.join(event for _, event in seen)


# ---- a terminal of its own ----
def talk(*words, sends=(), until=None):
    """ixctl WORDS on a terminal: types each of @sends once, in turn, when the text before it has come. Returns status, output."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(hostlab.program('ixctl'), ['ixctl', *words])
    out, sends, deadline = b'', list(sends), time.monotonic() + 30
    while time.monotonic() < deadline and (until is None or until not in out):
        if sends and sends[0][0] in out:
            os.write(terminal, sends.pop(0)[1])
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                out += os.read(terminal, 4096) or b''
            except OSError:         # it has ended
                break
    else:
        os.kill(pid, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    os.close(terminal)
    return status, out


def test_console():
    status, out = talk('console', 'web', sends=[(b'Ctrl-]', b'hello\x1d')])
    check(status == 0 and b'left' in out, f'{status} {out}')
    refused(USAGE, r'stdin is no terminal; `ixctl logs -f` needs none', 'console', 'web')
    hostlab.echo(ADDRESS)
    return 'reached, typed at, left with Ctrl-]'


def test_top_terminal():
    _, out = talk('top', 'web', '-n', '2')
    check(out.count(b'\x1b[H\x1b[J') == 2, out)
    return 'redrawn each second'


# ---- capture ----
def frames_in(path, is_whole=True):
    """What tcpdump reads in a file, a line a frame. Not whole: it is being written."""
    done = hostlab.Done(['tcpdump', '-n', '-r', str(path)], 20)
    check(done.status == 0 or not is_whole, done)
    return done.out.splitlines()


def no_mirror():
    """Whether none is on the switch."""
    ports = hostlab.Done(['ovs-vsctl', 'list-ports', 'ix0'], 20).out
    return '[]' in hostlab.Done(['ovs-vsctl', 'get', 'Bridge', 'ix0', 'mirrors'], 20).out and 'ixc' not in ports


def start_capture(*words):
    """`ixctl capture` that has begun to capture."""
    process = subprocess.Popen([hostlab.program('ixctl'), 'capture', *map(str, words)],  # pylint: disable=consider-using-with
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    line = process.stderr.readline()
    check(line.startswith(b'ixctl: capturing'), line)
    return process


def captured(path):
    """Of each connection in a file, by its client's port: how many of the bytes 1 to 20000 were seen from the guest, and to it."""
    seen = {}
    for source, sink, first, behind in re.findall(r' IP (\S+) > (\S+): .* seq (\d+):(\d+),', '\n'.join(frames_in(path, False))):
        is_from = source == f'{ADDRESS}.7'
        port = (sink if is_from else source).rsplit('.', 1)[1]
        seen.setdefault(port, (set(), set()))[0 if is_from else 1].update(range(int(first), int(behind)))     # some come twice
    return {port: tuple(len(numbers & set(range(1, 20001))) for numbers in both) for port, both in seen.items()}


def capture_whole_connection(path):
    """A connection, and others until one is whole in the file: where the host has no time a mirror loses frames."""
    wait_for(lambda: path.exists() and path.stat().st_size >= 24, 20, 'the head of a pcap file')
    for _ in range(8):
        hostlab.echo(ADDRESS, count=20000)
        for _ in range(10):
            if (20000, 20000) in captured(path).values():
                return
            time.sleep(0.2)
    raise Failed(f'no connection is in the file with every byte of both ways: {captured(path)}')


def test_capture():
    path = pathlib.Path('/run/web.pcap')
    process = start_capture('web', '-w', path, 'tcp', 'port', '7', 'and', 'not', 'udp')
    try:
        capture_whole_connection(path)
    finally:
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=30)[1].decode()
    frames = frames_in(path)
    check(process.returncode == 0 and f'{len(frames)} frames in {path}' in said, said)
    both = [sum(words in line for line in frames) for words in (f' {ADDRESS}.7 > ', f' > {ADDRESS}.7: ')]
    check(all(both) and any('Flags [S.]' in line for line in frames), frames[:10])
    check(no_mirror(), 'the mirror is still there')
    return f'{both[0]} frames from the guest, {both[1]} to it, and every byte of both'


def test_capture_ends():
    process = start_capture('web', '-c', '3', '-w', '-', 'icmp')
    subprocess.run(['ping', '-c', '4', '-i', '0.2', ADDRESS], stdout=subprocess.DEVNULL, check=False, timeout=30)
    out, _ = process.communicate(timeout=30)
    check(process.returncode == 0, 'capture -c')
    pathlib.Path('/run/three.pcap').write_bytes(out)
    check(len(frames_in('/run/three.pcap')) == 3, f'{len(out)} bytes on stdout')
    done = ixctl('capture', 'web', '--seconds', '1', '-w', '/run/none.pcap', '--json', 'udp port 9999')
    check(done.json() == {'frames': 0, 'dropped': 0, 'file': '/run/none.pcap'} and not frames_in('/run/none.pcap'), done)
    refused(USAGE, r"filter 'tcp prt 7': .*syntax error", 'capture', 'web', 'tcp', 'prt', '7')
    refused(USAGE, r"filter '; touch /run/hacked': ", 'capture', 'web', '; touch /run/hacked')
    check(not os.path.exists('/run/hacked') and no_mirror(), 'something was left')
    return 'by number, by time, by a wrong filter'


def test_capture_killed():
    process = start_capture('web', '-w', '/run/killed.pcap')
    process.kill()
    process.communicate()
    wait_for(no_mirror, 20, 'the mirror goes with its client')
    process = start_capture('web', '-w', '/run/killed.pcap')
    os.kill(hostlab.pid_of('/run/ix/ixd.pid'), signal.SIGKILL)
    said = process.communicate(timeout=30)[1].decode()
    check(process.returncode == MACHINE and 'ixd ended before it answered' in said, said)
    hostlab.start_ixd()
    wait_for(no_mirror, 20, 'the next ixd removes what the one before has left')
    wait_for(lambda: rows('ps')[0]['health'] == 'ready', 20, lambda: ixctl('ps').out)
    hostlab.echo(ADDRESS)
    return 'client or ixd killed: no mirror stays'


# ---- mistakes ----
def test_mistakes():
    pathlib.Path('/run/broken.ix').write_bytes(IMAGE.read_bytes()[:-5000])
    for verb in 'down', 'inspect', 'logs', 'events', 'top', 'console', 'capture':
        refused(USAGE, r"there is no guest 'wed', did you mean web\?", verb, 'wed')
        refused(USAGE, r'Web', verb, 'Web')
    refused(USAGE, r"there is a guest 'web' already: ixctl down web, or ixctl replace web IMAGE", 'up', 'web', IMAGE)
    refused(DATA, r'/run/broken\.ix: ', 'up', 'db', '/run/broken.ix')
    refused(DATA, r'/run/nosuch\.ix: No such file', 'up', 'db', '/run/nosuch.ix')
    refused(USAGE, rf'address {ADDRESS} is web\'s', 'up', 'db', IMAGE, '--address', f'{ADDRESS}/16')
    refused(USAGE, r'port 8007 of the host leads to web already', 'up', 'db', IMAGE, '--address', f'{OTHER}/16', '-p', '8007:9')
    refused(USAGE, r'--memory|memory: 8 MiB are not enough', 'up', 'db', IMAGE, '--address', f'{OTHER}/16', '--memory', '8')
    refused(USAGE, r'cpus 1:9: the image echo serves on 1 to 4 cores', 'up', 'db', IMAGE, '--address', f'{OTHER}/16', '--cpus', '1:9')
    refused(USAGE, r'/run/nosuch: No such file', 'up', 'db', IMAGE, '--file', 'a=/run/nosuch')
    refused(USAGE, r'/run is not a regular file', 'up', 'db', IMAGE, '--secret', 'a=/run')
    refused(USAGE, r'expected a name and an image or folder', 'up', 'db')
    check([row['name'] for row in rows('ps')] == ['web'], ixctl('ps').out)
    return 'each is one line that says what to do'


def test_not_permitted():
    done = hostlab.ixctl_as_nobody('ps')
    check(done.status == USAGE and 'you may not use /run/ix/ixd.sock: be root or in group ix' in done.err, done)
    return done.err.strip()


COMPLETE = 'source <("$0" completion {0}); {1} COMP_WORDS=("$0" "$@"); COMP_CWORD=$#; _ixctl; printf "%s\\n" "${{COMPREPLY[@]}}"'
# For zsh what its bashcompinit does around such a function.
SHELLS = {'bash': COMPLETE.format('bash', ''), 'zsh': COMPLETE.format('zsh', 'emulate -L sh; setopt kshglob noshglob braceexpand;')}
COMPLETED = [(('',), {'up', 'image', 'ps', 'capture', '--version'}), (('image', ''), {'build', 'inspect', 'new'}), (('lo',), {'logs'}),
             (('down', ''), {'web'}), (('logs', '-n', '3', 'w'), {'web'}), (('up', 'db', 'x', '--allow', ''), {'web'}),
             (('up', '--gat'), {'--gateway'}), (('run', '--accel', ''), {'auto', 'kvm', 'tcg'}), (('up', 'db', '/etc/host'), {'/etc/hosts'}),
             (('logs', 'web', ''), set()), (('up', 'db', 'x', '--', '--c'), set())]


def test_completion():
    for shell, script in SHELLS.items():
        for words, expected in COMPLETED:
            done = hostlab.Done([shell, '-c', script, hostlab.program('ixctl'), *words], 20)
            seen = set(done.out.split())
            check(expected <= seen if expected else not seen, f'{shell} {words}: {done}')
    return 'words, options, files and, from ixd, names of guests, in bash and zsh'


def test_manual():
    pages = sorted((lab.build_folder() / 'man').glob('*.1'))
    check({'ixctl.1', 'ixctl-up.1', 'ixctl-image-build.1'} <= {page.name for page in pages}, pages)
    for page in pages:
        done = hostlab.Done(['groff', '-ww', '-man', '-Tascii', '-P-cbou', str(page)], 20)
        check(done.status == 0 and not done.err, done)
        done = hostlab.Done(['mandoc', '-Tlint', '-Wwarning', str(page)], 20)
        check(not [line for line in done.out.splitlines() if 'missing date' not in line], done)     # the same source, the same page
    help_, page = (' '.join(text.split()) for text in (ixctl('up', '--help').out, (lab.build_folder() / 'man/ixctl-up.1').read_text(encoding='ascii')))
    check('it sends at most that many Mbit/s' in help_ and 'it sends at most that many Mbit/s' in page, help_ + page)
    return f'{len(pages)} pages without a warning'


def test_down():
    done = ixctl('down', 'web', '--timeout', '20')
    check(done.out == 'web is gone\n', done)
    check(rows('ps') == [] and not os.path.exists('/dev/shm/ix-web'), ixctl('ps').out)
    check(rows('events', 'web')[-1]['event'] == 'down' and ixctl('logs', 'web', '-n', '1').out, 'nothing is left to read')
    refused(USAGE, r"there is no guest 'web'", 'down', 'web')
    return 'its power off, its record gone, its logs kept'


def main():
    """All of it, in the order of a guest's life."""
    report = Report()
    hostlab.enter()
    report.run('no_host', test_no_host)
    hostlab.set_up()
    for test in (test_up, test_ps, test_inspect, test_top, test_top_terminal, test_logs, test_rotation, test_events, test_console, test_capture,
                 test_capture_ends, test_mistakes, test_not_permitted, test_completion, test_manual, test_capture_killed, test_down):
        report.run(test.__name__.removeprefix('test_'), test)
    report.close()


if __name__ == '__main__':
    main()
