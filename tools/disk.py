#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Builds Domain 0's disk from Debian 12 packages: in build/dom0

disk.img             ext4, labelled mica-dom0, no partitions
vmlinuz, vmlinux     its own kernel, packed and unpacked
initrd.img           its own initrd
versions.json        the packages that matter

It is a minimal Debian with systemd, the stock kernel and Xen's tools, plus the few files of
tools/dom0 and tools/xl: a bridge xenbr0, and in /srv and /etc/xen/demo.cfg all that a guest needs.
Nothing is done when it is there and none of these files has changed.
No root is needed: then mmdebstrap uses a user namespace, and fakeroot keeps the owners.
"""
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

import fetch
import xl_initramfs

OUT = pathlib.Path('build/dom0')
FILES = pathlib.Path(__file__).with_name('dom0')
XL = pathlib.Path(__file__).with_name('xl')
SUITE = 'bookworm'
SIZE = '3G'
PACKAGES = ('systemd systemd-sysv udev dbus kmod procps linux-image-amd64 initramfs-tools zstd '
            'xen-utils-4.17 xenstore-utils iproute2 iputils-ping e2fsprogs less nano-tiny').split()
DROP = ['/usr/share/doc/*', '/usr/share/man/*', '/usr/share/locale/*', '/usr/share/info/*',
        '/usr/share/lintian/*']
PLACE = {
    'mica-report': '/usr/local/sbin/',
    'mica-report.service': '/etc/systemd/system/',
    'autologin.conf': '/etc/systemd/system/serial-getty@.service.d/',
    'mica-demo': '/usr/local/sbin/',
    'mica-demo.service': '/etc/systemd/system/',
    '10-xenbr0.netdev': '/etc/systemd/network/',
    '20-wired.network': '/etc/systemd/network/',
    '30-xenbr0.network': '/etc/systemd/network/',
}
PLACE_XL = {'in-guest': '/usr/local/bin/', 'demo-disk': '/usr/local/bin/', 'demo.cfg': '/etc/xen/'}
TELL = 'linux-image-6 xen-utils-4.17 systemd xenstore-utils'.split()


def key():
    digest = hashlib.sha256(pathlib.Path(__file__).read_bytes())
    for f in [*sorted(FILES.iterdir()), *(XL / name for name in ('guest-init', *PLACE_XL))]:
        digest.update(f.name.encode() + f.read_bytes())
    return digest.hexdigest()


def sources():
    """sources.list lines for Debian's suite, as apt on this machine is configured."""
    fields = '$(REPO_URI)|$(RELEASE)|$(COMPONENT)|$(ORIGIN)|$(SIGNED_BY)'
    text = fetch.output('apt-get', 'indextargets', '--format', fields, 'Created-By: Packages')
    lines = []
    for row in text.splitlines():
        uri, release, component, origin, key_file = row.split('|')
        if origin == 'Debian' and release.split('-')[0] == SUITE and component == 'main':
            option = f'[signed-by={key_file}] ' if key_file.startswith('/') else ''
            lines.append(f'deb {option}{uri} {release} {component}')
    return sorted(set(lines))


def hooks():
    """mmdebstrap hooks: our files, and the few settings that Debian's installer would ask for."""
    (fetch.GUEST / 'guest.cpio.gz').write_bytes(xl_initramfs.guest())
    place = [(FILES / name, folder) for name, folder in PLACE.items()]
    place += [(XL / name, folder) for name, folder in PLACE_XL.items()]
    place += [(fetch.GUEST / name, '/srv') for name in ('vmlinux', 'guest.cpio.gz')]
    cmd = [f'--customize-hook=mkdir -p "$1"{folder}' for folder in sorted({f for _, f in place})]
    cmd += [f'--customize-hook=copy-in {file} {folder}' for file, folder in place]
    for line in (
            'chmod 755 "$1"/usr/local/sbin/* "$1"/usr/local/bin/*',
            'chroot "$1" demo-disk > "$1"/srv/demo.md5',
            """echo 'XENCONSOLED_ARGS="--log=guest"' >> "$1"/etc/default/xen; mkdir -p "$1"/var/log/xen/console""",
            # Guests that still run at the end are shut down, not saved.
            """echo 'XENDOMAINS_SAVE=' >> "$1"/etc/default/xendomains""",
            'echo mica > "$1"/etc/hostname',
            'echo "127.0.0.1 localhost mica" > "$1"/etc/hosts',
            'echo "LABEL=mica-dom0 / ext4 errors=remount-ro 0 1" > "$1"/etc/fstab',
            'rm -f "$1"/etc/resolv.conf; echo "nameserver 10.0.2.3" > "$1"/etc/resolv.conf',
            'chroot "$1" systemctl -q enable systemd-networkd mica-report mica-demo',
            'chroot "$1" systemctl -q disable systemd-networkd-wait-online '
            'apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer',
            'chroot "$1" passwd -q -d root',
            'rm -rf "$1"/var/cache/apt "$1"/var/lib/apt/lists',
    ):
        cmd.append('--customize-hook=' + line)
    return cmd


