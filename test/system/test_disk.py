# SPDX-License-Identifier: MIT
"""Debian's disk: comes up to its full target, on several machines."""
import itertools
import re
import subprocess
import types

import pytest

import pairs
import run
from conftest import LOGS, ROOT, tail

pytestmark = pytest.mark.disk
LIMIT = 300


def section(log, name):
    text = log.split('MICA-REPORT-BEGIN')[-1].split('MICA-REPORT-END')[0]
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
    judge(machine.log, oracle, not given or machine.settings['HV'] == 'mica')


def judge(log, oracle, errors_too=True):
    """The report has no error line that Xen's, of the machine with the defaults, has not."""
    assert 'ping: ok' in section(log, 'network')
    errors = sorted({plain(line) for line in section(log, 'errors').splitlines()})
    if errors_too:
        assert set(errors) <= set(oracle('disk-errors', errors))


def make_run(**settings):
    """What `make run < /dev/null` does once all is built: its status, and what it says on both."""
    LOGS.mkdir(parents=True, exist_ok=True)
    words = [f'{name}={value}' for name, value in {'LOG': LOGS / 'make-run.log', **settings}.items()]
    done = subprocess.run(['/usr/bin/python3', 'tools/run.py', '--dom0', *words], cwd=ROOT, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    return done.returncode, done.stdout.decode(errors='replace').replace('\r', '')


def test_report(hypervisor, oracle):
    """Everything at its defaults, as `make run` without a terminal: a report without an error line that Xen does not
    have too, then the guest `demo` comes, answers and is gone, and the machine is off."""
    status, log = make_run(HV=hypervisor)
    assert status == 0, tail(log)
    judge(log, oracle)
    demo = log.split('== demo: xl create')[1]
    for line in (r'demo +\d+ +128 +1 ', 'hostname: demo', r'[0-9a-f]{32} +/dev/xvda', r'.* 0% packet loss.*', 'MICA-DEMO-END ok',
                 'MICA-DEMO-GONE 0', r'run.py: the guest came up.*', r'run.py: Domain 0 came up, reported and powered off.*'):
        assert re.search(f'^{line}', demo, re.M), line


def test_report_of_what_cannot_run(tmp_path):
    """A broken image or kernel: a status and a reason."""
    (tmp_path / 'broken').write_bytes(b'nothing to run' * 1000)
    for setting, why in (('HV', 'run.py: QEMU ended by itself'), ('KERNEL', 'run.py: no report from Domain 0; the machine ended by ')):
        status, log = make_run(**{setting: tmp_path / 'broken'}, TIMEOUT=60, LOG=tmp_path / 'log')
        assert status == 1 and why in log, tail(log)


@pytest.mark.parametrize('log, why', [
    ('', 'nothing was heard of it'),
    ('MICA-DEMO-END no hostname;\n', 'no hostname;'),
    ('MICA-DEMO-END ok\n', 'shutting it down: nothing was heard of it'),
    ('MICA-DEMO-END ok\nMICA-DEMO-GONE 3\n', 'shutting it down: 3'),
    ('MICA-DEMO-END ok\nMICA-DEMO-GONE 0\n', None)])
def test_verdict_on_the_guest(log, why):
    try:
        run.guest_verdict(types.SimpleNamespace(log=log))
        said = None
    except SystemExit as end:
        said = end.code
    assert said == (why and f'run.py: the guest: {why}')


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
