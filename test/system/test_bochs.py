# SPDX-License-Identifier: MIT
"""On Bochs, which has what QEMU's software emulation lacks: x2APIC, TSC-deadline, PCID, INVPCID, an invariant TSC, and
SMAP under which Linux can run: here every way into guest memory is really checked."""
import re

import pytest

import bochs
from conftest import LOGS, ROOT, tail
from test_guests import NAMES, RESULT, WORDS

pytestmark = pytest.mark.mica_only


def run(name, **given):
    log, ended, _ = bochs.boot(log=LOGS / f'bochs-{name}.log', **given)
    assert re.search(r'^\(XEN\) CPU: .* in use: NX SMEP SMAP\b', log, re.M), tail(log)
    assert '(XEN) local APIC: x2APIC' in log
    return log, ended


def test_initramfs(hypervisor):
    log, ended = run('initramfs', timeout=420)
    assert 'MICA-INITRAMFS-OK' in log, tail(log)
    assert ended == 'poweroff', tail(log)
    assert not re.findall(r'^\(XEN\) (?:warning|error):.*$', log, re.M)


@pytest.mark.matrix
@pytest.mark.parametrize('name', NAMES)
def test_guest(hypervisor, name):
    log, _ = run(f'guest-{name}', kernel=ROOT / f'build/guest/test/{name}.elf', timeout=180, until=RESULT,
                 mem=256, hvargs=f'{WORDS} noreboot')
    assert re.search(RESULT, log, re.M)[1] == 'SUCCESS', '\n'.join(re.findall(r'^not ok .*$', log, re.M)) or tail(log)
