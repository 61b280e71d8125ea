# SPDX-License-Identifier: MIT
"""Guests come and go: created, listed, talked to, paused, resized, renamed, shut down, rebooted, destroyed by Debian's xl."""
import re

import pytest

pytestmark = pytest.mark.xl


@pytest.mark.daily
def test_nothing_runs_at_first(xl_dom0):
    assert list(xl_dom0.domains()) == ['Domain-0']


@pytest.mark.daily
def test_tiny_lives_and_is_destroyed(xl_dom0):
    guest = xl_dom0.tiny()
    guest.says('^tiny: block')
    domid, memory, vcpus, state = xl_dom0.domains()['tiny']
    assert (memory, vcpus) == (16, 1) and 'b' in state
    guest.xl('destroy')
    assert list(xl_dom0.domains()) == ['Domain-0']
    xl_dom0(f'xl domname {domid}', 1)


@pytest.mark.daily
def test_linux_comes_up_and_shuts_down(xl_dom0):
    guest = xl_dom0.linux('demo').boots()
    assert 'demo' in guest('hostname')
    assert 'xen' in guest('cat /sys/hypervisor/type')
    assert abs(int(guest('date +%s')) - int(xl_dom0('date +%s'))) < 600  # its wall clock is not that of 1970
    guest.xl('shutdown -w')
    guest.gone()


@pytest.mark.daily
def test_reboot_gives_a_new_domain(xl_dom0):
    guest = xl_dom0.linux('demo').boots()
    before = xl_dom0.domains()['demo'][0]
    guest.xl('reboot')
    guest.boots(2)
    assert xl_dom0.domains()['demo'][0] > before
    assert 'demo' in guest('hostname')


@pytest.mark.daily
def test_a_guest_that_ends_by_itself(xl_dom0):
    guest = xl_dom0.tiny(extra='poweroff')
    guest.gone()
    guest = xl_dom0.tiny('again', extra='reboot', on_reboot='destroy')
    guest.gone()


def test_on_poweroff_preserve(xl_dom0):
    guest = xl_dom0.tiny(extra='poweroff', on_poweroff='preserve')
    xl_dom0.until('xl list tiny', r'--ps--|---s--')
    guest.xl('destroy')


@pytest.mark.daily
def test_pause_and_unpause(xl_dom0):
    guest = xl_dom0.linux('demo').boots()
    guest.xl('pause')
    assert 'p' in guest.state
    used = re.search(r'([\d.]+)$', guest.xl('list').strip())[1]
    xl_dom0('sleep 1')
    assert re.search(r'([\d.]+)$', guest.xl('list').strip())[1] == used
    guest.xl('unpause')
    assert 'p' not in guest.state
    assert 'demo' in guest('hostname')


@pytest.mark.daily
def test_created_paused(xl_dom0):
    guest = xl_dom0.create('tiny', flags='-p', kernel='/srv/tiny', memory=16, extra='block')
    assert guest.state == 'p'
    guest.xl('unpause')
    guest.says('^tiny: block')


@pytest.mark.daily
def test_console(xl_dom0):
    """Both ways through `xl console`, and out of it again."""
    guest = xl_dom0.linux('demo').boots()
    machine = xl_dom0.machine
    xl_dom0.shell.type('xl console demo; echo "BACK-"AGAIN\n')
    machine.send('\n')
    machine.expect('guest# ')
    xl_dom0.shell.type('echo "TWO-"WAYS $(hostname)\n')
    machine.expect('^TWO-WAYS demo')
    machine.send('\x1d')
    machine.expect('(?<!")BACK-AGAIN')
    assert guest.name in xl_dom0('xl list')


