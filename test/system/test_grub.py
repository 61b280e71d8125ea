# SPDX-License-Identifier: MIT
"""Booted by GRUB from a CD image, under BIOS and under UEFI; ACPI is found in both."""
import pytest

import iso


@pytest.mark.parametrize('uefi', ['', '1'], ids=['bios', 'uefi'])
def test_iso(boot, hypervisor, tmp_path, uefi):
    image = tmp_path / 'test.iso'
    iso.make(image, hv=hypervisor, entry='initramfs', timeout=0, disk=False)
    machine = boot(iso=image, uefi=uefi, machine='q35' if uefi else 'pc', smp=2)
    machine.expect('^MICA-INITRAMFS-OK', 180)
    # S5 goes through ACPI: a power-off shows that its tables were found.
    machine.ends('poweroff')
    machine.has('\ncpus: 2\n')
    machine.has('ACPI: RSDP')
