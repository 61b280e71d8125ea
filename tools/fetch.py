#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Fetches Debian's kernels, Xen and busybox as data, and makes from them, in build/guest:

vmlinuz, vmlinux              the stock kernel as packaged, and unpacked
vmlinuz-cloud, vmlinux-cloud  the same of the cloud kernel
xen                           Debian's Xen 4.17, the oracle
initramfs.cpio.gz             busybox with tools/init.sh
grub-xen                      GRUB as a PV kernel (pvgrub), for a guest that boots from its own disk
versions.json                 which package versions these are

Packages are downloaded by apt from wherever this machine's apt is configured to look, and are
unpacked, not installed. Nothing is done when everything is there; --force starts over.
"""
import gzip
import io
import json
import lzma
import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys

PKG = pathlib.Path('build/pkg')
GUEST = pathlib.Path('build/guest')
INIT = pathlib.Path(__file__).with_name('init.sh')
# The name asked for, and whether it is an empty package that depends on the real one.
WANTED = {
    'kernel': ('linux-image-amd64', True),
    'cloud': ('linux-image-cloud-amd64', True),
    'xen': ('xen-hypervisor-4.17-amd64', False),
    'busybox': ('busybox-static', False),
    'pvgrub': ('grub-xen-host', False),
}


def say(text):
    print(f'  {text}', flush=True)


def output(*cmd, **kw):
    return subprocess.run(cmd, check=True, capture_output=True, text=True, **kw).stdout


def apt_update():
    say('APT     reading the package lists')
    sudo = ['sudo'] if os.getuid() else []
    subprocess.run(sudo + ['apt-get', 'update', '-q'], check=True, stdout=subprocess.DEVNULL)


def candidate(package):
    """Version that apt would install, None if it knows none."""
    m = re.search(r'Candidate: (\S+)', output('apt-cache', 'policy', package))
    return m[1] if m and m[1] != '(none)' else None


def resolve(package, meta):
    if not candidate(package):
        apt_update()
    if meta:
        depends = output('apt-cache', 'depends', '--no-recommends', '--no-suggests', package)
        package = re.search(r'Depends: (linux-image-\S+)', depends)[1]
    version = candidate(package)
    if not version:
        sys.exit(f'fetch.py: apt knows no package {package}')
    return package, version


def download(package, version):
    """Unpacks the package into build/pkg/<package>_<version> and returns that folder."""
    folder = PKG / f'{package}_{version}'.replace(':', '%3a')
    if folder.is_dir():
        return folder
    PKG.mkdir(parents=True, exist_ok=True)
    say(f'FETCH   {package} {version}')
    cmd = ['apt-get', '-q', '-o', 'APT::Sandbox::User=root', 'download', f'{package}={version}']
    if subprocess.run(cmd, cwd=PKG, stdout=subprocess.DEVNULL, check=False).returncode:
        apt_update()
        subprocess.run(cmd, cwd=PKG, stdout=subprocess.DEVNULL, check=True)
    deb = next(PKG.glob(f'{package}_*.deb'))
    part = folder.with_suffix('.part')
    shutil.rmtree(part, ignore_errors=True)
    subprocess.run(['dpkg', '-x', deb, part], check=True)
    part.rename(folder)
    deb.unlink()
    return folder


def unpack(bzimage):
    """The ELF file inside a bzImage (boot protocol 2.08: payload_offset, payload_length)."""
    if bzimage[0x202:0x206] != b'HdrS':
        return bzimage
    setup_sects = bzimage[0x1f1] or 4
    offset, length = struct.unpack_from('<II', bzimage, 0x248)
    start = (setup_sects + 1) * 512 + offset
    payload = bzimage[start:start + length]
    if payload[:6] == b'\xfd7zXZ\0':
        return lzma.LZMADecompressor().decompress(payload)
    if payload[:2] == b'\x1f\x8b':
        return gzip.GzipFile(fileobj=io.BytesIO(payload[:-4])).read()
    for magic, tool in ((b'\x28\xb5\x2f\xfd', 'zstd'), (b'\x02\x21\x4c\x18', 'lz4')):
        if payload[:4] == magic:
            return subprocess.run([tool, '-dc'], input=payload[:-4], stdout=subprocess.PIPE,
                                  check=True).stdout
    sys.exit('fetch.py: the kernel is compressed in an unknown way')


class Cpio:
    """A "newc" archive, written without needing root for device nodes."""

    def __init__(self):
        self.data = bytearray()
        self.inode = 0

    def add(self, name, mode, content=b'', rdev=(0, 0)):
        self.inode += 1
        path = name.encode() + b'\0'
        head = (self.inode, mode, 0, 0, 1, 0, len(content), 0, 0, *rdev, len(path), 0)
        self.data += b'070701' + b''.join(b'%08X' % x for x in head) + path
        self.data += bytes(-len(self.data) % 4) + content
        self.data += bytes(-len(self.data) % 4)

    def done(self):
        self.add('TRAILER!!!', 0)
        self.data += bytes(-len(self.data) % 512)
        return bytes(self.data)


def initramfs(busybox):
    cpio = Cpio()
    for folder in 'bin dev proc sys tmp root'.split():
        cpio.add(folder, 0o040755)
    cpio.add('dev/console', 0o020600, rdev=(5, 1))
    cpio.add('dev/null', 0o020666, rdev=(1, 3))
    cpio.add('bin/busybox', 0o100755, busybox)
    cpio.add('bin/sh', 0o120777, b'busybox')
    cpio.add('init', 0o100755, INIT.read_bytes())
    return gzip.compress(cpio.done(), 6, mtime=0)


def put(name, data):
    part = GUEST / (name + '.part')
    part.write_bytes(data)
    part.rename(GUEST / name)


def done(versions):
    """Whether all is there. Looks at our own files only, so that it costs nothing."""
    names = 'vmlinux vmlinuz vmlinux-cloud vmlinuz-cloud xen grub-xen initramfs.cpio.gz'.split()
    if not versions.exists() or not all((GUEST / n).exists() for n in names):
        return False
    newest = max(INIT.stat().st_mtime, pathlib.Path(__file__).stat().st_mtime)
    return versions.stat().st_mtime >= newest


def main():
    versions = GUEST / 'versions.json'
    if done(versions) and '--force' not in sys.argv:
        return
    GUEST.mkdir(parents=True, exist_ok=True)
    known = {}
    folder = {}
    for what, (name, meta) in WANTED.items():
        package, version = resolve(name, meta)
        known[package] = version
        folder[what] = download(package, version)
    for what, suffix in (('kernel', ''), ('cloud', '-cloud')):
        image = next(folder[what].glob('boot/vmlinuz-*')).read_bytes()
        say(f'UNPACK  build/guest/vmlinux{suffix}')
        put('vmlinuz' + suffix, image)
        put('vmlinux' + suffix, unpack(image))
    put('xen', gzip.decompress((folder['xen'] / 'boot/xen-4.17-amd64.gz').read_bytes()))
    put('grub-xen', (folder['pvgrub'] / 'usr/lib/grub-xen/grub-x86_64-xen.bin').read_bytes())
    say('CPIO    build/guest/initramfs.cpio.gz')
    put('initramfs.cpio.gz', initramfs((folder['busybox'] / 'bin/busybox').read_bytes()))
    put('versions.json', json.dumps(known, indent=1, sort_keys=True).encode() + b'\n')


if __name__ == '__main__':
    main()
