# SPDX-License-Identifier: MIT
"""Live migration to this very host: a memory checker inside the guest finds no wrong byte, and what fails does no harm.

Xen's shadow_op answers EOPNOTSUPP for PV guests, so moving one is Mica's alone; that the guest goes on is asked of both.
"""
import re

import pytest

from test_xl_bad import audited

pytestmark = pytest.mark.xl
MIGRATE = "xl migrate -s '' {} 'exec xl migrate-receive'"


def checker(dom0, **words):
    """A guest with dirty.c at work and a disk for its swap."""
    dom0('(zcat /srv/guest.cpio.gz; cat /srv/dirty.cpio) > /srv/dirty.img; truncate -s 24M /srv/swap.img')
    guest = dom0.linux('demo', disks=['/srv/swap.img'], nets=[2], ramdisk='/srv/dirty.img', **words).boots()
    guest('mkswap /dev/xvda > /dev/null; swapon /dev/xvda; (dirty > /tmp/out 2>&1 &)')
    dom0.until('in-guest demo "tail -n 1 /tmp/out"', r'^round \d{1,}')
    return guest


def rounds(guest):
    return int(re.findall(r'^round (\d+)', guest('grep -a round /tmp/out | tail -n 1'), re.M)[-1])


def finds_nothing(dom0, guest):
    guest('touch /tmp/stop')
    dom0.until('in-guest demo "tail -n 1 /tmp/out"', '^end')
    said = guest('grep -a -E "WRONG|end" /tmp/out').split()
    assert said == ['end', '0']


def goes_on(dom0, guest):
    before = rounds(guest)
    dom0.until('in-guest demo "tail -n 1 /tmp/out"', rf'^round (?!{before}$)\d+')
    finds_nothing(dom0, guest)


@pytest.mark.mica_only
@pytest.mark.parametrize('vcpus, times', [pytest.param(1, 2, marks=pytest.mark.daily), (2, 2),
                                          pytest.param(2, 20, marks=pytest.mark.soak)])
def test_memory_is_right_after_live_migrations(xl_dom0, vcpus, times):
    guest = checker(xl_dom0, vcpus=vcpus)
    for _ in range(times):
        before = rounds(guest)
        assert 'successful' in xl_dom0(MIGRATE.format('demo') + ' 2>&1', limit=600)
        xl_dom0.until('in-guest demo "tail -n 1 /tmp/out"', r'^round \d+')
        assert rounds(guest) > before
    finds_nothing(xl_dom0, guest)
    assert ' 0% packet loss' in guest('ping -c 3 192.168.77.1')


def test_memory_is_right_after_a_restore(xl_dom0):
    guest = checker(xl_dom0, vcpus=2)
    xl_dom0('xl save -c demo /srv/demo.save', limit=300)
    xl_dom0('rm /srv/demo.save; xl save demo /srv/demo.save; xl restore /srv/demo.save; rm /srv/demo.save', limit=600)
    finds_nothing(xl_dom0, guest)


def test_a_target_without_memory_leaves_the_source(xl_dom0):
    guest = checker(xl_dom0, memory=192)
    free = int(xl_dom0("xl info | sed -n 's/^free_memory *: //p'"))
    xl_dom0.tiny('big', memory=free - 100)
    status, _ = xl_dom0.ask(MIGRATE.format('demo'), 600)
    assert status != 0
    assert set(xl_dom0.domains()) == {'Domain-0', 'big', 'demo'}
    goes_on(xl_dom0, guest)


@pytest.mark.mica_only
def test_a_target_destroyed_in_the_middle_leaves_the_source(xl_dom0):
    guest = checker(xl_dom0, vcpus=2)
    xl_dom0(f'({MIGRATE.format("demo")} > /tmp/moved 2>&1; echo "status $?" > /tmp/status) & '
            'for i in $(seq 300); do xl destroy demo--incoming 2> /dev/null && break; sleep 0.2; done; '
            'wait; rm -f /var/log/xen/console/*incoming*', limit=600)
    assert xl_dom0('cat /tmp/status').split()[1] != '0', xl_dom0('cat /tmp/moved')
    assert set(xl_dom0.domains()) == {'Domain-0', 'demo'}
    goes_on(xl_dom0, guest)


@pytest.mark.mica_only
def test_a_source_destroyed_in_the_middle_leaves_nothing(xl_dom0):
    """Twice: neither domain, frame, grant nor byte of the heap stays."""
    counts = None
    for _ in range(2):
        checker(xl_dom0, vcpus=2)
        xl_dom0(f'({MIGRATE.format("demo")} > /tmp/moved 2>&1; echo "status $?" > /tmp/status) & '
                'for i in $(seq 300); do xl domid demo--incoming > /dev/null 2>&1 && break; sleep 0.2; done; '
                'sleep 1; xl destroy demo; wait', limit=600)
        assert xl_dom0('cat /tmp/status').split()[1] != '0', xl_dom0('cat /tmp/moved')
        assert set(xl_dom0.domains()) == {'Domain-0'}
        xl_dom0('rm -f /var/log/xen/console/*')
        assert not xl_dom0.clean()
        counts = counts or xl_dom0.counts()
    assert xl_dom0.counts(counts) == counts
    audited(xl_dom0)
