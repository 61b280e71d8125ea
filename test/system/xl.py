# SPDX-License-Identifier: MIT
"""A Domain 0 with `xl` (tools/xl_initramfs.py), and guests made in it: what the fixture `xl_dom0` gives to test_xl_*.py."""
import base64
import re
import subprocess
import time

import pytest

from conftest import ROOT, compile_c, tail
import fetch
import xl_initramfs
import xl_shell

TINY = ['-std=gnu11', '-O1', '-g0', '-ffreestanding', '-fno-pie', '-mcmodel=kernel', '-mno-red-zone', '-mgeneral-regs-only',
        '-fno-stack-protector', '-fcf-protection=none', '-fno-asynchronous-unwind-tables', '-Wall', '-Wextra', '-Werror',
        '-nostdlib', '-static', '-no-pie', '-T', str(ROOT / 'test/guest/lib/guest.lds'), '-Wl,--build-id=none',
        '-Wl,-z,max-page-size=4096', '-Wl,-z,noexecstack', '-Wl,--no-warn-rwx-segments']
LINUX = dict(kernel='/srv/vmlinux', ramdisk='/srv/guest.cpio.gz', memory=128, vcpus=1)
SMALL = dict(kernel='/srv/tiny', memory=16, vcpus=1, extra='block')


LEFT = """left() {
xl info | grep -E 'free_memory|outstanding_claims'
xl list | cut -c 1-44
for d in /local/domain /vm /libxl; do xenstore-list -p $d 2>/dev/null; done
echo "$(lsevtchn 0 2>&1 | wc -l) event channels"
ls /sys/bus/xen-backend/devices /sys/class/net
losetup -a
}
"""


def initramfs(folder, more=()):
    """The initramfs, with the tiny kernel as /srv/tiny, a ramdisk to append with the memory checker and the clock's, and
    the function `left`; more: {'srv/name': content}."""
    xl_initramfs.main()
    subprocess.run(['gcc', *TINY, '-o', folder / 'tiny', ROOT / 'test/system/tiny.c'], check=True)
    cpio = fetch.Cpio()
    for name in ('dirty', 'clock'):
        compile_c('-static', '-s', '-o', folder / name, ROOT / f'test/system/{name}.c')
        cpio.add(f'bin/{name}', 0o100755, (folder / name).read_bytes())
    files = {'srv/left': LEFT.encode(), 'srv/tiny': (folder / 'tiny').read_bytes(),
             'srv/dirty.cpio': cpio.done(), **dict(more)}
    return xl_shell.with_files(files, folder / 'initrd')


def value(v):
    return '[ ' + ', '.join(f'"{x}"' for x in v) + ' ]' if isinstance(v, (list, tuple)) else f'"{v}"'


