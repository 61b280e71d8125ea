# SPDX-License-Identifier: MIT
"""Guests are saved, restored and moved: memory, disks, network, clocks and work in progress go on."""
import pytest

from test_xl_devices import disk

pytestmark = pytest.mark.xl

# Twice in parentheses: in-guest puts a semicolon behind it.
JOB = ('((i=0; while [ $i -lt 60 ]; do echo 3 > /proc/sys/vm/drop_caches; md5sum < /dev/xvda; i=$((i + 1)); done > /tmp/sums; '
       'echo end >> /tmp/sums) &)')


def saved_and_restored(dom0, guest, flags=''):
    dom0(f'xl save {flags} {guest.name} /srv/{guest.name}.save')
    dom0(f'xl restore /srv/{guest.name}.save')
    dom0(f'rm /srv/{guest.name}.save')


def job_ends_right(guest, there):
    guest.dom0.until('in-guest demo "tail -n 1 /tmp/sums"', '^end', 300)
    assert sorted(guest('sort /tmp/sums | uniq -c').split()) == sorted(['60', there, '-', '1', 'end'])


@pytest.mark.daily
def test_what_was_there_is_there(xl_dom0):
    there = disk(xl_dom0, 'a', 4)
    guest = xl_dom0.linux('demo', disks=['/srv/a.img'], nets=[2]).boots()
    guest('echo kept > /tmp/word; cut -d. -f1 /proc/uptime > /tmp/then')
    before = xl_dom0.domains()['demo'][0]
    xl_dom0('xl save demo /srv/demo.save')
    guest.gone()
    assert xl_dom0('head -c 31 /srv/demo.save').startswith('Xen saved domain, xl format')
    xl_dom0('xl restore /srv/demo.save')
    assert xl_dom0.domains()['demo'][0] > before
    assert 'kept' in guest('cat /tmp/word')
    assert guest('[ $(cut -d. -f1 /proc/uptime) -ge $(cat /tmp/then) ] && echo later').strip() == 'later'
    assert guest('echo 3 > /proc/sys/vm/drop_caches; md5sum /dev/xvda').split()[0] == there
    assert ' 0% packet loss' in guest('ping -c 3 192.168.77.1')
    guest.xl('shutdown -w')
    guest.gone()


def test_twice_with_four_vcpus(xl_dom0):
    guest = xl_dom0.linux('demo', vcpus=4, memory=160).boots()
    for _ in range(2):
        saved_and_restored(xl_dom0, guest)
        assert guest('grep -c ^processor /proc/cpuinfo').strip() == '4'
    guest.xl('vcpu-set', 2)
    xl_dom0.until('in-guest demo "grep -c ^processor /proc/cpuinfo"', r'^2\s*$')


def test_goes_on_after_a_checkpoint(xl_dom0):
    guest = xl_dom0.linux('demo', nets=[2]).boots()
    xl_dom0('xl save -c demo /srv/demo.save')
    guest('echo later > /tmp/word')
    assert ' 0% packet loss' in guest('ping -c 3 192.168.77.1')
    guest.xl('destroy')
    xl_dom0('xl restore /srv/demo.save')
    guest('cat /tmp/word', 1)


def test_restored_paused(xl_dom0):
    guest = xl_dom0.linux('demo').boots()
    xl_dom0('xl save demo /srv/demo.save; xl restore -p /srv/demo.save')
    assert guest.state == 'p'
    guest.xl('unpause')
    assert 'demo' in guest('hostname')


@pytest.mark.parametrize('vcpus, times', [pytest.param(1, 1, marks=pytest.mark.daily), (4, 2)])
def test_under_load(xl_dom0, vcpus, times):
    """A job that checksums its disk goes on over savings, and ends right."""
    there = disk(xl_dom0, 'a', 4)
    guest = xl_dom0.linux('demo', disks=['/srv/a.img'], vcpus=vcpus).boots()
    guest(JOB)
    for _ in range(times):
        saved_and_restored(xl_dom0, guest)
    job_ends_right(guest, there)


@pytest.mark.daily
def test_a_destroyed_target_leaves_the_source(xl_dom0):
    """A migration whose other side never answers: an error, and the guest goes on."""
    guest = xl_dom0.linux('demo').boots()
    status, text = xl_dom0.ask("xl migrate -s '' demo false", 300)
    assert status != 0 and 'igrat' in text
    assert 'demo' in guest('hostname')


def test_restore_without_memory(xl_dom0):
    guest = xl_dom0.linux('demo', memory=192).boots()
    xl_dom0('xl save demo /srv/demo.save')
    guest.gone()
    free = int(xl_dom0("xl info | sed -n 's/^free_memory *: //p'"))
    xl_dom0.tiny('big', memory=free - 100)
    assert xl_dom0.ask('xl restore /srv/demo.save')[0] != 0
    assert set(xl_dom0.domains()) == {'Domain-0', 'big'}
    xl_dom0('xl destroy big')
    xl_dom0('xl restore /srv/demo.save')
    assert 'demo' in guest('hostname')


@pytest.mark.mica_only
def test_live_migration(xl_dom0):
    """Twice to this very host, while memory is dirtied. Xen's shadow_op answers EOPNOTSUPP for PV guests."""
    there = disk(xl_dom0, 'a', 4)
    guest = xl_dom0.linux('demo', disks=['/srv/a.img'], nets=[2], vcpus=2).boots()
    guest(JOB)
    for _ in range(2):
        xl_dom0("xl migrate -s '' demo 'exec xl migrate-receive'", limit=600)
        assert 'demo' in guest('hostname')
    job_ends_right(guest, there)
    assert ' 0% packet loss' in guest('ping -c 3 192.168.77.1')
