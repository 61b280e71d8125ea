# SPDX-License-Identifier: MIT
"""Test guests: tiny PV kernels of our own in Domain 0's place, with the same expected output on Mica and Xen.

test/oracle/guests.json says which of them passed on Debian's Xen, with a digest of what they printed, keyed by package
versions; `make check-oracle` remakes it.
"""
import hashlib
import json
import re

import pytest

from conftest import ROOT, ORACLE, run

SMP = {'smp': 2, 'grant_map': 2, 'shares': 2}
QEMU = {'shares': '-icount shift=4,sleep=off'}  # it measures time: that of instructions
WORDS = 'dom0_mem=64M dom0_max_vcpus=4'
# Without page-table isolation Mica is mapped while a guest runs: only there do these see a check of the stubs missing.
UNISOLATED = ['bounce', 'mmuext', 'priv', 'ptwr', 'smp', 'traps']
NAMES = sorted(p.stem for p in (ROOT / 'test/guest').glob('*.c'))
RESULT = r'^Test result: (SUCCESS|FAILURE.*)\n'
KEPT = ORACLE / 'guests.json'


def versions():
    packages = json.loads((ROOT / 'build/guest/versions.json').read_text())
    return {k: v for k, v in packages.items() if 'xen-hypervisor' in k}


def remember(name, lines):
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    if kept.get('versions') != versions():
        kept = {'versions': versions(), 'passed': {}}
    kept['passed'][name] = lines
    kept['passed'] = dict(sorted(kept['passed'].items()))
    KEPT.write_text(json.dumps(kept, indent=1) + '\n')


def checks(log):
    """Every line of a check, without its number: a digest of their order and words."""
    words = re.findall(r'^(?:not )?ok \d+ - (.*?)$', log, re.M)
    return {'checks': len(words), 'digest': hashlib.sha256('\n'.join(words).encode()).hexdigest()[:16]}


CASES = [(name, run.DEFAULTS['CPU']) for name in NAMES] + [(name, 'EPYC') for name in UNISOLATED]


@pytest.mark.parametrize('name, cpu', CASES)
def test_guest(boot, hypervisor, name, cpu, request):
    if hypervisor == 'xen' and cpu == 'EPYC':
        pytest.skip('Xen loses Domain 0 where there is SMAP')
    image = ROOT / f'build/guest/test/{name}.elf'
    assert image.exists(), f'{image} is not built: make test-guests'
    words = WORDS
    if hypervisor == 'xen':
        words += ' no-bootscrub bootscrub=0 sync_console'
    machine = boot(kernel=image, initrd='none', mem='256M', hvargs=words, smp=SMP.get(name, 1),
                   cpu=cpu, qemu=QEMU.get(name, ''))
    found = machine.expect(RESULT, 300)
    machine.stop()
    failed = re.findall(r'^not ok .*$', machine.log, re.M)
    assert found[1] == 'SUCCESS', '\n'.join([found[0]] + failed)
    assert len(re.findall(RESULT, machine.log, re.M)) == 1
    if hypervisor == 'mica':
        machine.lacks('^# time went back by [1-9]')
        assert re.findall(r'audit: .*', machine.log) == ['audit: 0 findings']
    if request.config.getoption('record') and hypervisor == 'xen':
        remember(name, checks(machine.log))
    else:
        assert json.loads(KEPT.read_text())['passed'].get(name) == checks(machine.log), \
            'not what it printed on Xen: make check-oracle'


def test_every_guest_passed_on_xen():
    assert sorted(json.loads(KEPT.read_text())['passed']) == NAMES
