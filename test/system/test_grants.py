# SPDX-License-Identifier: MIT
"""Domain 0 grants pages to itself by Linux's own devices, gntalloc and gntdev (grants.c)."""
import gzip
import subprocess

import pytest

from conftest import ROOT, cpio
from test_load import audited, script

MODULES = ('xen-gntalloc', 'xen-gntdev')
SCRIPT = '''for m in {modules}; do insmod /$m.ko || echo no $m; done
/grants 40
dmesg | grep -E 'BUG: |WARNING: CPU|Call Trace|xen_mc_flush|gntdev|gntalloc' && echo KERNEL-BAD
echo END-OF-GRANTS; read answer
'''


@pytest.fixture(scope='session')
def initrd(tmp_path_factory):
    folder = tmp_path_factory.mktemp('grants')
    subprocess.run(['gcc', '-std=gnu11', '-O2', '-Wall', '-Wextra', '-Werror', '-static', '-o', folder / 'grants',
                    ROOT / 'test/system/grants.c'], check=True)
    source = next((ROOT / 'build/pkg').glob('linux-image-*[0-9]-amd64_*')) / 'lib/modules'
    files = {f'{name}.ko': next(source.rglob(f'{name}.ko')).read_bytes() for name in MODULES}
    files['grants'] = (folder / 'grants').read_bytes()
    archive = folder / 'initrd'
    archive.write_bytes((ROOT / 'build/guest/initramfs.cpio.gz').read_bytes() + gzip.compress(cpio(files), 1))
    return archive


@pytest.mark.parametrize('smp', [1, 2])
def test_granted_to_itself(boot, initrd, smp):
    machine = boot(initrd=initrd, smp=smp, append=script(SCRIPT.format(modules=' '.join(MODULES))))
    machine.expect('^END-OF-GRANTS', 120)
    if machine.settings['HV'] == 'mica':
        audited(machine)
    machine.send('\n')
    machine.ends('poweroff', 60)
    machine.lacks('GRANTS-BAD|KERNEL-BAD')
    machine.has('GRANTS-OK')
    assert machine.problems() == []
