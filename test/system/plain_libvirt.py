#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A guest without ixd under plain libvirt: hostctl/libvirt/plain.xml as it stands, on a Linux bridge. What virsh shows of it makes
sense, shutdown and the end of the program are clean, a panic is a crash.
"""
import os
import pathlib
import pty
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
import hostlab  # noqa: E402  pylint: disable=wrong-import-position
import lab  # noqa: E402  pylint: disable=wrong-import-position
from report import Report, Skipped, check  # noqa: E402  pylint: disable=wrong-import-position

FOLDER = pathlib.Path(__file__).resolve().parents[2] / 'hostctl' / 'libvirt'
# No privileges are given up and nobody else is asked: there are no services beside libvirtd here.
QEMU_CONF = """security_driver = "none"
user = "root"
group = "root"
remember_owner = 0
namespaces = []
cgroup_controllers = []
stdio_handler = "file"
"""
NAME, ADDRESS, HOST = 'echo', '192.168.122.10', '192.168.122.1/24'
IMAGE = '/var/lib/libvirt/images/echo.ix'
EMULATED = (("<domain type='kvm'>", "<domain type='qemu'>"), ("<cpu mode='host-passthrough'/>", "<cpu mode='maximum'/>"),
            ("<driver name='vhost' queues='2'/>", "<driver name='qemu' queues='2'/>"))


def virsh(*words, status=0):
    """What it said."""
    done = hostlab.Done(['virsh', '-q', '-c', 'qemu:///system', *words], 90)
    check(done.status == status, done)
    return done.out


def cloud_settings():
    """What Nova and KubeVirt give a guest of hostctl/cloud as its command line."""
    cloud = FOLDER.parent / 'cloud'
    found = [re.search(pattern, (cloud / name).read_text(encoding='utf-8'), re.M) for name, pattern in (
        ('nova-image.properties', '^os_command_line=(.+)$'), ('kubevirt.yaml', '^ *kernelArgs: (.+)$'))]
    check(all(found), 'hostctl/cloud gives the guest no settings')
    return ' '.join(m.group(1) for m in found)


def document(change=()):
    """plain.xml for a machine without KVM (which this test does not use) and without /dev/vhost-net."""
    text = (FOLDER / 'plain.xml').read_text(encoding='utf-8')
    for old, new in (*EMULATED, *change):
        check(old in text, f'plain.xml has no {old}')
        text = text.replace(old, new)
    path = pathlib.Path('/run/domain.xml')
    path.write_text(text, encoding='utf-8')
    return str(path)


def state():
    """Of the domain, with libvirt's reason."""
    return virsh('domstate', NAME, '--reason').strip()


def console_line(wanted, seconds=60):
    """Reads the console as `virsh console` shows it until a line has @wanted."""
    master, slave = pty.openpty()
    with subprocess.Popen(['virsh', '-c', 'qemu:///system', 'console', NAME, '--force'], stdin=slave, stdout=slave,
                          stderr=slave, start_new_session=True) as viewer:
        os.close(slave)
        os.set_blocking(master, False)
        seen = b''

        def is_there():
            nonlocal seen
            try:
                seen += os.read(master, 65536)
            except BlockingIOError:
                pass
            return wanted.encode() in seen
        try:
            hostlab.wait_for(is_there, seconds, lambda: f'{wanted} on the console: {seen.decode(errors="replace")}')
        finally:
            viewer.kill()
            os.close(master)


def prepare():
    """libvirtd and a bridge with an address."""
    pathlib.Path('/etc/libvirt/qemu.conf').write_text(QEMU_CONF, encoding='ascii')
    check(not hostlab.Done(['/usr/sbin/libvirtd', '-d', '--pid-file', '/run/libvirtd.pid'], 60).status, 'libvirtd starts')
    if hostlab.Done(['ip', 'link', 'add', 'br0', 'type', 'bridge'], 10).status:
        raise Skipped('no Linux bridges here')
    lab.ip('address', 'add', HOST, 'dev', 'br0')
    lab.ip('link', 'set', 'br0', 'up')
    os.makedirs(os.path.dirname(IMAGE), exist_ok=True)
    shutil.copyfile(lab.build_folder() / 'images' / 'echo.ix', IMAGE)
    hostlab.wait_for(lambda: not hostlab.Done(['virsh', '-c', 'qemu:///system', 'version'], 30).status, 60, 'libvirtd answers')


def test_documents_are_valid():
    """Both files keep to libvirt's schema, and libvirt makes a command line of each."""
    for name in 'plain.xml', 'managed.xml':
        done = hostlab.Done(['virt-xml-validate', str(FOLDER / name), 'domain'], 60)
        check(not done.status, done)
    native = virsh('domxml-to-native', 'qemu-argv', '--xml', document())
    for word in '-kernel ' + IMAGE, 'pvpanic-pci', 'virtio-net-pci', 'net.address=' + ADDRESS:
        check(word in native, f'no {word} in {native}')


def test_life():
    """Defined, started, served, shown, shut down; with settings as in a cloud."""
    virsh('define', document([('net.gateway=', f'{cloud_settings()} net.gateway=')]))
    virsh('start', NAME, '--paused')
    shown = virsh('dumpxml', NAME)
    check(IMAGE in shown and "<panic model='pvpanic'" in shown, shown)
    virsh('resume', NAME)
    console_line(f'ready echo at {ADDRESS}')
    hostlab.echo(ADDRESS)
    virsh('shutdown', NAME)
    hostlab.wait_for(lambda: state() == 'shut off (shutdown)', 60, lambda: f'shut off, but {state()}')
    virsh('undefine', NAME)
    return 'booted, served, shut down'


def test_panic():
    """A setting that does not exist is a panic, and that a crash; so is an NMI, with a report on the console."""
    virsh('define', document([('net.gateway=', 'net.gatewya=')]))
    virsh('start', NAME)
    hostlab.wait_for(lambda: state() == 'shut off (crashed)', 60, lambda: f'crashed, but {state()}')
    virsh('undefine', NAME)
    virsh('define', document())
    virsh('start', NAME)
    hostlab.wait_for(lambda: not hostlab.Done(['ping', '-c1', '-W1', ADDRESS], 10).status, 60, 'the guest answers')
    virsh('inject-nmi', NAME)
    hostlab.wait_for(lambda: state() == 'shut off (crashed)', 60, lambda: f'crashed, but {state()}')


def main():
    """Everything happens in namespaces of this test."""
    hostlab.enter()
    report = Report()
    if report.run('plain_libvirt.prepare', prepare):
        report.run('plain_libvirt.documents', test_documents_are_valid)
        report.run('plain_libvirt.life', test_life)
        report.run('plain_libvirt.panic', test_panic)
    report.close()


main()
