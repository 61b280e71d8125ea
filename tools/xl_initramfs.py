#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Makes a Domain 0 that fits in an initramfs, to try `xl` within seconds; in build/guest:

xl-initramfs.cpio    Xen's own tools from Domain 0's disk, the modules that they need, tools/xl/dom0-init;
                     under /srv what guests need: vmlinux, guest.cpio.gz, and any file given on the command line
guest.cpio.gz        busybox, the front ends' modules, tools/xl/guest-init: a guest's ramdisk

Files are read out of the disk image with debugfs; nothing is done when nothing has changed.
"""
import gzip
import os
import pathlib
import re
import stat
import subprocess
import sys
import tempfile

import fetch

HERE = pathlib.Path(__file__).resolve().parent
BUILD = HERE.parent / 'build'
GUEST = BUILD / 'guest'
DISK = BUILD / 'dom0/disk.img'
FILES = HERE / 'xl'
LIBS = 'usr/lib/x86_64-linux-gnu'
XEN = 'usr/lib/xen-4.17/bin'
FOLDERS = [LIBS, XEN, 'usr/bin', 'usr/sbin', 'etc/xen']
PROGRAMS = ('bash ip bridge losetup flock stat logger tc mawk xenstore xenstore-chmod xenstore-exists xenstore-list '
            'xenstore-ls xenstore-read xenstore-rm xenstore-watch xenstore-write xen-detect xenhypfs').split()
LEAVE = 'xen-kdd xenpaging init-xenstore-domain vchan-socket-proxy'.split()
DOM0_MODULES = ('xen-privcmd xenfs xen-evtchn xen-gntdev xen-gntalloc llc stp bridge loop xen-blkback '
                'xen-netback').split()
GUEST_MODULES = 'xen-blkfront xen-netfront'.split()
LINKS = {'bin': 'usr/bin', 'sbin': 'usr/sbin', 'lib': 'usr/lib', 'lib64': 'usr/lib64', 'var/run': '/run',
         'var/lock': '/run/lock', 'usr/bin/awk': 'mawk',
         'usr/lib64/ld-linux-x86-64.so.2': '/' + LIBS + '/ld-linux-x86-64.so.2'}


def dump(folder):
    """Copies the folders that matter out of the disk image."""
    script = folder / 'script'
    lines = []
    for name in FOLDERS:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        lines.append(f'rdump /{name} {(folder / name).parent}')
    script.write_text('\n'.join(lines) + '\n', 'ascii')
    subprocess.run(['debugfs', '-f', script, DISK], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def needed(file):
    text = subprocess.run(['readelf', '-d', file], capture_output=True, text=True, check=False).stdout
    return re.findall(r'\(NEEDED\).*\[(.*)\]', text)


def is_elf(file):
    with open(file, 'rb') as f:
        return f.read(4) == b'\x7fELF'


class Tree:
    """A cpio archive with parent folders and libraries made as they are wanted."""

    def __init__(self):
        self.cpio = fetch.Cpio()
        self.have = set()
        self.folders('dev')
        self.cpio.add('dev/console', 0o020600, rdev=(5, 1))
        self.cpio.add('dev/null', 0o020666, rdev=(1, 3))
        self.folders('proc sys run tmp root srv mnt'.split())

    def folders(self, names):
        for name in [names] if isinstance(names, str) else names:
            for path in [*reversed(pathlib.PurePath(name).parents), pathlib.PurePath(name)]:
                if str(path) not in self.have and str(path) != '.':
                    self.have.add(str(path))
                    self.cpio.add(str(path), 0o040755)

    def add(self, name, content, mode=0o100755):
        if name not in self.have:
            self.folders(str(pathlib.PurePath(name).parent))
            self.have.add(name)
            self.cpio.add(name, mode, content)

    def link(self, name, target):
        self.add(name, target.encode(), 0o120777)

    def program(self, root, name):
        """A file of the dumped tree, with all its libraries."""
        if name in self.have:
            return
        path = root / name
        if path.is_symlink():
            self.link(name, os.readlink(path))
            return
        self.add(name, path.read_bytes(), 0o100000 | stat.S_IMODE(path.stat().st_mode))
        if is_elf(path):
            for library in needed(path):
                file = (root / LIBS / library).resolve()
                self.program(root, f'{LIBS}/{file.name}')
                if file.name != library:
                    self.link(f'{LIBS}/{library}', file.name)

    def modules(self, names):
        source = next((BUILD / 'pkg').glob('linux-image-*[0-9]-amd64_*')) / 'lib/modules'
        for name in names:
            self.add(f'modules/{name}.ko', next(source.rglob(f'{name}.ko')).read_bytes())
        self.add('modules/order', ''.join(f'{name}.ko\n' for name in names).encode())


def busybox():
    return next((BUILD / 'pkg').glob('busybox-static_*/bin/busybox')).read_bytes()


def guest():
    tree = Tree()
    tree.add('bin/busybox', busybox())
    tree.link('bin/sh', 'busybox')
    tree.modules(GUEST_MODULES)
    tree.add('init', (FILES / 'guest-init').read_bytes())
    return gzip.compress(tree.cpio.done(), 6, mtime=0)


def dom0(root):
    tree = Tree()
    for name, target in LINKS.items():
        tree.link(name, target)
    for name in PROGRAMS:
        tree.program(root, next(f'{f}/{name}' for f in ('usr/bin', 'usr/sbin') if (root / f / name).exists()))
    for file in sorted((root / XEN).iterdir()):
        if file.name not in LEAVE and is_elf(file):
            tree.program(root, f'{XEN}/{file.name}')
    for file in sorted((root / 'etc/xen').rglob('*')):
        if file.is_file() or file.is_symlink():
            tree.program(root, str(file.relative_to(root)))
    tree.program(root, f'{LIBS}/libgcc_s.so.1')  # opened by pthread_cancel()
    tree.add('usr/bin/busybox', busybox())
    tree.link('usr/bin/sh', 'bash')
    tree.modules(DOM0_MODULES)
    for name in ('in-guest', 'demo-disk'):
        tree.add('usr/bin/' + name, (FILES / name).read_bytes())
    tree.add('etc/xen/demo.cfg', (FILES / 'demo.cfg').read_bytes())
    tree.add('etc/passwd', b'root::0:0:root:/root:/bin/bash\n', 0o100644)
    tree.add('init', (FILES / 'dom0-init').read_bytes())
    return tree


def sources():
    return [DISK, GUEST / 'vmlinux', pathlib.Path(__file__), HERE / 'fetch.py', *FILES.iterdir()]


def main():
    out = GUEST / 'xl-initramfs.cpio'
    if out.exists() and out.stat().st_mtime >= max(f.stat().st_mtime for f in sources()):
        return
    fetch.say(f'CPIO    {out.relative_to(HERE.parent)}')
    ramdisk = guest()
    fetch.put('guest.cpio.gz', ramdisk)
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        dump(root)
        tree = dom0(root)
    tree.add('srv/vmlinux', (GUEST / 'vmlinux').read_bytes())
    tree.add('srv/guest.cpio.gz', ramdisk)
    fetch.put(out.name, tree.cpio.done())


if __name__ == '__main__':
    sys.exit(main())
