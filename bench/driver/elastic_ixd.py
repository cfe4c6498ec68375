# SPDX-License-Identifier: MIT
"""A guest under ixd that `ixctl scale` resizes, on a host that `ixctl host setup` has made, in the lab of test/lib/hostlab.py."""
import time
import types

from driver.elastic_boot import FEW, MANY, Boot
from driver.guest import Failure
from driver.wire import lab
import hostlab                      # of test/lib, where wire has shown the way
from report import Failed

NAME = 'bench'


class Host:
    """`with Host():` ixd runs. wire: programs of the client run where this process runs."""
    wire = types.SimpleNamespace(inside=[], backend='ovs')

    def __init__(self, build):
        self.build = build

    def __enter__(self):
        lab.build_folder = lambda: self.build
        try:
            hostlab.set_up()
            hostlab.start_ixd()
        except Failed as e:
            raise Failure(str(e)) from e
        return self

    def __exit__(self, *_):
        """All of it ends with the lab."""


class IxdBoot(Boot):
    """By `ixctl scale`."""

    address = '10.77.0.9'
    log = f'/var/log/ix/{NAME}.console'

    def __enter__(self):
        try:
            hostlab.up(NAME, 'bench/which.ix', cpus={'min': FEW, 'max': MANY}, address=f'{self.address}/{hostlab.PREFIX}')
        except Failed as e:
            raise Failure(str(e)) from e
        self.scale(FEW)             # by hand from now on
        return self

    def __exit__(self, *_):
        hostlab.ixctl('down', NAME, status=None)

    @staticmethod
    def scale(cores):
        """Returns when it came back."""
        done = hostlab.ixctl('scale', NAME, '--cpus', cores, status=None)
        if done.status:
            raise Failure(str(done))
        return time.time_ns()

    def resize(self, name, cores):
        begin = time.time_ns()
        returned = self.scale(cores)
        return {'name': name, 'begin': begin, 'returned': returned, 'told': returned}
