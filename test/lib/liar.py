# SPDX-License-Identifier: MIT
"""A guest of a lab (hostlab) whose kernel sends what it is told to, in its own name or another's: test/guest/frames in the place of its image."""
import os
import pathlib
import re

import frame as fr
import hostlab
import lab
from report import check

COMMAND = 0x88b5            # test/guest/frames
PAGE_BYTES = 1 << 20        # kernel/abi/page.h
SECONDS = 90


class Liar:
    """The guest @name, which is up and has @address, with another kernel."""

    def __init__(self, name, address):
        self.name, self.address = name, address
        self.mac = bytes.fromhex(re.search(r"mac address='([^']*)'", self.xml())[1].replace(':', ''))
        with open('/sys/class/net/ixhost/address', encoding='ascii') as file:
            self.host_mac = bytes.fromhex(file.read().strip().replace(':', ''))
        self.wire = fr.Wire('ixhost')

    @staticmethod
    def virsh(*words):
        """Which must succeed."""
        done = hostlab.Done(['virsh', '-c', 'qemu:///system', *words], 60)
        check(not done.status, done)
        return done.out

    def xml(self):
        """Of its domain."""
        return self.virsh('dumpxml', '--inactive', self.name)

    def start(self, keep_page=False):
        """It is up, and sends. @keep_page: nobody writes the guest's half of its page, and ixd goes on looking at it (Puppet)."""
        kernel = f'/var/lib/ix/guests/{self.name}/frames.elf'
        pathlib.Path(kernel).write_bytes((lab.build_folder() / 'test/images/frames.elf').read_bytes())
        os.chmod(kernel, 0o644)
        xml = re.sub('<kernel>[^<]*</kernel>', f'<kernel>{kernel}</kernel>', self.xml())
        if self.virsh('domstate', self.name).strip() == 'running':
            self.virsh('destroy', self.name)
        if not keep_page:
            self.make_page()
        pathlib.Path(f'/run/ix-{self.name}.xml').write_text(xml, encoding='utf-8')
        self.virsh('define', f'/run/ix-{self.name}.xml')
        self.virsh('start', self.name)
        self.await_answer()

    def make_page(self):
        """Another file, in which is nothing."""
        page = pathlib.Path(f'/dev/shm/ix-{self.name}')
        page.unlink(missing_ok=True)
        page.write_bytes(bytes(PAGE_BYTES))
        page.chmod(0o600)
        uid = hostlab.ask('inspect', name=self.name)[0]['record']['uid']
        os.chown(page, uid, uid)

    def await_answer(self):
        """Until the guest sends what it may."""
        probe = fr.ether(self.mac, self.host_mac, COMMAND, b'send' + fr.ether(self.host_mac, self.mac, 0x0800, self.ping()))

        def answers():
            self.wire.send(probe)
            return self.wire.receive(lambda f: f[6:12] == self.mac and f[12:14] == b'\x08\x00', 0.5)
        hostlab.wait_for(answers, SECONDS, 'the kernel that lies sends what it may')

    def ping(self, source=None, target=hostlab.HOST):
        """A question, of itself unless @source says otherwise."""
        return fr.ipv4(source or self.address, target, fr.ICMP, fr.icmp(8, 0, b'IX\0\1', bytes(32)))

    def say(self, data):
        """Has it send @data."""
        check(self.wire.send(fr.ether(self.mac, self.host_mac, COMMAND, b'send' + data.ljust(60, b'\0'))), 'not sent')