@pytest.mark.daily
@pytest.mark.parametrize('vcpus', [4])
def test_several_vcpus_up_and_down(xl_dom0, vcpus):
    guest = xl_dom0.linux('demo', vcpus=vcpus, memory=160).boots()
    assert guest('grep -c ^processor /proc/cpuinfo').strip() == str(vcpus)
    for online in (1, 3, vcpus):
        guest.xl('vcpu-set --ignore-host', online)
        # Nobody in this guest does what udev does in another: what comes is offline at first.
        xl_dom0.until('in-guest demo "for f in /sys/devices/system/cpu/cpu*/online; do echo 1 > \\$f; done; '
                      'grep -c ^processor /proc/cpuinfo"', rf'^{online}\s*$')
    rows = xl_dom0('xl vcpu-list demo').splitlines()[1:]
    assert [r.split()[2] for r in rows] == [str(i) for i in range(vcpus)]


def test_fewer_vcpus_at_first(xl_dom0):
    guest = xl_dom0.linux('demo', vcpus=1, maxvcpus=2).boots()
    assert guest('grep -c ^processor /proc/cpuinfo').strip() == '1'
    guest.xl('vcpu-set', 2)
    xl_dom0.until('in-guest demo "echo 1 > /sys/devices/system/cpu/cpu1/online; grep -c ^processor /proc/cpuinfo"', r'^2\s*$')


@pytest.mark.daily
def test_memory_goes_down_and_up(xl_dom0):
    guest = xl_dom0.linux('demo', memory=160, maxmem=192).boots()
    kib = 'sed -n "s/^MemTotal: *\\([0-9]*\\).*/\\1/p" /proc/meminfo'

    def total():
        return int(guest(kib).split()[-1])
    first = total()
    guest.xl('mem-set', 120)
    xl_dom0.until('xl list demo', r'^demo +\d+ +(119|120) ')
    assert total() < first - 30000
    guest.xl('mem-set', 192)
    xl_dom0.until('xl list demo', r'^demo +\d+ +(191|192) ')
    assert total() > first + 20000
    guest.xl('mem-max', 200)
    assert 'demo' in guest('hostname')


@pytest.mark.daily
def test_rename(xl_dom0):
    guest = xl_dom0.tiny()
    domid = xl_dom0.domains()['tiny'][0]
    xl_dom0('xl rename tiny other')
    assert xl_dom0('xl domid other').strip() == str(domid)
    assert xl_dom0(f'xl domname {domid}').strip() == 'other'
    guest.name = 'other'
    guest.xl('destroy')


def test_sysrq(xl_dom0):
    guest = xl_dom0.linux('demo').boots()
    guest('dmesg -n 7')
    guest.xl('sysrq', 'h')
    guest.says(r'sysrq: HELP')


def test_dump_core(xl_dom0):
    guest = xl_dom0.linux('demo', memory=96).boots()
    guest.xl('dump-core', '/srv/demo.core')
    head = xl_dom0('head -c 4 /srv/demo.core | od -An -c').split()
    assert head == ['177', 'E', 'L', 'F']
    assert int(xl_dom0('stat -c %s /srv/demo.core')) > 96 << 20
    assert 'demo' in guest('hostname')


@pytest.mark.daily
def test_vcpu_pin_and_scheduler(xl_dom0):
    guest = xl_dom0.tiny(extra='spin')
    guest.xl('vcpu-pin', 0, 1)
    xl_dom0.until('xl vcpu-list tiny', r'^tiny +\d+ +0 +1 +r-- +[\d.]+ +1 / all')
    guest.xl('vcpu-pin', 0, 0)
    xl_dom0.until('xl vcpu-list tiny', r'^tiny +\d+ +0 +0 +r-- +[\d.]+ +0 / all')
    xl_dom0('xl sched-credit2 -d tiny -w 512')
    assert re.search(r'^tiny +\d+ +512 +0', xl_dom0('xl sched-credit2 -d tiny'), re.M)
    xl_dom0('xl sched-credit2 -d tiny -c 50')
    assert re.search(r'^tiny +\d+ +512 +50', xl_dom0('xl sched-credit2'), re.M)


def test_many_at_once(xl_dom0):
    names = [f't{i}' for i in range(8)]
    for name in names:
        xl_dom0.tiny(name)
    assert set(xl_dom0.domains()) == {'Domain-0', *names}
    for name in names:
        xl_dom0(f'xl destroy {name}')
