#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Types commands at a Domain 0 that has `xl`: tools/xl_shell.py [NAME=value...] 'xl create /etc/xen/demo.cfg' 'xl list'

It boots the hypervisor with Domain 0 in an initramfs (tools/xl_initramfs.py), runs each command in root's shell there,
shows what it says, powers off, and ends with the first status that is not 0. NAME=value are settings of tools/run.py
(HV=xen, SMP=2, LOG=file for the whole serial output); LIMIT=seconds is for each command (120). A word that is a file's
name, `+FILE`, goes to /srv there. With no command it is a shell on the terminal.

In Domain 0: /etc/xen/demo.cfg is a guest with a disk (made by `demo-disk`) and a network; `in-guest demo 'ls /'` types at
the guest's shell; guests' consoles are in /var/log/xen/console.
"""
import pathlib
import re
import sys
import tempfile
import time

import fetch
import run
import xl_initramfs

INITRD = xl_initramfs.GUEST / 'xl-initramfs.cpio'
SETTINGS = dict(mem='2G', hvargs='dom0_mem=640M')


def with_files(files, out):
    """The initramfs with more files, {'srv/name': content}, behind it."""
    cpio = fetch.Cpio()
    for name, content in files.items():
        cpio.add(name, 0o100755, content)
    out.write_bytes(INITRD.read_bytes() + cpio.done())
    return out


def settings(given, initrd=INITRD):
    """Settings of run.Boot for this Domain 0."""
    words = {**SETTINGS, 'initrd': str(initrd), **{k.lower(): v for k, v in given.items()}}
    if 'hvargs' in given:
        words['hvargs'] = f'{SETTINGS["hvargs"]} {given["hvargs"]}'
    return words


class Shell:
    """Commands at the prompt of a run.Boot."""

    def __init__(self, boot, limit=120):
        self.boot = boot
        self.limit = limit
        self.count = 0

    def ready(self, limit=180):
        return self.boot.wait_for(r'^MICA-XL-READY.*\n(.*\n)*?.*dom0# ', limit)

    def type(self, text):
        """Piece by piece, each after the echo of the last: nothing between here and the shell holds a whole line."""
        for i in range(0, len(text), 30):
            have = len(self.boot.raw) + len(text[i:i + 30])
            self.boot.send(text[i:i + 30])
            for _ in range(40):
                if len(self.boot.raw) >= have or not self.boot._step(0.05):
                    break

    def run(self, line, limit=None):
        """(status, output); (None, None) when the machine ended or said nothing for too long."""
        self.count += 1
        before = len(self.boot.log)
        # The quotes keep the echo of what is typed from matching.
        self.type(f'{line}; echo "MICA-"END-{self.count} $?\n')
        found = self.boot.wait_for(rf'^(?:.*[^"\n])?MICA-END-{self.count} (\d+)$', limit or self.limit)
        if not found:
            return None, None
        self.boot.wait_for(rf'MICA-END-{self.count} \d+\n(.*\n)*?.*dom0# ', 10)
        return int(found[1]), self.boot.log[before:found.start()].split('\n', 1)[-1]


def main():
    given = dict(a.split('=', 1) for a in sys.argv[1:] if re.match(r'[A-Z0-9]+=', a))
    files = [a[1:] for a in sys.argv[1:] if a.startswith('+')]
    commands = [a for a in sys.argv[1:] if not re.match(r'[A-Z0-9]+=|\+', a)]
    limit = float(given.pop('LIMIT', 120))
    xl_initramfs.main()
    with tempfile.TemporaryDirectory() as folder:
        initrd = INITRD
        if files:
            more = {'srv/' + pathlib.Path(f).name: pathlib.Path(f).read_bytes() for f in files}
            initrd = with_files(more, pathlib.Path(folder) / 'initrd')
        words = run.settings(**settings(given, initrd))
        run.need(words)
        if not commands:
            return run.interactive(words)
        return batch(words, commands, limit)


def batch(words, commands, limit):
    boot = run.Boot(**words)
    shell = Shell(boot, limit)
    found = shell.ready()
    print(f'  [{time.time() - boot.start:.0f} s] {"ready" if found else "Domain 0 did not come up"}', flush=True)
    worst = 0
    for line in commands if found else []:
        print(f'dom0# {line}', flush=True)
        status, text = shell.run(line)
        if status is None:
            break
        print(text, end='')
        print(f'  [{time.time() - boot.start:.0f} s] status {status}', flush=True)
        worst = worst or status
    if boot.ended is None:
        boot.send('poweroff -f\n')
        boot.finish(30)
        return worst
    print('\n'.join(boot.log.splitlines()[-40:]))
    print(f'  the machine ended: {boot.ended}')
    return 1


if __name__ == '__main__':
    sys.exit(main())
