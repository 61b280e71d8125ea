# SPDX-License-Identifier: MIT
"""A driver domain: a guest that has back-end rights serves another guest's network, with Debian's own netback and `xl devd`."""
import pytest

pytestmark = pytest.mark.xl

# The driver domain's user space is that of the small Domain 0 (tools/xl/dom0-init) without its store and consoles.
INIT = r"""#!/bin/sh
/bin/busybox --install -s /bin 2>/dev/null
export PATH=/usr/lib/xen-4.17/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb PS1='guest# '
mkdir -p /proc /sys /run /tmp
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev 2>/dev/null
ln -s /proc/self/fd /dev/fd
mkdir -p /dev/pts /run/xen /run/lock /run/xen-hotplug /var/log/xen /var/lib/xen /tmp
mount -t devpts pts /dev/pts
dmesg -n 4
hostname driver
echo MICA-GUEST-OK driver
for m in $(cat /modules/order); do [ $m = xen-blkback.ko ] || insmod /modules/$m; done
mount -t xenfs xenfs /proc/xen
ip link add xenbr0 type bridge
ip addr add 192.168.78.1/24 dev xenbr0
ip link set xenbr0 up
xl devd
echo MICA-GUEST-END shell
while true; do setsid -c bash --noprofile --norc --noediting -i </dev/hvc0 >/dev/hvc0 2>&1; done
"""


def driver(dom0):
    return dom0.linux('driver', ramdisk='/srv/driver.img', memory=224, driver_domain=1).boots()


def ping(guest, address):
    """Unlike Domain 0's back end, a driver domain's is plugged in by `xl devd` while the guest runs already."""
    guest.dom0.until(f'in-guest {guest.name} "ping -c 1 -W 2 {address}"', ' 0% packet loss', 120)
    assert ' 0% packet loss' in guest(f'ping -c 3 {address}')


def test_network(xl_dom0):
    """Its end is the end of the interface alone; made anew, the driver domain serves the same guest again."""
    xl_dom0.write('/srv/init', INIT)
    xl_dom0('mkdir -p /srv/d && cp /srv/init /srv/d/init && chmod 755 /srv/d/init; '
            '(cd /; find . -xdev -path ./srv -prune -o -path ./proc -prune -o -path ./sys -prune -o -path ./run -prune '
            '-o -path "./dev/*" -prune -o -path ./var/log -prune -o -print | grep -v "^./init$" | cpio -o -H newc 2>/dev/null; '
            'cd /srv/d; echo init | cpio -o -H newc 2>/dev/null) > /srv/driver.img; rm -r /srv/d; ls -l /srv/driver.img')
    server = driver(xl_dom0)
    other = xl_dom0.linux('other', nets=[3])
    front = xl_dom0.linux('front', extra='mica.ip=192.168.78.2',
                          vif=['mac=00:16:3e:00:00:02,bridge=xenbr0,backend=driver']).boots()
    ping(front, '192.168.78.1')
    ping(other, '192.168.77.1')
    first = server.xl('domid')
    server.xl('destroy')
    xl_dom0('xl network-detach front 0')
    ping(other, '192.168.77.1')
    server = driver(xl_dom0)
    assert server.xl('domid') != first
    xl_dom0('xl network-attach front mac=00:16:3e:00:00:02 bridge=xenbr0 backend=driver')
    found = xl_dom0.until('in-guest front "ls /sys/class/net"', r'\b(eth\d)')
    front(f'ifconfig {found[1]} 192.168.78.2 netmask 255.255.255.0 up')
    ping(front, '192.168.78.1')
    ping(other, '192.168.77.1')
