# SPDX-License-Identifier: MIT
"""Debian's disk: comes up to its full target, on several machines."""
import re

import pytest

pytestmark = pytest.mark.disk
LIMIT = 300


def section(machine, name):
    text = machine.log.split('MICA-REPORT-BEGIN')[-1].split('MICA-REPORT-END')[0]
    found = re.search(rf'^== {name}\n(.*?)(?=^== |\Z)', text, re.M | re.S)
    return found[1] if found else ''


def plain(line):
    """A kernel message without what changes from boot to boot."""
    return re.sub(r'^\[ *[\d.]+\] ', '', line)


def comes_up(debian, **given):
    machine = debian(report=True, **given)
    verdict = machine.expect(r'^MICA-REPORT-END (.*)$', LIMIT)[1].strip()
    machine.ends('poweroff', 90)
    assert verdict == 'ok'
    return machine


def test_report(debian, oracle):
    """Everything at its defaults; no error line that Xen does not have too."""
    machine = comes_up(debian)
    errors = sorted({plain(line) for line in section(machine, 'errors').splitlines()})
    assert set(errors) <= set(oracle('disk-errors', errors))
    assert 'ping: ok' in section(machine, 'network')


# Pairwise over machine, disk, network, CPU, CPUs and memory.
PAIRS = [
    dict(machine='q35', disk='ahci', net='e1000', cpu='max', smp=2, mem='4G'),
    dict(machine='pc', disk='nvme', net='virtio', cpu='EPYC', smp=4, mem='1G'),
]
# What these leave out of the pairs that matter runs under make check-matrix.
MATRIX = [
    dict(machine='pc', disk='virtio', net='e1000', cpu='EPYC', smp=2, mem='4G'),
    dict(machine='pc', disk='ahci', net='virtio', cpu='qemu64', smp=1, mem='4G'),
    dict(machine='pc', disk='nvme', net='e1000', cpu='Haswell', smp=2, mem='16G'),
    dict(machine='q35', disk='virtio', net='virtio', cpu='max', smp=4, mem='16G'),
    dict(machine='q35', disk='nvme', net='e1000', cpu='qemu64', smp=4, mem='4G'),
    dict(machine='q35', disk='ahci', net='virtio', cpu='Haswell', smp=4, mem='1G'),
    dict(machine='pc', disk='ahci', net='e1000', cpu='EPYC', smp=1, mem='16G'),
    dict(machine='q35', disk='virtio', net='e1000', cpu='qemu64', smp=2, mem='1G'),
    dict(machine='q35', disk='nvme', net='virtio', cpu='max', smp=1, mem='1G'),
]


def name(given):
    return '-'.join(str(v) for v in given.values())


def runs(debian, hypervisor, given):
    if hypervisor == 'xen' and given['cpu'] in ('max', 'EPYC'):
        given = dict(given, cpu='Haswell')
    comes_up(debian, **given)


@pytest.mark.parametrize('given', PAIRS, ids=name)
def test_pairs(debian, hypervisor, given):
    runs(debian, hypervisor, given)


@pytest.mark.matrix
@pytest.mark.parametrize('given', MATRIX, ids=name)
def test_matrix(debian, hypervisor, given):
    runs(debian, hypervisor, given)


def test_root_shell(debian):
    machine = debian()
    assert 'uid=0(root)' in machine.shell('id')
    machine.send('systemctl poweroff\n')
    machine.ends('poweroff', 90)
