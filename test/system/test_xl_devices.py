# SPDX-License-Identifier: MIT
"""Disks and networks of guests: Debian's front ends to Domain 0's back ends, checked by checksums."""
import hashlib

import pytest

pytestmark = pytest.mark.xl
MIB = 1 << 20


def stream(letter, size):
    """Words for a guest's shell, and the md5 of what they say. Not `yes`: a process switch for every few bytes takes minutes."""
    return f'dd if=/dev/zero bs=64k count={size >> 16} | tr "\\0" {letter}', hashlib.md5(letter.encode() * size).hexdigest()


# A pipe that never ends, as nc's input: it tells its peer of an end, and the peer goes.
OPEN = 'mkfifo -m 600 /tmp/open 2> /dev/null; '


def disk(dom0, name, mib):
    """A disk file in Domain 0; its checksum."""
    return dom0(f'demo-disk /srv/{name}.img {mib}').split()[0]


def image(name, vdev, access='w'):
    return f'format=raw,vdev={vdev},access={access},script=block,target=/srv/{name}.img'


@pytest.mark.daily
def test_disk_of_64_mib(xl_dom0):
    """What is read is what Domain 0 wrote, and the other way round."""
    size = 64 * MIB
    there = disk(xl_dom0, 'a', 64)
    words, written = stream('w', size)
    guest = xl_dom0.linux('demo', disks=['/srv/a.img']).boots()
    assert guest('md5sum /dev/xvda').split()[0] == there
    guest(f'{words} > /dev/xvda; sync')
    assert guest('echo 3 > /proc/sys/vm/drop_caches; md5sum /dev/xvda').split()[0] == written
    guest.xl('shutdown -w')
    guest.gone()
    assert xl_dom0('md5sum /srv/a.img').split()[0] == written


def test_several_disks_one_read_only(xl_dom0):
    sums = [disk(xl_dom0, name, 2) for name in 'abc']
    xl_dom0('losetup /dev/loop7 /srv/c.img')
    guest = xl_dom0.linux('demo', disks=['/srv/a.img', image('b', 'xvdb', 'r'), 'phy:/dev/loop7,xvdc,w']).boots()
    for vdev, there in zip('abc', sums):
        assert guest(f'md5sum /dev/xvd{vdev}').split()[0] == there
    assert guest('cat /sys/block/xvda/ro /sys/block/xvdb/ro').split() == ['0', '1']
    guest('dd if=/dev/zero of=/dev/xvdb bs=4k count=1 conv=fsync', 1)
    guest.xl('destroy')
    xl_dom0('losetup -d /dev/loop7')
    assert xl_dom0('md5sum /srv/b.img').split()[0] == sums[1]


def test_block_attach_and_detach(xl_dom0):
    guest = xl_dom0.linux('demo').boots()
    there = disk(xl_dom0, 'hot', 4)
    for _ in range(2):
        guest.xl('block-attach', f'"{image("hot", "xvdd")}"')
        xl_dom0.until('in-guest demo "cat /sys/block/xvdd/size"', r'^8192\s*$')
        assert guest('md5sum /dev/xvdd').split()[0] == there
        assert '51760' in guest.xl('block-list')
        guest.xl('block-detach', 'xvdd')
        xl_dom0.until('in-guest demo "ls /sys/block | grep -c xvdd"', r'^0\s*$')
        assert '51760' not in guest.xl('block-list')


def test_network_to_domain0(xl_dom0):
    """Ping, and 16 MiB each way."""
    words, sent = stream('s', 16 * MIB)
    there = disk(xl_dom0, 'a', 16)
    guest = xl_dom0.linux('demo', nets=[2]).boots()
    assert ' 0% packet loss' in guest('ping -c 3 192.168.77.1')
    assert ' 0% packet loss' in xl_dom0('ping -c 3 192.168.77.2')
    assert ' 0% packet loss' in guest('ping -c 3 -s 8000 192.168.77.1')
    xl_dom0('nc -l -p 5000 < /srv/a.img & sleep 0.5')
    assert guest(OPEN + 'nc 192.168.77.1 5000 <> /tmp/open | md5sum').split()[0] == there
    xl_dom0(OPEN + 'nc -l -p 5001 <> /tmp/open | md5sum > /tmp/sum & sleep 0.5')
    guest(f'{words} | nc 192.168.77.1 5001')
    xl_dom0.until('cat /tmp/sum', sent)


def test_network_between_guests(xl_dom0):
    there = disk(xl_dom0, 'a', 16)
    one = xl_dom0.linux('one', disks=['/srv/a.img'], nets=[2])
    two = xl_dom0.linux('two', nets=[3])
    one.boots()
    two.boots()
    assert ' 0% packet loss' in two('ping -c 3 192.168.77.2')
    one('nc -l -p 6000 < /dev/xvda > /dev/null 2>&1 & true')
    assert two(OPEN + 'sleep 1; nc 192.168.77.2 6000 <> /tmp/open | md5sum').split()[0] == there


def test_several_interfaces_and_queues(xl_dom0):
    guest = xl_dom0.linux('demo', nets=[2, 3], vcpus=2).boots()
    assert guest('ls /sys/class/net').split() == ['eth0', 'eth1', 'lo']
    assert guest('ls -d /sys/class/net/eth1/queues/rx-* | wc -l').strip() == '2'
    assert '00:16:3e:00:00:03' in guest('cat /sys/class/net/eth1/address')
    assert ' 0% packet loss' in guest('ping -c 3 192.168.77.1')


def test_network_attach_and_detach(xl_dom0):
    guest = xl_dom0.linux('demo', nets=[2]).boots()
    for _ in range(2):
        guest.xl('network-attach', 'mac=00:16:3e:00:00:09,bridge=xenbr0')
        xl_dom0.until('in-guest demo "cat /sys/class/net/eth1/address"', '00:16:3e:00:00:09')
        guest('ifconfig eth1 192.168.78.2 up')
        assert '00:16:3e:00:00:09' in guest.xl('network-list')
        guest.xl('network-detach', '00:16:3e:00:00:09')
        xl_dom0.until('in-guest demo "ls /sys/class/net | grep -c eth1"', r'^0\s*$')
    assert ' 0% packet loss' in guest('ping -c 3 192.168.77.1')


def test_destroyed_in_the_middle_of_io(xl_dom0):
    """The front end dies while its requests are with the back end."""
    disk(xl_dom0, 'a', 32)
    counts = None
    for times in (1, 2):
        guest = xl_dom0.linux('demo', disks=['/srv/a.img'], nets=[2]).boots(times)
        guest('(while :; do dd if=/dev/zero of=/dev/xvda bs=1M count=32; done) > /dev/null 2>&1 & true')
        guest('(ping -A -q -s 8000 192.168.77.1 > /tmp/ping 2>&1 &) ; sleep 1')
        guest.xl('destroy')
        left = xl_dom0.clean()
        assert not left
        counts = counts or xl_dom0.counts()
    assert xl_dom0.counts(counts) == counts
