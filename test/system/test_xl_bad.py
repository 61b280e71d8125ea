# SPDX-License-Identifier: MIT
"""Guests that crash, spin, flood or cannot be made: Domain 0 and the others go on, and nothing is left behind."""
import re

import pytest

from test_xl_devices import disk
from xl import SMALL

pytestmark = pytest.mark.xl


@pytest.mark.parametrize('how', ['linux', *(pytest.param(how, marks=pytest.mark.daily) for how in ('shutdown', 'fault'))])
def test_on_crash_destroy(xl_dom0, how):
    if how == 'linux':
        guest = xl_dom0.linux('demo', on_crash='destroy').boots()
        guest.ask('echo c > /proc/sysrq-trigger', 2)
    else:
        guest = xl_dom0.tiny(extra={'shutdown': 'crash'}.get(how, how), on_crash='destroy')
    guest.gone()


def test_on_crash_preserve(xl_dom0):
    guest = xl_dom0.linux('demo', on_crash='preserve').boots()
    guest.ask('echo c > /proc/sysrq-trigger', 2)
    xl_dom0.until('xl list demo', r'^demo .*-[p-]sc- ')
    guest.xl('dump-core', '/srv/demo.core')
    guest.xl('destroy')


def test_on_crash_coredump_restart(xl_dom0):
    guest = xl_dom0.linux('demo', on_crash='coredump-restart').boots()
    before = xl_dom0.domains()['demo'][0]
    guest.ask('echo c > /proc/sysrq-trigger', 2)
    xl_dom0.until('ls /var/lib/xen/dump', 'demo', 120)
    guest.boots(2)
    assert xl_dom0.domains()['demo'][0] > before


@pytest.mark.parametrize('names', [pytest.param(('spin', 'grants'), marks=pytest.mark.daily),
                                   ('spin', 'yield', 'storm', 'balloon', 'events', 'grants')], ids=len)
def test_storms(xl_dom0, names):
    """Guests that burn what they can; another one works on, and so does Domain 0."""
    there = disk(xl_dom0, 'a', 4)
    for name in names:
        xl_dom0.tiny(name, extra=name).says('^tiny: granted' if name == 'grants' else f'^tiny: {name}')
    guest = xl_dom0.linux('demo', disks=['/srv/a.img'], nets=[2]).boots(limit=300)
    assert guest('md5sum /dev/xvda').split()[0] == there
    assert ' 100% packet loss' not in guest('ping -c 5 192.168.77.1 || true')
    assert set(xl_dom0.domains()) == {'Domain-0', 'demo', *names}
    for name in names:
        xl_dom0(f'xl destroy {name}')


def test_fork_bomb(xl_dom0):
    guest = xl_dom0.linux('demo').boots()
    other = xl_dom0.linux('other').boots()
    guest.ask('bomb() { bomb | bomb & }; bomb', 2)
    assert 'other' in other('hostname')
    guest.xl('destroy')


LINUX = dict(kernel='/srv/vmlinux', ramdisk='/srv/guest.cpio.gz', memory=128, vcpus=1)
BAD = {
    'no kernel': dict(LINUX, kernel='/srv/nothing'),
    'not a kernel': dict(LINUX, kernel='/etc/xen/xl.conf'),
    'half a kernel': dict(LINUX, kernel='/srv/half'),
    'too little memory': dict(LINUX, memory=8),
    'too much memory': dict(SMALL, memory=4000),
    'too many vcpus': dict(SMALL, vcpus=9999),
    'no disk': dict(SMALL, disk=['format=raw,vdev=xvda,access=w,script=block,target=/srv/nothing.img']),
    'no bridge': dict(SMALL, vif=['bridge=nothing0']),
    'too much weight': dict(SMALL, cpu_weight=70000),
    'cpus that are not there': dict(SMALL, cpus='100'),
}
# What Mica refused stands in its log, with the domain and the call. The others libxc and libxl refuse by themselves.
WHY = {
    'no kernel': None,
    'not a kernel': None,
    'half a kernel': None,
    'too little memory': None,
    'too much memory': r'd0: claim of \d+ pages for d\d+ fails: -12',
    'too many vcpus': None,
    'no disk': None,
    'no bridge': None,
    'too much weight': None,
    'cpus that are not there': None,
}


