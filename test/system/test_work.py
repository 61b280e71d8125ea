# SPDX-License-Identifier: MIT
"""The same work costs about as many instructions on four vCPUs as on one: user code, kernel and hypervisor together."""
import re

from conftest import ROOT, compile_c
from test_load import script


def instructions(boot, plugin, initrd, vcpus):
    """Between the marks of work.c, on all CPUs; a halted CPU executes none, one that waits in a loop does."""
    machine = boot(smp=vcpus, hvargs=f'dom0_max_vcpus={vcpus}', initrd=initrd, append=script('/work\n'), icount=1,
                   qemu=f'-plugin {plugin}')
    machine.expect('^WORK-OK', 300)
    machine.ends('poweroff', 60)
    marks = re.findall(r'^count: mark hypervisor (\d+) kernel (\d+) user (\d+)', machine.log, re.M)
    return [int(n) for n in marks[1]]


def test_four_vcpus_cost_little_more_than_one(boot, initrd_with, tmp_path):
    plugin = tmp_path / 'count.so'
    compile_c('-shared', '-fPIC', '-o', plugin, ROOT / 'tools/plugin/count.c')
    initrd = initrd_with(work='work.c')
    one, four = (instructions(boot, plugin, initrd, n) for n in (1, 4))
    assert sum(four) <= 1.15 * sum(one), (one, four)