def bootstrap(tar):
    cmd = ['mmdebstrap', '--variant=minbase', f'--include={",".join(PACKAGES)}', '--format=tar']
    cmd += [f'--dpkgopt=path-exclude={d}' for d in DROP] + hooks() + [SUITE, str(tar), '-']
    lines = sources()
    if not lines:
        fetch.apt_update()
        lines = sources()
    if not lines:
        sys.exit('disk.py: apt on this machine is not configured for Debian ' + SUITE)
    start = time.time()
    with open(OUT / 'build.log', 'w', encoding='utf-8') as log, \
            subprocess.Popen(cmd, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True, errors='replace') as p:
        p.stdin.write('\n'.join(lines) + '\n')
        p.stdin.close()
        for line in p.stdout:
            log.write(line)
            if line.startswith(('I: ', 'E: ')) and 'hook' not in line:
                fetch.say(f'DISK    [{time.time() - start:4.0f} s] {line[3:].strip()}')
    if p.returncode:
        sys.exit(f'disk.py: mmdebstrap failed; see {OUT}/build.log')


def image(tar, tree):
    """tar -> ext4, with the owners that the tar says."""
    part = OUT / 'disk.img.part'
    script = f'''set -e
        rm -rf {tree}; mkdir {tree}
        tar -x -p --numeric-owner --exclude='./dev/*' -C {tree} -f {tar}
        rm -f {part}; truncate -s {SIZE} {part}
        mke2fs -q -F -t ext4 -L mica-dom0 -E lazy_itable_init=0,root_owner=0:0 -d {tree} {part}
        cp {tree}/boot/vmlinuz-* {OUT}/vmlinuz
        cp {tree}/boot/initrd.img-* {OUT}/initrd.img
        dpkg-query --admindir={tree}/var/lib/dpkg -W -f '${{Package}} ${{Version}}\\n' > {OUT}/packages
        rm -rf {tree}'''
    cmd = ['sh', '-c', script]
    subprocess.run((['fakeroot'] if os.getuid() else []) + cmd, check=True)
    part.rename(OUT / 'disk.img')


def main():
    stamp = OUT / 'stamp'
    if (stamp.exists() and stamp.read_text('ascii') == key() and (OUT / 'disk.img').exists()
            and '--force' not in sys.argv):
        return
    OUT.mkdir(parents=True, exist_ok=True)
    stamp.unlink(missing_ok=True)
    tar = OUT / 'root.tar'
    bootstrap(tar)
    fetch.say('DISK    writing the ext4 image')
    image(tar, OUT / 'tree')
    tar.unlink()
    (OUT / 'vmlinux').write_bytes(fetch.unpack((OUT / 'vmlinuz').read_bytes()))
    rows = (line.split() for line in (OUT / 'packages').read_text('ascii').splitlines())
    known = {name: version for name, version in rows
             if any(re.match(re.escape(t), name) for t in TELL)}
    (OUT / 'versions.json').write_text(json.dumps(known, indent=1, sort_keys=True) + '\n', 'ascii')
    shutil.rmtree(OUT / 'tree', ignore_errors=True)
    stamp.write_text(key(), 'ascii')


if __name__ == '__main__':
    main()
