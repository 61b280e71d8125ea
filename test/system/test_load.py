# SPDX-License-Identifier: MIT
"""Load inside Domain 0, each kind of which checks itself (load.c)."""
import base64
import os
import re

import pytest


def script(text):
    return 'mica.sh=' + base64.b64encode(text.encode()).decode()


LOAD = '''/load64 {seconds} & a=$!
/load32 {seconds} & b=$!
{more}
wait $a && wait $b && echo both done
cat /proc/interrupts | grep -i -E 'timer|resched|call' | head -5
dmesg | grep -E 'detected stall|BUG: |WARNING: CPU|lockup|Call Trace|marked unstable' && echo KERNEL-BAD
echo LOAD-END; read answer
'''
HOTPLUG = '''while kill -0 $a 2>/dev/null; do
for c in 1 2 3; do echo 0 > /sys/devices/system/cpu/cpu$c/online; sleep 1; done
for c in 1 2 3; do echo 1 > /sys/devices/system/cpu/cpu$c/online; sleep 1; done
done
for c in 1 2 3; do echo 1 > /sys/devices/system/cpu/cpu$c/online; done 2>/dev/null
'''


def audited(machine):
    """Mica counts every reference anew while Domain 0 lives, and says how often it has warned."""
    machine.send('\x01' * 3)
    machine.expect('keys go to Mica', 30)
    machine.send('a')
    findings = machine.expect(r'\(XEN\) audit: (\d+) findings', 60)[1]
    machine.send('w')
    warnings = machine.expect(r'\(XEN\) warnings: (\d+)', 30)[1]
    machine.send('\x01' * 3)
    machine.expect('keys go to Domain 0', 30)
    assert (findings, warnings) == ('0', '0')


def loaded(boot, initrd, seconds, more='', **given):
    machine = boot(initrd=initrd, append=script(LOAD.format(
        seconds=seconds, more=more)), **given)
    machine.expect('^LOAD-END', seconds * 2 + 300)
    if machine.settings['HV'] == 'mica':
        audited(machine)
    machine.send('\n')
    machine.ends('poweroff', 60)
    machine.lacks('LOAD-BAD|KERNEL-BAD')
    machine.has('both done')
    assert len(re.findall('^LOAD-OK', machine.log, re.M)) == 2
    assert machine.problems() == []
    return machine


def test_one_cpu(boot, load_initrd):
    loaded(boot, load_initrd, 10)


def test_four_cpus(boot, load_initrd):
    """Two minutes, vCPUs going down and up meanwhile."""
    loaded(boot, load_initrd, 120, HOTPLUG, smp=4)


def test_more_vcpus_than_cpus(boot, load_initrd):
    """Four vCPUs take turns on two CPUs: nothing of one stays behind for the next."""
    loaded(boot, load_initrd, 20, smp=2, hvargs='dom0_max_vcpus=4')


def test_amd(boot, hypervisor, load_initrd):
    """Where 32-bit programs call by SYSCALL, and with SMAP as far as it works."""
    if hypervisor == 'xen':
        pytest.skip('Xen loses Domain 0 on this model here')
    loaded(boot, load_initrd, 10, smp=2, cpu='EPYC')


def test_stable_tsc(boot, hypervisor, load_initrd):
    """Told that the TSCs agree, programs read the clock without a call; it still never goes back."""
    if hypervisor == 'xen':
        pytest.skip('its word for this is tsc=stable:socket, and it says no such line')
    loaded(boot, load_initrd, 10, smp=2, hvargs='tsc=stable').has('MHz, stable')


@pytest.mark.soak
def test_soak(boot, load_initrd):
    """An hour, or SOAK seconds."""
    loaded(boot, load_initrd, int(os.environ.get('SOAK', '3600')), HOTPLUG, smp=4, mem='4G')
