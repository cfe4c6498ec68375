# SPDX-License-Identifier: MIT
"""Runs in a place where the files of libvirt and ixd are nobody else's. On this host it makes that place itself (test/lib/hostlab.py)
and guests are emulated, on a switch; in the machine of test/lib/nested.py they have KVM, on a tap.

python3 elastic_run.py BUILD '{"is_kvm": ..., "cpu": ..., "guests": [peer, ...], "boots": ..., "cycles": ..., "connections": ...,
                               "rate": ..., "settle_s": ..., "window_s": ..., "rest_s": ...}'
Guests by `virsh setvcpus`, in turn; `ix_scale`, which is by `ixctl scale`, has to be the only one. A line "measured: {...}" for each
boot, "failed: {...}" for one that did not come so far; `why` of the former says what ended it early.
"""
import json
import os
import pathlib
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), '..'))
from driver import libvirt  # noqa: E402  pylint: disable=wrong-import-position
from driver.elastic_boot import MANY, VirshBoot  # noqa: E402  pylint: disable=wrong-import-position
from driver.elastic_ixd import Host, IxdBoot  # noqa: E402  pylint: disable=wrong-import-position
from driver.guest import Bench, Failure  # noqa: E402  pylint: disable=wrong-import-position
from driver.wire import SwitchWire, TapWire  # noqa: E402  pylint: disable=wrong-import-position
import hostlab  # noqa: E402  of test/lib, where wire has shown the way  pylint: disable=wrong-import-position
import ovs  # noqa: E402  pylint: disable=wrong-import-position


class SharedSwitch(SwitchWire):
    """As on a host whose PMD thread sleeps when it finds nothing: it, the vCPUs and the client float over all host CPUs."""

    def settings(self):
        return dict(ovs.SETTINGS)


def measure(boot):
    """A line of it."""
    try:
        with boot:
            measured = boot.measure()
        print('measured:', json.dumps(measured), flush=True)
    except Failure as e:
        print('failed:', json.dumps({'peer': boot.peer, 'why': str(e)}), flush=True)


def by_virsh(build, plan, folder):
    with (TapWire if plan['is_kvm'] else SharedSwitch)(plan['cpu']) as wire:
        wire.ready(MANY)
        bench = Bench(build, wire, plan['cpu'], folder)
        with libvirt.Libvirt(bench) as virt:
            for _ in range(plan['boots']):
                for peer in plan['guests']:
                    measure(VirshBoot(bench, peer, plan, virt))


def by_ixctl(build, plan, folder):
    with Host(pathlib.Path(build)) as host:
        for _ in range(plan['boots']):
            measure(IxdBoot(Bench(build, host.wire, plan['cpu'], folder), 'ix_scale', plan))


def main():
    build, plan = sys.argv[1], json.loads(sys.argv[2])
    if plan['is_kvm']:
        os.makedirs('/run/netns', exist_ok=True)
    else:
        hostlab.enter()
    with tempfile.TemporaryDirectory(prefix='ix-elastic.') as folder:
        (by_ixctl if plan['guests'] == ['ix_scale'] else by_virsh)(build, plan, folder)


main()
