# SPDX-License-Identifier: MIT
"""The host's side: pools of CPUs, and xen-pciback in Domain 0."""
import pytest

import xl
from conftest import ROOT

pytestmark = pytest.mark.xl


@pytest.fixture(scope='module')
def initrd(tmp_path_factory):
    """The small Domain 0, with a module that it has no other use for."""
    folder = tmp_path_factory.mktemp('host')
    drivers = next((ROOT / 'build/pkg').glob('linux-image-*[0-9]-amd64_*/lib/modules/*/kernel/drivers'))
    files = [drivers / 'xen/xen-pciback/xen-pciback.ko']
    return xl.initramfs(folder, {f'srv/{file.name}': file.read_bytes() for file in files})


@pytest.fixture
def host(xl_machines, hypervisor, initrd):
    """xl_dom0 on a machine with a network card and this module; nothing of the guests may be left."""
    dom0 = xl_machines(hypervisor, initrd=initrd, net='e1000')
    yield dom0
    if dom0.machine.ended is None:
        dom0.end_all()
        assert not dom0.clean()


def pools(dom0):
    """{name: (CPUs, domains)}"""
    rows = [line.split() for line in dom0('xl cpupool-list').splitlines()[1:]]
    return {row[0]: (int(row[1]), int(row[4])) for row in rows}


def test_a_guest_in_a_pool_of_its_own(host):
    """Created in a pool of the second CPU, taken to the other pool and back; a pool in use stays."""
    host('xl cpupool-cpu-remove Pool-0 1 && xl cpupool-create name=\\"x\\" cpus=\\"1\\"')
    host.tiny(extra='spin', pool='x').says('^tiny: spin')
    assert pools(host) == {'Pool-0': (1, 1), 'x': (1, 1)}
    for pool, cpu, count in (('x', 1, (1, 1)), ('Pool-0', 0, (2, 0)), ('x', 1, (1, 1))):
        host(f'xl cpupool-migrate tiny {pool}')
        host.until('xl vcpu-list tiny', rf'^tiny +\d+ +0 +{cpu} +[r-]--')
        assert pools(host) == {'Pool-0': (1, count[0]), 'x': (1, count[1])}
        assert host('xl list -c tiny').split()[-1] == pool
    assert "Can't destroy cpupool 'x'" in host('xl cpupool-destroy x 2>&1 || true')
    host('xl destroy tiny; xl cpupool-destroy x && xl cpupool-cpu-add Pool-0 1')
    assert pools(host) == {'Pool-0': (2, 1)}


def test_pciback_loads_and_waits(host):
    """It seizes the network card, and xl lists that; without an IOMMU a guest is not given it."""
    host('dmesg -c > /dev/null; insmod /srv/xen-pciback.ko')
    assert host('xl pci-assignable-list') == ''
    status, _ = host.ask('xl pci-assignable-add 00:02.0 2>&1')
    assert 'backend is vpci' in host('dmesg') and 'xen_pciback: seizing device' in host('dmesg')
    assert host('xl pci-assignable-list').split() == ['0000:00:02.0']
    assert status == 1, 'nothing to keep its DMA in'
    assert 'passthrough not supported' in host(f'xl create -q {host.config("bad", **xl.SMALL, pci=["00:02.0"])} 2>&1 || true')
    host.ask('xl pci-assignable-remove 00:02.0 2>&1; rmmod xen_pciback')
