# SPDX-License-Identifier: MIT
"""A libvirt of the bench's own: the daemon, a guest that it starts, the call that changes the number of vCPUs, and what QEMU tells of
them. Only where nobody else uses /etc/libvirt and /run: in the lab of test/lib/hostlab.py or the machine of test/lib/nested.py."""
import json
import os
import re
import subprocess
import threading
import time

from driver.guest import MEMORY_MIB, Failure
from driver.wire import MAC, TAP, lab

DAEMON_S, START_S, CALL_S = 120, 120, 120       # emulated, on a host that others keep busy
TCG_VCPUS = 64      # QEMU without KVM dies when it has made more in its life than it may have at once
# No privileges are given up and nobody else is asked: there are no services beside it.
QEMU_CONF = """security_driver = "none"
user = "root"
group = "root"
user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
namespaces = []
cgroup_controllers = []
stdio_handler = "file"
"""
NAME, DONE = 'bench', 'bench: done'
QEMU_LOG = f'/var/log/libvirt/qemu/{NAME}.log'
EVENT = re.compile(r'event (\w+) at (\d+)\.(\d+) for domain \S+ (.*)$')
TIMED_OUT = 'vcpu unplug request timed out'     # under TCG, though the vCPU is gone; the same call again counts anew

DOMAIN = """<domain type='{kind}'>
  <name>{name}</name>
  <memory unit='MiB'>{memory_mib}</memory>
  <memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>
  <vcpu placement='static' current='{cores}'>{cores_max}</vcpu>{pins}
  <sysinfo type='fwcfg'><entry name='opt/ix/seed' file='{seed}'/></sysinfo>
  <os>
    <type arch='x86_64' machine='q35'>hvm</type>
    <loader readonly='yes' type='rom'>/usr/share/qemu/qboot.rom</loader>
    {boot}
  </os>
  <features><acpi/><apic/></features>
  <cpu mode='{processor}'/>
  <on_poweroff>destroy</on_poweroff><on_reboot>destroy</on_reboot><on_crash>destroy</on_crash>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <interface type='{interface}'>
      <mac address='{mac}'/>
      {source}
      <model type='virtio-non-transitional'/>
      <driver {driver} queues='{queues}'/>
      <rom enabled='no'/>
    </interface>
    <serial type='file'><source path='{log}'/><target port='0'/></serial>
    <panic model='isa'/>
    <memballoon model='none'/>
    <controller type='usb' model='none'/>
  </devices>
</domain>
"""


def domain(wire, boot, files, cores, cores_max, is_kvm):  # pylint: disable=R0913
    """XML of a guest that starts with @cores and has queues for @cores_max. @boot: elements that say what is booted; @files: paths
    of its `seed` and its `log`."""
    if wire.backend == 'ovs':
        net = ('vhostuser', f"<source type='unix' path='{wire.switch.socket}' mode='server'/>",
               "rx_queue_size='1024' tx_queue_size='1024'")
    else:
        net = 'ethernet', f"<target dev='{TAP}' managed='no'/>", "name='qemu'"
    # SVM as TCG emulates it loses guests, Linux or IX; fewer when no vCPU goes from one CPU to another.
    pins = ''.join(f"<vcpupin vcpu='{n}' cpuset='{n}'/>" for n in range(cores_max))
    return DOMAIN.format(pins=f'<cputune>{pins}</cputune>' if is_kvm else '', kind='kvm' if is_kvm else 'qemu', name=NAME,
                         processor='host-passthrough' if is_kvm else 'maximum', memory_mib=MEMORY_MIB, cores=cores, cores_max=cores_max if is_kvm else TCG_VCPUS, queues=cores_max,
                         boot=boot, mac=MAC, interface=net[0], source=net[1], driver=net[2], **files)


class Virsh:
    """One virsh that stays, so that a call costs no start of a program."""

    def __init__(self, words=()):
        self.process = subprocess.Popen(['virsh', '-c', 'qemu:///system', *words], stdin=subprocess.PIPE, text=True,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, preexec_fn=lab.die_with_parent)

    def call(self, line):
        """What it complained of; empty is good."""
        self.process.stdin.write(f'{line}\necho "{DONE}"\n')
        self.process.stdin.flush()
        alarm = threading.Timer(CALL_S, self.process.kill)
        alarm.start()
        said = []
        try:
            for text in self.process.stdout:
                if text.strip() == DONE:
                    return '\n'.join(said)
                said += [text.strip()] if text.startswith('error:') else []   # else what it was told, and its prompt
        finally:
            alarm.cancel()
        raise Failure(f'virsh {line}: no end within {CALL_S} s: {" ".join(said)}')

    def must(self, line):
        """call() of what must succeed."""
        said = self.call(line)
        if said:
            raise Failure(f'virsh {line}: {said}')

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


