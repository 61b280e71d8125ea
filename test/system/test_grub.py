# SPDX-License-Identifier: MIT
"""Booted by GRUB from a CD image, under BIOS and under UEFI; ACPI is found in both, and Domain 0 is told of the screen."""
import subprocess
import sys

import pytest

import iso

SCREEN = {'': 'Console: colour VGA+ 80x25', '1': 'efifb: mode is '}


@pytest.mark.parametrize('uefi', ['', '1'], ids=['bios', 'uefi'])
def test_iso(boot, hypervisor, tmp_path, uefi):
    image = tmp_path / 'test.iso'
    iso.make(image, hv=hypervisor, entry='initramfs', timeout=0, disk=False, kernel='build/guest/vmlinux')
    machine = boot(iso=image, uefi=uefi, machine='q35' if uefi else 'pc', smp=2, vga='std')
    machine.expect('^MICA-INITRAMFS-OK', 180)
    # S5 goes through ACPI: a power-off shows that its tables were found.
    machine.ends('poweroff')
    assert 'cpus: 2' in machine.log
    assert 'ACPI: RSDP' in machine.log
    assert SCREEN[uefi] in machine.log
    assert ('efi: EFI v2.' in machine.log) == bool(uefi)


@pytest.mark.matrix
@pytest.mark.parametrize('uefi', ['', '1'], ids=['bios', 'uefi'])
def test_make_iso(boot, hypervisor, tmp_path, uefi):
    """The very image that make iso makes: its first entry, after its wait, finds Domain 0's disk by the label."""
    image = tmp_path / 'mica.iso'
    subprocess.run([sys.executable, 'tools/iso.py', image, f'HV={hypervisor}'], check=True)
    machine = boot(iso=image, uefi=uefi, machine='q35' if uefi else 'pc', disk='virtio', smp=2)
    machine.expect(r'root@mica:~# ', 300)
    assert '/dev/vda' in machine.shell('findmnt -n -o SOURCE /')
    machine.send('systemctl poweroff\n')
    machine.ends('poweroff', 90)
