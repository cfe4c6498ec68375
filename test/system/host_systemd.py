#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""ixctl host where systemd runs the machine, as far as that can be seen without one: a systemctl of this test does what the units
say, and writes down what it was asked. The unit that is installed is read by systemd's own checker."""
import pathlib
import re
import shutil
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'lib'))
import hostlab  # noqa: E402  pylint: disable=wrong-import-position
from report import Report, Skipped, check  # noqa: E402  pylint: disable=wrong-import-position

UNIT = pathlib.Path('/etc/systemd/system/ixd.service')
ASKED = pathlib.Path('/run/asked')
FAKE = r'''#!/bin/bash
echo "$*" >>/run/asked
unit=${!#}
run() { sed -n "s/^$1=//p" /etc/systemd/system/ixd.service; }
pid() { case $unit in libvirtd*) cat /run/libvirtd.pid ;; ixd*) cat /run/ix/ixd.pid ;; ovsdb*) cat /run/openvswitch/ovsdb-server.pid ;;
	ovs-vs*) cat /run/openvswitch/ovs-vswitchd.pid ;; esac 2>/dev/null; }
case $1 in
show) p=$(pid) && kill -0 "$p" 2>/dev/null && echo "$p" || echo 0 ;;
enable) case $unit in
	ovsdb*) mkdir -p /run/openvswitch; [ -e /etc/openvswitch/conf.db ] || ovsdb-tool create /etc/openvswitch/conf.db
		ovsdb-server /etc/openvswitch/conf.db --remote=punix:/run/openvswitch/db.sock --pidfile --detach --log-file -vconsole:off ;;
	ovs-vs*) ovs-vswitchd --pidfile --detach --log-file -vconsole:off ;;
	libvirtd*) libvirtd -d --pid-file /run/libvirtd.pid ;;
	ixd*) $(run ExecStartPre) && { setsid $(run ExecStart) </dev/null >>/var/log/ix/ixd.log 2>&1 & } ;;
	esac ;;
disable) kill "$(pid)"; while kill -0 "$(pid)" 2>/dev/null; do sleep 0.05; done ;;
daemon-reload) ;;
is-enabled) ;;
is-active) [ -e /run/started ] ;;
start) touch /run/started ;;
*) exit 1 ;;
esac
'''


def asked():
    """What systemctl was asked since the last time, without questions."""
    lines = ASKED.read_text(encoding='ascii').splitlines() if ASKED.exists() else []
    ASKED.unlink(missing_ok=True)
    return [line for line in lines if not line.startswith(('show', 'is-'))]


def ixctl(*words):
    """With that systemctl."""
    done = hostlab.Done([hostlab.program('ixctl'), 'host', *words], 120, env={'PATH': '/run/fake:/usr/sbin:/usr/bin:/sbin:/bin'})
    check(done.status == 0, str(done))
    return done


def test_setup():
    """Services are enabled, in this order, and the switch's is the build with DPDK; a second setup asks for nothing."""
    ixctl('setup', '--no-install', '--accel', 'tcg')
    check(asked() == ['enable --now ovsdb-server.service', 'enable --now ovs-vswitchd.service', 'enable --now libvirtd.service',
                      'start libvirt-guests.service', 'daemon-reload', 'enable --now ixd.service'], 'other things were asked of systemctl')
    check(pathlib.Path('/usr/sbin/ovs-vswitchd').resolve().name == 'ovs-vswitchd-dpdk', 'the alternative is not the build with DPDK')
    check('ixctl' not in pathlib.Path('/etc/libvirt/qemu.conf').read_text(encoding='utf-8'), 'qemu.conf was changed')
    ixctl('status')
    ixctl('setup', '--no-install', '--accel', 'tcg')
    check(not asked(), 'the second setup asks systemctl for something')


def test_unit():
    """It is whole, names this build's programs and is what systemd takes."""
    text = UNIT.read_text(encoding='ascii')
    check('@' not in re.sub('@system-service', '', text) and f'ExecStart={hostlab.program("ixd")}\n' in text, text)
    if not shutil.which('systemd-analyze'):
        raise Skipped('systemd-analyze is not there')
    said = hostlab.Done(['systemd-analyze', 'verify', str(UNIT)], 60).err
    check('ixd.service' not in said, said)
    return 'systemd-analyze has nothing to say about it'


def test_changed():
    """A unit of before is replaced, and ixd started anew from it."""
    UNIT.write_text(UNIT.read_text(encoding='ascii').replace('Restart=always', 'Restart=no'), encoding='ascii')
    ixctl('setup', '--no-install', '--accel', 'tcg')
    check('Restart=always' in UNIT.read_text(encoding='ascii'), 'the old unit is still there')
    check(asked() == ['daemon-reload', 'disable --now ixd.service', 'enable --now ixd.service'], 'ixd was not started anew')


def test_teardown():
    """The unit goes; libvirt is the distribution's and stays."""
    ixctl('teardown')
    check(asked() == ['disable --now ixd.service', 'daemon-reload', 'disable --now ovs-vswitchd.service',
                      'disable --now ovsdb-server.service'], 'other things were asked of systemctl')
    check(not UNIT.exists() and not pathlib.Path('/run/ix').exists(), 'something of ours is left')
    check(hostlab.pid_of('/run/libvirtd.pid'), 'libvirtd was stopped')


def main():
    hostlab.enter()
    fake = pathlib.Path('/run/fake/systemctl')
    fake.parent.mkdir()
    fake.write_text(FAKE, encoding='ascii')
    fake.chmod(0o755)
    pathlib.Path('/run/systemd/system').mkdir(parents=True)
    report = Report()
    for test in test_setup, test_unit, test_changed, test_teardown:
        if not report.run(test.__name__[5:], test):
            print(asked(), flush=True)
            break
    report.close()


main()
