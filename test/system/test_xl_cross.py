# SPDX-License-Identifier: MIT
"""A guest saved on one hypervisor and restored on the other, on the same machine: what doc/guests.md says of moving a host."""
import pytest

import xl
from conftest import ROOT

pytestmark = pytest.mark.xl
MODULES = ('virtio/virtio_ring.ko virtio/virtio.ko virtio/virtio_pci_legacy_dev.ko virtio/virtio_pci_modern_dev.ko '
           'virtio/virtio_pci.ko block/virtio_blk.ko').split()
# Xen hides AVX on CPUs whose gathers leak (GDS); a guest that uses it can only be restored where it is shown.
NO_AVX = dict(cpuid='host,avx=0,avx2=0,fma=0,f16c=0')


@pytest.mark.mica_only
@pytest.mark.parametrize('first, second, words, hvargs', [
    ('xen', 'mica', {}, ''), ('mica', 'xen', NO_AVX, ''), ('mica', 'xen', {}, 'spec-ctrl=gds-mit=no')],
    ids=['from Xen', 'to Xen without AVX', 'to Xen that shows AVX'])
def test_restored_on_the_other(xl_machines, tmp_path, first, second, words, hvargs):
    drivers = next((ROOT / 'build/pkg').glob('linux-image-*[0-9]-amd64_*/lib/modules/*/kernel/drivers'))
    initrd = xl.initramfs(tmp_path, {f'srv/{name.split("/")[1]}': (drivers / name).read_bytes() for name in MODULES})
    with open(tmp_path / 'saved', 'wb') as f:
        f.truncate(256 << 20)
    qemu = f'-drive if=none,id=saved,format=raw,file={tmp_path}/saved -device virtio-blk-pci,drive=saved'
    load = '; '.join(f'insmod /srv/{name.split("/")[1]}' for name in MODULES) + '; [ -b /dev/vda ]'

    dom0 = xl_machines(first, initrd=initrd, qemu=qemu)
    dom0(load)
    guest = dom0.linux('demo', nets=[2], **words).boots()
    guest('echo kept > /tmp/word')
    dom0('xl save demo /dev/vda && sync')

    dom0 = xl_machines(second, initrd=initrd, qemu=qemu, **({'hvargs': hvargs} if hvargs else {}))
    dom0(load)
    dom0('echo MICA-GUEST-END > /var/log/xen/console/guest-demo.log; xl restore /dev/vda')
    guest = xl.Guest(dom0, 'demo')
    assert guest('cat /tmp/word').split() == ['kept']
    assert ' 0% packet loss' in guest('ping -c 3 192.168.77.1')
    dom0.machine.stop()