class Libvirt:
    """`with Libvirt(bench) as libvirt:`; libvirtd where the wire is."""

    def __init__(self, bench):
        self.bench, self.daemon, self.virsh, self.watcher, self.events = bench, None, None, None, []

    def __enter__(self):
        os.makedirs('/etc/libvirt', exist_ok=True)
        with open('/etc/libvirt/qemu.conf', 'w', encoding='ascii') as f:
            f.write(QEMU_CONF)
        with open(self.bench.file('libvirtd.log'), 'wb') as out:
            self.daemon = subprocess.Popen([*self.bench.wire.inside, '/usr/sbin/libvirtd'], stdin=subprocess.DEVNULL, stdout=out,
                                           stderr=out, preexec_fn=lab.die_with_parent)
        deadline = time.monotonic() + DAEMON_S
        while (done := subprocess.run(['virsh', '-q', '-c', 'qemu:///system', 'uri'], stdin=subprocess.DEVNULL, capture_output=True,
                                      timeout=DAEMON_S, text=True, check=False)).returncode:
            if time.monotonic() > deadline or self.daemon.poll() is not None:
                with open(self.bench.file('libvirtd.log'), encoding='utf-8', errors='replace') as f:
                    raise Failure(f'libvirtd does not start: {done.stderr.strip()}\n{f.read()[-2000:]}')
            time.sleep(0.1)
        self.virsh = Virsh()
        return self

    def __exit__(self, *_):
        self.stop()
        if self.virsh:
            self.virsh.close()
        self.daemon.terminate()
        try:
            self.daemon.wait(10)
        except subprocess.TimeoutExpired:
            self.daemon.kill()
            self.daemon.wait()

    def start(self, xml):
        """A guest, and who writes down what QEMU tells of it."""
        path = self.bench.file('domain.xml')
        with open(path, 'w', encoding='utf-8') as f:
            f.write(xml)
        self.virsh.must(f'create {path}')
        self.events = []
        self.watcher = Virsh(['qemu-monitor-event', NAME, '--loop'])
        threading.Thread(target=self._watch, args=(self.watcher.process, self.events), daemon=True).start()

    @staticmethod
    def _watch(process, events):
        for line in process.stdout:
            found = EVENT.search(line)
            if found:
                data = json.loads(found[4]) if found[4].startswith('{') else {}
                events.append((int(found[2]) * 10**9 + int(found[3]) * 1000, found[1], data))

    def stop(self):
        """The guest, if there is one."""
        if self.watcher:
            self.watcher.process.kill()
            self.watcher.process.wait()
            self.watcher = None
        if self.virsh and self.virsh.process.poll() is None:
            self.virsh.call(f'destroy {NAME}')

    def last_words(self):
        """What QEMU told of last, and what it wrote."""
        text = [f'{event} {data}' for _, event, data in self.events[-4:]]
        if os.path.exists(QEMU_LOG):
            with open(QEMU_LOG, encoding='utf-8', errors='replace') as f:
                text += f.read().splitlines()[-4:]
        return '\n'.join(f'  | {line[-400:]}' for line in text)

    def set_vcpus(self, cores):
        """The call that is measured. Return: when it was made and when it came back (CLOCK_REALTIME, ns), whether libvirt did
        not wait long enough for QEMU, as happens under TCG."""
        begin = time.time_ns()
        said = self.virsh.call(f'setvcpus {NAME} {cores} --live')
        end = time.time_ns()
        if said and TIMED_OUT not in said:
            raise Failure(f'virsh setvcpus {cores}: {said}')
        return begin, end, bool(said)

    def told(self, name, since_ns, **data):
        """When QEMU told of the first such event at or after @since_ns, None if it has not."""
        for at, event, with_data in list(self.events):
            info = with_data.get('info', with_data)
            if event == name and at >= since_ns and all(str(info.get(k)) == str(v) for k, v in data.items()):
                return at
        return None
