# SPDX-License-Identifier: MIT
"""The host's side: Domain 0's CPUs, pools of CPUs, what blkfront and blkback agree on, and xen-pciback."""
import re

import pytest

import xl
from conftest import ROOT
from test_xl_devices import MIB, disk, stream

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


def test_cpus_of_domain0_under_load(host):
    """xl vcpu-set 0, down and up, while Domain 0 has more work than CPUs."""
    host('for i in 1 2 3; do ( (while :; do :; done) & echo $! >> /tmp/load ); done')
    for count, online, state in ((1, '0', '--p'), (2, '0-1', '(r--|-b-|---)')) * 2:
        host(f'xl vcpu-set 0 {count}')
        if count == 2:  # nobody in this Domain 0 does what udev does in another
            host.until('echo 1 > /sys/devices/system/cpu/cpu1/online; cat /sys/devices/system/cpu/online', f'^{online}$')
        host.until('cat /sys/devices/system/cpu/online', f'^{online}$')
        host.until('xl vcpu-list 0', rf'^Domain-0 +0 +1 +[-01] +{state} ')
    host('kill $(cat /tmp/load)')


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


def test_persistent_and_indirect_grants(host):
    """Both ends agree on them, and 64 MiB written in large requests are what comes back."""
    disk(host, 'a', 64)
    words, written = stream('p', 64 * MIB)
    guest = host.linux('demo', disks=['/srv/a.img']).boots()
    domid = host.domains()['demo'][0]
    back, front = f'/local/domain/0/backend/vbd/{domid}/51712', f'/local/domain/{domid}/device/vbd/51712'
    said = host(f'for f in {back}/feature-persistent {front}/feature-persistent {back}/feature-max-indirect-segments; '
                'do xenstore-read $f; done').split()
    assert said[:2] == ['1', '1'] and int(said[2]) >= 32
    assert int(guest('cat /sys/block/xvda/queue/max_segments')) == 32  # 11 without indirect grants
    guest(f'{words} | dd of=/dev/xvda bs=1M iflag=fullblock; sync')
    assert guest('echo 3 > /proc/sys/vm/drop_caches; md5sum /dev/xvda').split()[0] == written
    assert host('md5sum /srv/a.img').split()[0] == written
    if host.machine.settings['HV'] != 'xen':  # grants stay mapped when no request is under way
        assert int(re.search(r'(\d+) grants mapped', ' '.join(host.counts()))[1]) > 64
