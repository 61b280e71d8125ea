# SPDX-License-Identifier: MIT
"""Booted by GRUB from a CD image, under BIOS and under UEFI; ACPI is found in both, and Domain 0 is told of the screen."""
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