class Dom0:
    """dom0('xl list') is its output; the test fails when its status is not 0 (or the one expected)."""

    def __init__(self, machine):
        self.machine = machine
        self.shell = xl_shell.Shell(machine)
        self.serial = 0
        machine.expect(r'^MICA-XL-READY', 240)
        if not self.shell.ready():
            pytest.fail(f'no shell in Domain 0\n{tail(machine.log)}', pytrace=False)
        self('dmesg -n 1; [ ! -e /srv/left ] || . /srv/left')
        self.first = self.left()

    def ask(self, line, limit=400):
        status, text = self.shell.run(line, limit)
        if status is None:
            pytest.fail(f'no answer to {line!r} (machine: {self.machine.ended})\n{tail(self.machine.log)}', pytrace=False)
        return status, text

    def __call__(self, line, status=0, limit=400):
        got, text = self.ask(line, limit)
        if got != status:
            pytest.fail(f'{line!r}: status {got}, not {status}\n{text}\n{self.hypervisor_says()}', pytrace=False)
        return text

    def hypervisor_says(self):
        return tail('\n'.join(line for line in self.machine.log.splitlines() if line.startswith('(XEN)')), 8)

    def until(self, line, pattern, limit=300):
        """Repeats the line until its output matches."""
        end = time.time() + limit
        while True:
            text = self.ask(line)[1]
            found = re.search(pattern, text, re.M)
            if found:
                return found
            if time.time() > end:
                pytest.fail(f'{line!r} never shows {pattern!r}\n{text}\n{self.hypervisor_says()}', pytrace=False)
            time.sleep(0.5)

    def write(self, path, text):
        """A file in Domain 0, in pieces (of whole base64 groups) that fit a terminal's line."""
        coded = base64.b64encode(text.encode()).decode()
        for i in range(0, len(coded), 2000):
            self(f'echo {coded[i:i + 2000]} | base64 -d {">>" if i else ">"} {path}')

    def config(self, name, **words):
        text = ''.join(f'{k} = {v if isinstance(v, int) else value(v)}\n' for k, v in {'name': name, **words}.items())
        self.write(f'/srv/{name}.cfg', text)
        return f'/srv/{name}.cfg'

    def create(self, name, status=0, flags='', **words):
        """xl create with this configuration; a Guest."""
        self(f'xl create -q {flags} {self.config(name, **words)}', status)
        return Guest(self, name)

    def linux(self, name, disks=(), nets=(), sh='', **words):
        """A guest with Debian's kernel. disks: files (made by demo-disk), nets: last numbers of its addresses."""
        self.serial += 1
        extra = f'console=hvc0 loglevel=4 mica.name={name} {words.pop("extra", "")}'
        if nets:
            extra += f' mica.ip=192.168.77.{nets[0]}'
        if sh:
            extra += ' mica.sh=' + base64.b64encode(sh.encode()).decode()
        disk = [f'format=raw,vdev=xvd{"abcdefgh"[i]},access=w,script=block,target={d}' if d.startswith('/') else d
                for i, d in enumerate(disks)]
        vif = [f'mac=00:16:3e:00:00:{n:02x},bridge=xenbr0' for n in nets]
        return self.create(name, extra=extra, **{**LINUX, 'disk': disk, 'vif': vif, **words})

    def tiny(self, name='tiny', extra='block', **words):
        return self.create(name, **{**SMALL, 'extra': extra, **words})

    def domains(self):
        """{name: (domid, memory, vcpus, state)} as xl list says."""
        rows = [line.split() for line in self('xl list').splitlines()[1:]]
        return {r[0]: (int(r[1]), int(r[2]), int(r[3]), r[4]) for r in rows}

    def left(self):
        """What a guest that is gone must not leave behind, as lines."""
        return self('left 2>&1 || true').splitlines()

    def clean(self, limit=120):
        """Waits until nothing is left of any guest; the lines that stay different."""
        end = time.time() + limit
        while True:
            now = self.left()
            other = [f'-{x}' for x in self.first if x not in now] + [f'+{x}' for x in now if x not in self.first]
            if not other or time.time() > end:
                return other
            time.sleep(0.5)

    def counts(self, like=None, limit=60):
        """What Mica itself counts: domains, grants that they have mapped, free frames, bytes of its heap (nothing on Xen).

        Given counts from before, waits until they are the same again.
        """
        end = time.time() + limit
        while self.machine.settings['HV'] != 'xen':
            self('xl dmesg -c > /dev/null; xl debug-keys q')
            self.until('xl dmesg', 'heap .* bytes')
            text = self('xl dmesg')
            now = re.findall(r'd\d+: \d+ frames|\d+ grants mapped|free \d+ frames|heap \d+ bytes', text)
            if like in (None, now) or time.time() > end:
                return now
            time.sleep(0.5)
        return []

    def end_all(self):
        for name in self.domains():
            if name != 'Domain-0':
                self.ask(f'xl destroy {name}')
        self('rm -rf /srv/*.img /srv/*.cfg* /srv/*.save /srv/*.core /var/lib/xen/dump/* /var/log/xen/console/*')


class Guest:
    """guest('md5sum /dev/xvda') types at its shell, and is the output."""

    def __init__(self, dom0, name):
        self.dom0 = dom0
        self.name = name

    def ask(self, line, limit=400):
        return self.dom0.ask(f"LIMIT={limit} in-guest {self.name} '{line}'", limit * 4 + 100)

    def __call__(self, line, status=0, limit=400):
        return self.dom0(f"LIMIT={limit} in-guest {self.name} '{line}'", status, limit * 4 + 100)

    def xl(self, verb, *rest, **kw):
        return self.dom0(f'xl {verb} {self.name} {" ".join(str(r) for r in rest)}', **kw)

    def console(self):
        return self.dom0(f'tr -d "\\r" < /var/log/xen/console/guest-{self.name}.log')

    def says(self, pattern, limit=300):
        """Waits until its console shows the pattern."""
        return self.dom0.until(f'tr -d "\\r" < /var/log/xen/console/guest-{self.name}.log | tail -60', pattern, limit)

    def boots(self, times=1, limit=500):
        """Waits, in Domain 0, until the guest has come to its shell that many times."""
        log = f'/var/log/xen/console/guest-{self.name}.log'
        loop = f'for i in $(seq {limit}); do [ "$(grep -c ^MICA-GUEST-END {log})" = {times} ] && break; sleep 1; done'
        self.dom0(f'{loop}; tail -3 {log}; [ $i -lt {limit} ]', limit=limit * 3)
        return self

    def gone(self, limit=300):
        self.dom0.until(f'xl domid {self.name} 2>/dev/null || echo gone', '^gone', limit)

    @property
    def state(self):
        """r b p s c d of xl list, in one word."""
        return self.dom0.domains()[self.name][3].replace('-', '')
