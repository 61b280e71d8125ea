# SPDX-License-Identifier: MIT
"""Several guests at once, with disks and networks, on hosts of two and of four CPUs: each finds its data right."""
import pytest

from test_xl_devices import MIB, OPEN, disk, stream

pytestmark = pytest.mark.xl
SIZE = 64 * MIB
BULK = 8 * MIB


def host(cpus):
    return pytest.mark.xl_settings(smp=cpus, mem='4G', hvargs='dom0_mem=1536M')


def answer(guest, file):
    """What a job in the background leaves there."""
    return guest.dom0.until(f'in-guest {guest.name} "cat {file}"', r'^([0-9a-f]{32})\b', 900)[1]


def disks_are_right(guests, there):
    """All at once: each reads its disk, writes it anew, and reads that."""
    words, written = stream('w', SIZE)
    for guest in guests:
        guest(f'((md5sum /dev/xvda > /tmp/read; {words} > /dev/xvda; sync; echo 3 > /proc/sys/vm/drop_caches; '
              'md5sum /dev/xvda > /tmp/wrote) > /dev/null 2>&1 &)')
    for guest, first in zip(guests, there):
        assert answer(guest, '/tmp/read') == first
        assert answer(guest, '/tmp/wrote') == written
    return written


def networks_are_right(guests):
    """All at once: each sends to the next one, the last to the first."""
    words, sent = stream('n', BULK)
    for guest in guests:
        guest(OPEN + '(nc -l -p 6000 <> /tmp/open 2> /dev/null | md5sum > /tmp/came &)')
    for i, guest in enumerate(guests):
        to = 10 + (i + 1) % len(guests)
        guest(f'(({words} | nc 192.168.77.{to} 6000) > /dev/null 2>&1 &)')
    for guest in guests:
        assert answer(guest, '/tmp/came') == sent
        assert ' 0% packet loss' in guest('ping -c 3 192.168.77.1')


@pytest.mark.parametrize('count, cpus', [pytest.param(n, c, marks=host(c)) for n in (2, 8) for c in (2, 4)])
def test_at_once(xl_dom0, count, cpus):
    there = [disk(xl_dom0, f'd{i}', SIZE >> 20) for i in range(count)]
    # One after the other: libxl gives a hot-plug script 40 s, too few on an emulated host where others boot meanwhile.
    guests = [xl_dom0.linux(f'g{i}', disks=[f'/srv/d{i}.img'], nets=[10 + i], vcpus=1 if i else 4, memory=144).boots(limit=900)
              for i in range(count)]
    assert guests[0]('grep -c ^processor /proc/cpuinfo').strip() == '4'
    written = disks_are_right(guests, there)
    networks_are_right(guests)
    guests[-1].xl('reboot')
    guests[-1].boots(2)
    assert guests[-1]('md5sum /dev/xvda').split()[0] == written
    for guest in guests:
        guest.xl('shutdown -w')
        guest.gone()
        assert xl_dom0(f'md5sum /srv/d{guest.name[1:]}.img').split()[0] == written
