# SPDX-License-Identifier: MIT
"""Load inside Domain 0, each kind of which checks itself (load.c)."""
import base64
import gzip
import os
import re

import pytest

from conftest import ROOT, cpio


def script(text):
    return 'mica.sh=' + base64.b64encode(text.encode()).decode()


LOAD = '''{first}
/load64 {seconds} {devices} & a=$!
/load32 {seconds} & b=$!
{more}
wait $a && wait $b && echo both done
grep -E 'CPU0|nvme|eth0' /proc/interrupts
cat /proc/interrupts | grep -i -E 'timer|resched|call' | head -5
dmesg | grep -E 'detected stall|BUG: |WARNING: CPU|lockup|Call Trace|marked unstable' && echo KERNEL-BAD
echo LOAD-END; read answer
'''
# An NVMe disk with a message for each queue, each CPU's own, and a card on a line, bound to the CPU that is to go.
MODULES = 'crc64 crc64-rocksoft crct10dif_common crc-t10dif t10-pi nvme-core nvme e1000'.split()
ECHO = '10.0.2.100'
DEVICES = f'''for m in {' '.join(MODULES)}; do insmod /$m.ko || echo LOAD-BAD $m; done
until [ -b /dev/nvme0n1 ] && ifconfig eth0 10.0.2.15; do sleep 1; done
irq=$(sed -n '/eth0/s/:.*//p' /proc/interrupts | tr -d ' ')
'''
HOTPLUG = '''n=0
while kill -0 $a 2>/dev/null; do
for c in 1 2 3; do
echo $((1 << c)) > /proc/irq/$irq/smp_affinity || echo LOAD-BAD affinity $c
sleep 1
echo 0 > /sys/devices/system/cpu/cpu$c/online || echo LOAD-BAD down $c
done
for c in 1 2 3; do echo 1 > /sys/devices/system/cpu/cpu$c/online || echo LOAD-BAD up $c; sleep 1; done
n=$((n + 1))
done
echo HOTPLUG $n rounds
'''


@pytest.fixture
def devices_initrd(load_initrd, tmp_path):
    folder = next((ROOT / 'build/pkg').glob('linux-image-*[0-9]-amd64_*')) / 'lib/modules'
    initrd = tmp_path / 'initrd'
    files = {f'{name}.ko': next(folder.rglob(f'{name}.ko')).read_bytes() for name in MODULES}
    files.update(devices=DEVICES.encode(), hotplug=HOTPLUG.encode())  # a command line has 2 KiB
    initrd.write_bytes(load_initrd.read_bytes() + gzip.compress(cpio(files), 1))
    return initrd


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


def loaded(boot, initrd, seconds, first='', devices='', more='', **given):
    machine = boot(initrd=initrd, append=script(LOAD.format(
        seconds=seconds, first=first, devices=devices, more=more)), **given)
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


def with_devices(boot, initrd, seconds, **given):
    """vCPUs go down and up, and the interrupts of a disk and a network card with them."""
    disk = initrd.with_name('disk')
    with open(disk, 'wb') as f:
        f.truncate(64 << 20)
    qemu = (f'-drive if=none,id=load,format=raw,file={disk} -device nvme,serial=load,drive=load '
            f'-netdev user,id=load,guestfwd=tcp:{ECHO}:7-cmd:cat -device e1000,netdev=load')
    machine = loaded(boot, initrd, seconds, '. /devices', f'/dev/nvme0n1 {ECHO}', '. /hotplug', smp=4, qemu=qemu, **given)
    assert int(re.search(r'^HOTPLUG (\d+) rounds', machine.log, re.M)[1]) >= 1
    for name in ('nvme', 'eth0'):
        rows = [[int(n) for n in row.split()[1:5]] for row in machine.log.splitlines() if re.match(rf' *\d+: .* {name}', row)]
        assert sum(any(column) for column in zip(*rows)) >= 2, f'interrupts of {name} stay on one vCPU'


def test_four_cpus(boot, devices_initrd):
    """Two minutes."""
    with_devices(boot, devices_initrd, 120)


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
def test_soak(boot, devices_initrd):
    """An hour, or SOAK seconds."""
    with_devices(boot, devices_initrd, int(os.environ.get('SOAK', '3600')), mem='4G')