def words(text):
    """A message without numbers that change."""
    return [re.sub(r'0x[0-9a-f]+|\b\d+\b', 'N', line) for line in text.splitlines() if 'libxl_aoutils' not in line]


@pytest.mark.daily
@pytest.mark.parametrize('what', BAD)
def test_cannot_be_made(xl_dom0, oracle, hypervisor, what):
    """Status and words are those on Xen, `xl dmesg` says why, and nothing is left (xl_dom0 looks)."""
    xl_dom0('xl dmesg -c > /dev/null')
    xl_dom0('head -c 3000000 /srv/vmlinux > /srv/half')
    path = xl_dom0.config('bad', **BAD[what])
    status, text = xl_dom0.ask(f'xl create {path}', 300)
    xl_dom0('rm /srv/half')
    said = {'status': status, 'text': words(text)}
    assert said == oracle(f'xl-bad-{what.replace(" ", "-")}', said)
    xl_dom0.until('xl list | grep -c bad', '^0')
    if hypervisor == 'mica':
        log = xl_dom0('xl dmesg')
        assert re.search(WHY[what], log) if WHY[what] else not re.search(' fails| makes no domain', log), log


@pytest.mark.mica_only
@pytest.mark.daily
def test_a_vcpu_too_many(xl_dom0):
    """128 are Mica's limit, not Xen's: libxl's usual words, and the number in `xl dmesg`."""
    xl_dom0('xl dmesg -c > /dev/null')
    status, text = xl_dom0.ask(f'xl create {xl_dom0.config("bad", **dict(SMALL, vcpus=129))}', 300)
    assert status == 3 and 'domain creation fail: Invalid argument' in text
    assert 'd0: domctl 1 (createdomain) makes no domain of 129 vCPUs: -22' in xl_dom0('xl dmesg')
    xl_dom0.tiny('many', vcpus=128, memory=32)


def audited(dom0):
    """Mica's own count of every reference finds nothing wrong."""
    dom0('xl debug-keys a')
    assert dom0.until('xl dmesg', r'audit: (\d+) findings')[1] == '0'


@pytest.mark.parametrize('times', [pytest.param(5, marks=pytest.mark.daily), 50, pytest.param(1000, marks=pytest.mark.soak)])
def test_cycles(xl_dom0, hypervisor, times):
    """After the first, each cycle of create and destroy gives back all that it took."""
    path = xl_dom0.config('tiny', kernel='/srv/tiny', memory=16, extra='block')
    cycle = f'xl create -q {path} && xl destroy tiny || echo BAD'
    assert 'BAD' not in xl_dom0(cycle)
    xl_dom0.clean()
    before, counts = xl_dom0.left(), xl_dom0.counts()
    assert 'BAD' not in xl_dom0(f'for i in $(seq {times}); do {cycle}; done', limit=60 * times)
    xl_dom0.clean()
    assert xl_dom0.left() == before
    assert xl_dom0.counts(counts) == counts
    if hypervisor == 'mica':
        audited(xl_dom0)


def test_destroyed_while_booting(xl_dom0):
    path = xl_dom0.config('demo', **LINUX)
    counts = None
    for pause in ('sleep 3;', '', 'sleep 0.2;', 'sleep 1;'):
        xl_dom0(f'xl create -q {path} && {pause} xl destroy demo')
        left = xl_dom0.clean()
        assert not left, pause
        counts = counts or xl_dom0.counts()
        assert xl_dom0.counts(counts) == counts, pause


def test_destroyed_while_being_saved(xl_dom0):
    counts = None
    for times in (1, 2):
        guest = xl_dom0.linux('demo').boots(times)
        xl_dom0('xl save demo /srv/demo.save > /dev/null 2>&1 & sleep 1; xl destroy demo; wait; rm -f /srv/demo.save')
        guest.gone()
        left = xl_dom0.clean()
        assert not left
        counts = counts or xl_dom0.counts()
    assert xl_dom0.counts(counts) == counts
