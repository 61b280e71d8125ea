# SPDX-License-Identifier: MIT
"""Debian's disk: comes up to its full target, on several machines."""
import itertools
import re

import pytest

import pairs
import run

pytestmark = pytest.mark.disk
LIMIT = 300


def section(machine, name):
    text = machine.log.split('MICA-REPORT-BEGIN')[-1].split('MICA-REPORT-END')[0]
    found = re.search(rf'^== {name}\n(.*?)(?=^== |\Z)', text, re.M | re.S)
    return found[1] if found else ''


def plain(line):
    """A kernel message without what changes from boot to boot."""
    return re.sub(r'^\[ *[\d.]+\] ', '', line)


def comes_up(debian, oracle, **given):
    """To its full target, with a network, and no error line that Xen does not have too."""
    machine = debian(report=True, **given)
    verdict = machine.expect(r'^MICA-REPORT-END (.*)$', LIMIT)[1].strip()
    machine.ends('poweroff', 90)
    assert verdict == 'ok'
    assert 'ping: ok' in section(machine, 'network')
    errors = sorted({plain(line) for line in section(machine, 'errors').splitlines()})
    if not given or machine.settings['HV'] == 'mica':
        assert set(errors) <= set(oracle('disk-errors', errors))


def test_report(debian, oracle):
    """Everything at its defaults."""
    comes_up(debian, oracle)


@pytest.mark.matrix
def test_no_network_is_told(debian):
    """That the report does not call a lost network card well."""
    machine = debian(report=True, net='none')
    assert machine.expect(r'^MICA-REPORT-END (.*)$', LIMIT)[1].strip() == 'no network card;'


# With the one of test_report all that make check runs with a disk.
DEFAULTS = dict(machine='pc', disk='virtio', net='virtio', cpu='Haswell', smp=1, mem='1G')
PAIRS = [
    dict(machine='q35', disk='ahci', net='e1000', cpu='max', smp=2, mem='4G'),
    dict(machine='pc', disk='nvme', net='virtio', cpu='EPYC', smp=4, mem='1G'),
]
# What these leave out of all pairs runs under make check-matrix.
MATRIX = pairs.complete([DEFAULTS, *PAIRS])


def test_every_pair_is_there():
    """No machine is started: every two values of different settings meet in one of them."""
    met = set().union(*map(pairs.pairs, [DEFAULTS, *PAIRS, *MATRIX]))
    values = [(k, v) for k, some in pairs.VALUES.items() for v in some]
    wanted = {(a, b) for a, b in itertools.combinations(values, 2) if a[0] != b[0]}
    assert met == wanted and len(wanted) == 119
    settings = run.settings()
    assert all(str(v) == settings[k.upper()] for k, v in DEFAULTS.items() if k not in ('disk', 'net'))


def name(given):
    return '-'.join(str(v) for v in given.values())


def runs(debian, oracle, hypervisor, given):
    if hypervisor == 'xen' and given['cpu'] in ('max', 'EPYC'):
        given = dict(given, cpu='Haswell')
    comes_up(debian, oracle, **given)


@pytest.mark.parametrize('given', PAIRS, ids=name)
def test_pairs(debian, oracle, hypervisor, given):
    runs(debian, oracle, hypervisor, given)


@pytest.mark.matrix
@pytest.mark.parametrize('given', MATRIX, ids=name)
def test_matrix(debian, oracle, hypervisor, given):
    runs(debian, oracle, hypervisor, given)


def test_root_shell(debian):
    machine = debian()
    assert 'uid=0(root)' in machine.shell('id')
    machine.send('systemctl poweroff\n')
    machine.ends('poweroff', 90)
